"""What the room offers, module by module."""

import importlib
import inspect
import pkgutil
import re
import subprocess
import sys

import pytest

import aster_operator.exchange as room
from aster_operator.exchange.aster_client import AsterClient
from aster_operator.exchange.calls.spot import SpotCalls

MODULES = sorted(
    info.name for info in pkgutil.walk_packages(room.__path__, f"{room.__name__}.") if not info.ispkg
)


def test_every_public_name_is_there_and_the_same_as_at_home() -> None:
    assert sorted(room.__all__) == room.__all__
    assert set(room._HOMES) == set(room.__all__)
    for name in room.__all__:
        home = importlib.import_module(f"{room.__name__}.{room._HOMES[name]}")
        assert getattr(room, name) is getattr(home, name)
        assert name in home.__all__
    with pytest.raises(AttributeError, match="nothing"):
        _ = room.nothing


@pytest.mark.parametrize("name", MODULES)
def test_each_module_names_what_it_offers(name: str) -> None:
    module = importlib.import_module(name)
    assert module.__doc__
    assert len(set(module.__all__)) == len(module.__all__)
    for offered in module.__all__:
        member = getattr(module, offered)
        if inspect.isclass(member) and member.__module__ == name and not hasattr(member, "__struct_fields__"):
            assert member.__doc__, f"{name}.{offered} has no docstring"


@pytest.mark.parametrize("name", MODULES)
def test_modules_and_functions_stay_readable(name: str) -> None:
    module = importlib.import_module(name)
    assert len(inspect.getsource(module).splitlines()) <= 400


CALLS = [
    pytest.param(member, id=f"{cls.__name__}.{name}")
    for cls in (AsterClient, SpotCalls)
    for name, member in inspect.getmembers(cls, inspect.iscoroutinefunction)
    if not name.startswith("_")
]


@pytest.mark.parametrize("method", CALLS)
def test_every_call_says_what_it_takes_raises_weighs_and_implements(method) -> None:
    said = " ".join((inspect.getdoc(method) or "").split())
    assert re.search(r"\b[Ww]eigh[ts]\b", said), "no request weight"
    assert re.search(r"\b[Ss]ections? \d|no section", said), "no section of the protocol reference"
    assert re.search(r"Raises|[Ee]rrors", said), "no errors"
    parameters = inspect.signature(method).parameters.values()
    named = [p.name for p in parameters if p.name != "self" and p.kind is not p.VAR_KEYWORD]
    assert [name for name in named if f"`{name}`" not in said] == []


def test_the_errors_alone_load_no_network() -> None:
    script = (
        "import sys, aster_operator.exchange.errors\n"
        "print(sorted({'aiohttp', 'picows', 'coincurve'} & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
