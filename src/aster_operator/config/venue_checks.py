"""Rules that join several keys: credentials that belong together, addresses that fit the venue."""

import re
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from aster_operator.config.pair_settings import pair_problems
from aster_operator.config.problems import UserProblem
from aster_operator.config.venue_settings import Venue

if TYPE_CHECKING:
    from aster_operator.config.settings import Settings

__all__ = ["CrossProblem", "Endpoint", "credential_problems", "cross_problems", "endpoint_of"]


class Endpoint(NamedTuple):
    """Where a venue answers (protocol reference, section 1.1)."""

    rest_url: str
    ws_url: str


class CrossProblem(NamedTuple):
    """A fault between `keys`; it is reported at the first of them."""

    keys: tuple[str, ...]
    reason: str
    remedy: str


_MAINNET = Endpoint("https://fapi.asterdex.com", "wss://fstream.asterdex.com")
_TESTNET = Endpoint("https://fapi.asterdex-testnet.com", "wss://fstream5.asterdex-testnet.com")
_ENDPOINTS: dict[Venue, Endpoint] = {"mainnet": _MAINNET, "paper": _MAINNET, "testnet": _TESTNET}
_LOOPBACK = ("127.0.0.1", "::1", "localhost")

# Order of the secp256k1 group: a private key lies below it.
_CURVE_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


def endpoint_of(settings: "Settings", venue: Venue) -> Endpoint | None:
    """Addresses of `venue`: those given in the settings where they fit, its own otherwise."""
    if venue == "sim":
        rest, socket = settings.aster_base_url, settings.aster_ws_url
        # Old files carry the mainnet address; the embedded exchange never goes there.
        if rest and socket and _host(rest) in _LOOPBACK and _host(socket) in _LOOPBACK:
            return Endpoint(rest.rstrip("/"), socket.rstrip("/"))
        return None
    own = _ENDPOINTS[venue]
    return Endpoint(
        (settings.aster_base_url or own.rest_url).rstrip("/"),
        (settings.aster_ws_url or own.ws_url).rstrip("/"),
    )


def cross_problems(settings: "Settings", faulty: set[str]) -> list[CrossProblem]:
    """Faults between keys, leaving out every rule that involves a key in `faulty`."""
    found = [
        *_twice_given(settings),
        *_half_given(settings),
        *_agent_key(settings),
        *_addresses(settings),
        *_database(settings),
        *_dates(settings),
        *_pairs(settings),
    ]
    return [problem for problem in found if not faulty.intersection(problem.keys)]


def _pairs(settings: "Settings") -> list[CrossProblem]:
    return [
        CrossProblem(("TRADING_PAIRS", "PAIR_KIND"), reason, remedy)
        for reason, remedy in pair_problems(settings.pair_kind, settings.trading_pairs)
    ]


def _twice_given(settings: "Settings") -> list[CrossProblem]:
    pairs = (
        ("ORDER_API_KEY", settings.order_api_key, "ASTER_API_KEY", settings.aster_api_key),
        ("ORDER_SECRET_KEY", settings.order_secret_key, "ASTER_API_SECRET", settings.aster_api_secret),
        (
            "ASTER_USER_ADDRESS",
            (settings.aster_user_address or "").lower() or None,
            "WALLET_ADDRESS",
            (settings.wallet_address or "").lower() or None,
        ),
    )
    return [
        CrossProblem(
            (second_key, first_key), f"differs from {first_key}", "they are one thing: keep one of the two"
        )
        for second_key, second, first_key, first in pairs
        if second is not None and first is not None and second != first
    ]


def _half_given(settings: "Settings") -> list[CrossProblem]:
    found = []
    if settings.api_key is not None and settings.api_secret is None:
        found.append(
            CrossProblem(
                ("ASTER_API_SECRET", "ASTER_API_KEY", "ORDER_SECRET_KEY"),
                "is not set, though the API key is",
                "set both",
            )
        )
    if settings.api_secret is not None and settings.api_key is None:
        found.append(
            CrossProblem(
                ("ASTER_API_KEY", "ASTER_API_SECRET", "ORDER_API_KEY"),
                "is not set, though the API secret is",
                "set both",
            )
        )
    if settings.aster_agent_private_key is not None and settings.user_address is None:
        found.append(
            CrossProblem(
                ("WALLET_ADDRESS", "ASTER_USER_ADDRESS", "ASTER_AGENT_PRIVATE_KEY"),
                "is not set, though the agent's key is",
                "set it to the main wallet that approved the agent, 0x and 40 hexadecimal digits",
            )
        )
    return found


