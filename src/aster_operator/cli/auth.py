"""`aster-operator auth`: from no key to a key that may trade and nothing else."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from aster_operator.cli.auth_questions import ask, keep_where_chosen, one_or_two, wallet_address
from aster_operator.cli.auth_store import Store, keep_secret
from aster_operator.cli.errors import print_problem
from aster_operator.cli.options import EnvFile, JsonOutput, settings_from

if TYPE_CHECKING:
    from aster_operator.config.settings import Settings
    from aster_operator.exchange.credentials import ApiKeyCredentials, Credentials
    from aster_operator.runtime.doctor import Check

__all__ = ["register"]


_SUMMARY = (
    "Make or bring a trading key, say what to approve, and check that it works. Keys stay out of sight."
)
_GROUP_HELP = f"""{_SUMMARY}

Without a command it asks, step by step. The venue issues agents (V3) only; V1 keys made before 2026-03-25
keep working.

\b
Examples:
  aster-operator auth
  aster-operator auth new-agent --wallet 0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed --store keyring
  aster-operator auth check --json
"""

_AGENT_KEY = "ASTER_AGENT_PRIVATE_KEY"
_PERMISSIONS = {"perpetuals": True, "spot": False, "withdraw": False}
_APPROVE = """Now let your main wallet approve the agent, on the venue's API management page:

  address        {agent}
  name           {name}
  perpetuals     ON
  spot           off: not needed
  withdrawals    OFF: then the worst a stolen key can do is trade
  IP whitelist   the address of the machine that trades, if it is a fixed one

Your main wallet's own private key is never needed here. Give it to no bot."""

_Wallet = Annotated[
    str | None, typer.Option("--wallet", metavar="ADDRESS", help="Main wallet that holds the margin.")
]
_StoreOption = Annotated[
    Store | None,
    typer.Option("--store", help="Where the secret is kept; stdout prints it and keeps nothing."),
]
_Out = Annotated[
    Path | None,
    typer.Option("--out", metavar="FILE", help="With --store file: the file, made with mode 600."),
]
_Name = Annotated[str, typer.Option("--name", help="Name of the agent on the venue's page.")]
_VenueOption = Annotated[
    str | None, typer.Option("--venue", help="sim, testnet or mainnet (default: VENUE of the settings).")
]
_BaseUrl = Annotated[
    str | None, typer.Option("--base-url", metavar="URL", help="REST address instead of the venue's own.")
]
_WsUrl = Annotated[str | None, typer.Option("--ws-url", metavar="URL", help="WebSocket address likewise.")]
_CaFile = Annotated[
    Path | None, typer.Option("--ca-file", metavar="FILE", help="Trust this CA (exchange serve --tls).")
]


def register(app: typer.Typer) -> None:
    group = typer.Typer(help=_GROUP_HELP, add_completion=False, rich_markup_mode=None, short_help=_SUMMARY)
    group.callback(invoke_without_command=True)(_walk)
    group.command("new-agent")(_new_agent)
    group.command("add-key")(_add_key)
    group.command("approve")(_approve)
    group.command("check")(_check)
    app.add_typer(group, name="auth")


# --- the walk -------------------------------------------------------------------------------------------


def _walk(context: typer.Context) -> int | None:
    if context.invoked_subcommand is not None:
        return None
    say = "Which key? 1 a new agent (V3), for everybody; 2 a V1 key you already have"
    if ask(say, "one of the commands of auth", one_or_two, default="1") == "2":
        code = _add_key(store=None, out=None, json_output=False)
        print("Write these lines to .env, then run: aster-operator auth check", file=sys.stderr)
        return code
    _new_agent(wallet=None, store=None, out=None, name="aster-operator", json_output=False)
    print(
        "Write these lines to .env, approve the agent, then run: aster-operator auth check", file=sys.stderr
    )
    return 0


# --- making and bringing keys ---------------------------------------------------------------------------


