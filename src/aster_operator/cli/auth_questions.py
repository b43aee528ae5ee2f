"""What `aster-operator auth` asks a person, again and again until the answer will do."""

import re
import sys
from collections.abc import Callable
from typing import TypeVar

import typer

from aster_operator.cli.auth_store import Store
from aster_operator.cli.errors import print_problem

__all__ = ["ask", "keep_where_chosen", "one_or_two", "wallet_address"]

T = TypeVar("T")


def ask(question: str, instead: str, check: Callable[[str], T], default: str | None = None) -> T:
    """What `check` makes of what the person types; what it refuses is said, and asked for again.

    Raises UserProblem when nobody is there; `instead` is what a script passes.
    """
    from aster_operator.config.problems import UserProblem

    if not sys.stdin.isatty():
        raise UserProblem("there is nobody to ask", "standard input", f"pass {instead}")
    while True:
        text = str(typer.prompt(question, default=default, err=True)).strip()
        try:
            return check(text)
        except UserProblem as problem:
            print_problem(problem.line)


def one_or_two(text: str) -> str:
    from aster_operator.config.problems import UserProblem

    if text not in ("1", "2"):
        raise UserProblem(f"{text!r} is neither", "your answer", "type 1 or 2, or end with Ctrl-C")
    return text


def keep_where_chosen(store: Store | None, keep: Callable[[Store], T]) -> tuple[Store, T]:
    """What `keep` makes of the store that was named, or of the one that the person chooses: asked again
    when that one cannot keep it."""
    from aster_operator.config.problems import UserProblem

    def kept(text: str) -> tuple[Store, T]:
        try:
            place = Store(text)
        except ValueError:
            raise UserProblem(f"{text!r} is no place", "your answer", f"one of {', '.join(Store)}") from None
        return place, keep(place)

    if store is not None:
        return store, keep(store)
    say = "Where to keep it? keyring (of this desktop), systemd (as root), file (mode 600), stdout"
    return ask(say, "--store", kept, default=str(Store.KEYRING))


def wallet_address(text: str) -> str:
    """The address as it was given. Raises SettingsProblem: the settings know what an address is."""
    from aster_operator.config.problems import UserProblem
    from aster_operator.config.settings import load_settings

    if re.fullmatch(r"(0x)?[0-9a-fA-F]{64}", text):
        raise UserProblem(
            "64 digits are a private key, and this asks for an address, which has 40",
            "main wallet",
            "the main wallet's key belongs into no program: if this was it, move the money to a new wallet",
        )
    address = load_settings("/dev/null", overrides={"WALLET_ADDRESS": text}).user_address
    if address is None:
        raise UserProblem("no address was given", "--wallet", "give 0x and 40 hexadecimal digits")
    return address
