"""`aster-operator exchange account create`: one more account, with keys, on an exchange that is running."""

import http.client
import json
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

import typer

from aster_operator.cli.options import JsonOutput
from aster_operator.config.problems import UserProblem

__all__ = ["register_account"]

_GROUP_HELP = "Accounts of a running embedded exchange."
_CREATE_HELP = """Open an account on a running embedded exchange and print its keys.

The keys work at once: an agent key for V3 signatures, an API key with its secret for V1. They open nothing
but that exchange. Name the exchange by the line that exchange serve --json printed, or by the control address
and the token that exchange serve shows.

\b
Examples:
  aster-operator exchange account create --exchange exchange.json
  aster-operator exchange account create --exchange exchange.json --deposit 250000 --json
  aster-operator exchange account create --control http://127.0.0.1:40123 --token TOKEN
"""
_TIMEOUT_S = 10
_LONGEST_ANSWER = 1_000_000


def register_account(group: typer.Typer) -> None:
    account = typer.Typer(help=_GROUP_HELP, rich_markup_mode=None, no_args_is_help=True)
    account.command(name="create", help=_CREATE_HELP)(_create)
    account.callback()(lambda: None)
    group.add_typer(account, name="account")


_Exchange = Annotated[
    Path | None,
    typer.Option("--exchange", metavar="FILE", help="File with the line that exchange serve --json printed."),
]
_Control = Annotated[
    str | None, typer.Option("--control", metavar="URL", help="Control address of the exchange.")
]
_Token = Annotated[str | None, typer.Option("--token", help="Control token of the exchange.")]
_Deposit = Annotated[float, typer.Option("--deposit", min=0, help="USDT on the new account.")]


def _create(
    exchange: _Exchange = None,
    control: _Control = None,
    token: _Token = None,
    deposit: _Deposit = 10_000.0,
    json_output: JsonOutput = False,
) -> int:
    from aster_operator.domain.money import exact, plain_text

    url, secret = _address(exchange, control, token)
    body = {"deposits": {"USDT": plain_text(exact(deposit))}}
    account = _ask(url, secret, "/sim/account", body)
    if json_output:
        print(json.dumps(account))
        return 0
    print(
        f"user       {account['user']}\n"
        f"signer     {account['signer']}\n"
        f"agent key  {account['private_key']}\n"
        f"API key    {account['api_key']}\n"
        f"secret     {account['api_secret']}\n"
        "These keys open nothing but this exchange."
    )
    return 0


def _address(file: Path | None, control: str | None, token: str | None) -> tuple[str, str]:
    """(control address, token). Raises UserProblem when they are not given, or not readable."""
    if file is None:
        if control is None or token is None:
            raise UserProblem(
                "which exchange?",
                "exchange account create",
                "give --exchange FILE, or --control URL and --token TOKEN as exchange serve shows them",
            )
        return control, token
    try:
        line = json.loads(file.read_text().split("\n", 1)[0])
        return control or line["control"], token or line["control_token"]
    except OSError as error:
        raise UserProblem(error.strerror or "cannot be read", str(file), "name another file") from error
    except (ValueError, KeyError, TypeError) as error:
        raise UserProblem(
            "this is not the line of an exchange", str(file), "exchange serve --json > FILE writes one"
        ) from error


def _ask(url: str, token: str, path: str, body: dict[str, Any]) -> Any:
    """POST to the control API. Raises UserProblem when nobody answers, or the answer is a refusal."""
    address = urlsplit(url)
    try:
        port = address.port
    except ValueError:
        port = None
    if address.scheme != "http" or not address.hostname or port is None:
        raise UserProblem("this is no control address", url, "it looks like http://127.0.0.1:40123")
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    connection = http.client.HTTPConnection(address.hostname, port, timeout=_TIMEOUT_S)
    try:
        connection.request("POST", path, json.dumps(body), headers)
        response = connection.getresponse()
        answer = json.loads(response.read(_LONGEST_ANSWER))
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise UserProblem(
            "no exchange answers", url, "start one with exchange serve, or give its control address"
        ) from error
    finally:
        connection.close()
    if response.status == http.HTTPStatus.UNAUTHORIZED:
        raise UserProblem("the exchange does not know this token", url, "copy the one it printed")
    if response.status != http.HTTPStatus.OK:
        raise UserProblem(str(answer.get("error", answer)), url, "mend what it names")
    return answer