def _new_agent(
    wallet: _Wallet = None,
    store: _StoreOption = None,
    out: _Out = None,
    name: _Name = "aster-operator",
    json_output: JsonOutput = False,
) -> int:
    """Make the key of a new agent, keep it, and say what your main wallet has to approve.

    \b
    Examples:
      aster-operator auth new-agent --wallet 0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed --store keyring
      aster-operator auth new-agent --wallet 0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed --store file --json
    """
    from aster_operator.cli.json_output import print_json
    from aster_operator.config.masking import register_secret
    from aster_operator.exchange.credentials import AgentCredentials
    from aster_operator.runtime.key_check import check_signing, new_agent_key

    question = "Address of your main wallet (0x...)"
    user = ask(question, "--wallet", wallet_address) if wallet is None else wallet_address(wallet)
    address, secret = new_agent_key()
    register_secret(secret.reveal())
    _demand(check_signing(AgentCredentials(user, address, secret)))
    place, reference = keep_where_chosen(
        store, lambda place: keep_secret(place, _AGENT_KEY, address.lower(), secret.reveal(), out)
    )
    lines = {"WALLET_ADDRESS": user, "ASTER_SIGNER_ADDRESS": address}
    if reference:
        lines[_AGENT_KEY] = reference
    if json_output:
        approve = {"name": name, "address": address, "permissions": _PERMISSIONS}
        shown = {"agent_address": address, "user_address": user, "store": place.value, "settings": lines}
        extra = {"private_key": secret.reveal()} if place is Store.STDOUT else {}
        print_json(shown | {"approve": approve} | extra)
        return 0
    if place is Store.STDOUT:
        print(secret.reveal())
    _print_lines(lines, to_stderr=place is Store.STDOUT)
    print(_APPROVE.format(agent=address, name=name), file=sys.stderr)
    return 0


def _add_key(store: _StoreOption = None, out: _Out = None, json_output: JsonOutput = False) -> int:
    """Keep a V1 key you already have. Asks without showing it; scripts give key and secret as two lines.

    \b
    Example:
      aster-operator auth add-key --store keyring
    """
    from aster_operator.cli.json_output import print_json
    from aster_operator.config.masking import register_secret
    from aster_operator.runtime.key_check import check_signing

    _refuse_stdout(store)
    credentials = _api_key(store)
    register_secret(credentials.api_key.reveal())
    register_secret(credentials.api_secret.reveal())
    _demand(check_signing(credentials))

    def keep(place: Store) -> dict[str, str]:
        _refuse_stdout(place)
        parts = {"key": credentials.api_key, "secret": credentials.api_secret}
        files = {what: None if out is None else out.with_name(f"{out.name}.{what}") for what in parts}
        return {
            f"ASTER_API_{what.upper()}": keep_secret(
                place, f"ASTER_API_{what.upper()}", credentials.account, part.reveal(), files[what]
            )
            for what, part in parts.items()
        }

    place, settings = keep_where_chosen(store, keep)
    if json_output:
        print_json({"store": place.value, "settings": {key: text for key, text in settings.items() if text}})
    else:
        _print_lines(settings, to_stderr=False)
        print("On the venue's page withdrawals must be off for this key.", file=sys.stderr)
    return 0


def _refuse_stdout(store: Store | None) -> None:
    from aster_operator.config.problems import UserProblem

    if store is Store.STDOUT:
        raise UserProblem("there is nothing to print that you do not have", "--store", "choose another store")


def _api_key(store: Store | None) -> "ApiKeyCredentials":
    """From the terminal without showing it, asked again while it cannot be one; or as two lines of standard
    input."""
    from aster_operator.config.problems import UserProblem
    from aster_operator.exchange.credentials import ApiKeyCredentials, CredentialsError

    if not sys.stdin.isatty():
        if store is None:
            raise UserProblem("there is nobody to ask", "standard input", "pass --store")
        lines = sys.stdin.read().split()
        if len(lines) != 2:
            raise UserProblem("key and secret are expected as two lines", "standard input", "pass both")
        return ApiKeyCredentials(*lines)
    while True:
        typed = [typer.prompt(f"API {what}", hide_input=True, err=True) for what in ("key", "secret")]
        try:
            return ApiKeyCredentials(*typed)
        except CredentialsError as refused:
            print_problem(f"{refused}: type both again")


def _print_lines(lines: dict[str, str], *, to_stderr: bool) -> None:
    for key, text in lines.items():
        if text:
            print(f"{key}={text}", file=sys.stderr if to_stderr else sys.stdout)


def _demand(checks: "list[Check]") -> None:
    from aster_operator.config.problems import UserProblem

    for check in checks:
        if not check.ok:
            raise UserProblem(check.detail, check.name, check.remedy)


# --- at the venue ---------------------------------------------------------------------------------------