def _agent_key(settings: "Settings") -> list[CrossProblem]:
    if settings.aster_agent_private_key is None:
        return []
    text = settings.aster_agent_private_key.get_secret_value().removeprefix("0x")
    if re.fullmatch(r"[0-9a-fA-F]{64}", text) and 0 < int(text, 16) < _CURVE_ORDER:
        return []
    return [
        CrossProblem(
            ("ASTER_AGENT_PRIVATE_KEY",),
            f"is no private key ({len(text)} characters, hidden)",
            "it must be 64 hexadecimal digits, with or without 0x in front, or the path of a file with them",
        )
    ]


def _addresses(settings: "Settings") -> list[CrossProblem]:
    found = []
    for key, url, secure, plain in (
        ("ASTER_BASE_URL", settings.aster_base_url, "https", "http"),
        ("ASTER_WS_URL", settings.aster_ws_url, "wss", "ws"),
    ):
        if url is None:
            continue
        host = _host(url)
        scheme = url.split("://", 1)[0]
        if host is None or scheme not in (secure, plain):
            found.append(CrossProblem((key,), f"is no {secure} address", f"write {secure}://host"))
        elif scheme == plain and host not in _LOOPBACK:
            found.append(
                CrossProblem((key,), "is not encrypted", f"use {secure}:// for every host but this machine")
            )
        elif settings.venue == "mainnet" and "testnet" in host:
            found.append(
                CrossProblem(
                    (key, "VENUE"), "is the testnet, VENUE is mainnet", f"remove {key}, or change VENUE"
                )
            )
        elif settings.venue == "testnet" and host.endswith("asterdex.com"):
            found.append(
                CrossProblem(
                    (key, "VENUE"), "is the mainnet, VENUE is testnet", f"remove {key}, or change VENUE"
                )
            )
    return found


def _host(url: str) -> str | None:
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises ValueError when it is no number
    except ValueError:
        return None
    return parts.hostname


def _database(settings: "Settings") -> list[CrossProblem]:
    if settings.database_server_url is None:
        return []
    scheme = settings.database_url.split("://", 1)[0].split("+", 1)[0]
    if "://" in settings.database_url and scheme in ("sqlite", "postgresql", "postgres"):
        return []
    return [
        CrossProblem(
            ("DATABASE_URL",),
            "is no database address",
            "write postgresql://user:password@host/name or sqlite:///path",
        )
    ]


def _dates(settings: "Settings") -> list[CrossProblem]:
    found = []
    for key, text in (
        ("ASTER_BACKTEST_START_DATE", settings.backtest_start_date),
        ("ASTER_BACKTEST_END_DATE", settings.backtest_end_date),
        ("ASTER_BACKTEST_RUN_DATE", settings.backtest_run_date),
    ):
        if text is not None and not re.fullmatch(r"\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])", text):
            found.append(CrossProblem((key,), f"is no date, was {text}", "write YYYY-MM-DD"))
    if settings.midfreq_entry_halt_utc > settings.midfreq_force_exit_utc:
        found.append(
            CrossProblem(
                ("ASTER_ENTRY_HALT_UTC", "ASTER_FORCE_EXIT_UTC"),
                f"is after ASTER_FORCE_EXIT_UTC={settings.midfreq_force_exit_utc}",
                "entries must halt before positions are closed",
            )
        )
    return found


def credential_problems(
    settings: "Settings", venue: Venue, faulty: set[str] | None = None
) -> list[UserProblem]:
    """What is missing for trading at `venue`; nothing for sim and paper, which need no keys."""
    if venue in ("sim", "paper") or settings.signing is not None:
        return []
    credentials = {"ASTER_AGENT_PRIVATE_KEY", "WALLET_ADDRESS", "ASTER_USER_ADDRESS", "ASTER_API_KEY"}
    if (faulty or set()) & (credentials | {"ASTER_API_SECRET", "ORDER_API_KEY", "ORDER_SECRET_KEY"}):
        return []  # already reported as faulty; "missing" would be misleading
    agent = "ASTER_AGENT_PRIVATE_KEY and WALLET_ADDRESS"
    hmac = "ASTER_API_KEY and ASTER_API_SECRET"
    wanted = {"agent": agent, "hmac": hmac}.get(
        settings.aster_signing, f"{agent} (or, with an old key, {hmac})"
    )
    return [UserProblem(f"VENUE={venue} needs credentials", "settings", f"set {wanted}, or use VENUE=sim")]
