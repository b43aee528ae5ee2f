"""What the room offers, module by module."""

import importlib
import inspect
import pkgutil
import subprocess
import sys

import pytest

import aster_operator.exchange as room

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


def test_the_errors_alone_load_no_network() -> None:
    script = (
        "import sys, aster_operator.exchange.errors\n"
        "print(sorted({'aiohttp', 'picows', 'coincurve'} & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