def _approve(
    base_url: _BaseUrl = None,
    ws_url: _WsUrl = None,
    ca_file: _CaFile = None,
    wallet_key: Annotated[
        Path | None,
        typer.Option(
            "--wallet-key", metavar="FILE", help="File with the key of a demo account's main wallet."
        ),
    ] = None,
    name: _Name = "aster-operator",
    env_file: EnvFile = None,
    json_output: JsonOutput = False,
) -> int:
    """Approve the settings' agent on an embedded exchange, as its main wallet would on the venue's page.

    On a real venue this is done on its page: the main wallet's key has no business here.

    \b
    Example:
      aster-operator auth approve --wallet-key w.key --base-url http://127.0.0.1:8545 \\
        --ws-url ws://127.0.0.1:8545
    """
    import asyncio

    from aster_operator.cli.json_output import print_json
    from aster_operator.config.secrets import read_secret
    from aster_operator.exchange.credentials import AgentCredentials

    if wallet_key is None:
        raise typer.BadParameter("is needed", param_hint="--wallet-key")
    overrides = {"VENUE": "sim", "ASTER_BASE_URL": base_url, "ASTER_WS_URL": ws_url}
    settings = settings_from(env_file, overrides=overrides)
    try:
        wallet = AgentCredentials.from_private_key(read_secret(str(wallet_key.absolute())))
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--wallet-key") from None
    agent = asyncio.run(_approve_at(settings, ca_file, wallet, name))
    if json_output:
        print_json({"approved": agent, "user_address": wallet.user, "permissions": _PERMISSIONS})
    else:
        print(f"{agent} may trade perpetuals for {wallet.user}")
    return 0


async def _approve_at(settings: "Settings", ca_file: Path | None, wallet: Any, name: str) -> str:
    from aster_operator.cli.venues import connect
    from aster_operator.config.problems import UserProblem
    from aster_operator.domain.clock import DAY_MS, WallClock
    from aster_operator.exchange.aster_client import AsterClient
    from aster_operator.exchange.credentials import AgentCredentials

    clock = WallClock()
    client = connect(settings, clock, "sim", ca_file=ca_file, keys_needed=False)
    try:
        agent = client.credentials
        if not isinstance(agent, AgentCredentials) or agent.user.lower() != wallet.user.lower():
            raise UserProblem(
                f"the settings have no agent of the wallet {wallet.user}",
                "settings",
                "set what aster-operator auth new-agent printed",
            )
        owner = AsterClient(
            wallet,
            environment="sim",
            base_url=client.venue.rest_url,
            ws_url=client.venue.ws_url,
            clock=clock,
            ca_file=ca_file,
        )
        try:
            offset = await owner.measure_clock()
            expires_ms = clock.now_ms() + round(offset.offset_ms) + 365 * DAY_MS
            await owner.approve_agent(name, agent.signer, expires_ms=expires_ms)
        finally:
            await owner.close()
        return agent.signer
    finally:
        await client.close()


def _check(
    venue: _VenueOption = None,
    base_url: _BaseUrl = None,
    ws_url: _WsUrl = None,
    ca_file: _CaFile = None,
    offline: Annotated[bool, typer.Option("--offline", help="Sign, but ask the venue nothing.")] = False,
    env_file: EnvFile = None,
    json_output: JsonOutput = False,
) -> int:
    """Sign the reference vectors, and ask the venue what your key may do. Changes nothing.

    Exit code 0 when all is well, 1 when a check fails.

    \b
    Examples:
      aster-operator auth check --venue testnet
      aster-operator auth check --offline --json
    """
    import asyncio

    from aster_operator.cli.doctor import show_checks

    overrides = {"VENUE": venue, "ASTER_BASE_URL": base_url, "ASTER_WS_URL": ws_url}
    settings = settings_from(env_file, overrides=overrides)
    checks = asyncio.run(_examine(settings, ca_file, offline=offline))
    return show_checks(checks, json_output=json_output)


async def _examine(settings: "Settings", ca_file: Path | None, *, offline: bool) -> "list[Check]":
    from aster_operator.cli.venues import connect, credentials_of
    from aster_operator.domain.clock import WallClock
    from aster_operator.monitoring.logs import configure_logs
    from aster_operator.runtime.doctor import Check
    from aster_operator.runtime.key_check import check_key_at_venue, check_signing

    configure_logs("error")
    credentials: Credentials | None = credentials_of(settings)
    checks = check_signing(credentials)
    if credentials is None:
        remedy = "run aster-operator auth, and set what it prints"
        return [*checks, Check(name="key", ok=False, detail="no key is set", remedy=remedy)]
    if offline:
        return checks
    clock = WallClock()
    client = connect(settings, clock, settings.venue, ca_file=ca_file)
    try:
        return checks + await check_key_at_venue(client, clock)
    finally:
        await client.close()
