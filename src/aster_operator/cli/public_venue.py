"""A client for public data alone: it holds no key, so it disturbs no session that trades with one."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aster_operator.config.settings import Settings
    from aster_operator.domain.clock import Clock
    from aster_operator.exchange.aster_client import AsterClient

__all__ = ["connect_public"]

_VENUES = ("mainnet", "testnet", "sim")


def connect_public(
    settings: "Settings",
    clock: "Clock",
    venue: str | None,
    *,
    base_url: str | None = None,
    ws_url: str | None = None,
    ca_file: Path | None = None,
) -> "AsterClient":
    """A client without keys. `venue` None is sim where `base_url` is given, testnet where the settings say
    so, else mainnet: the embedded exchange has no address of its own. Raises UserProblem.
    """
    from aster_operator.config.problems import UserProblem
    from aster_operator.exchange.aster_client import AsterClient

    if venue is None:
        venue = "sim" if base_url else ("testnet" if settings.venue == "testnet" else "mainnet")
    if venue not in _VENUES:
        raise UserProblem(f"{venue!r} is not one of {', '.join(_VENUES)}", "--venue", "choose one of them")
    endpoint = settings.endpoint("mainnet" if venue == "mainnet" else venue)  # type: ignore[arg-type]
    rest = base_url or (endpoint.rest_url if endpoint is not None else None)
    socket = ws_url or _beside(base_url) or (endpoint.ws_url if endpoint is not None else None)
    if rest is None or socket is None:
        raise UserProblem(
            "the sim venue needs the address of a running exchange",
            "--base-url",
            "start one with aster-operator exchange serve and pass what it prints",
        )
    try:
        return AsterClient(
            environment=venue,
            base_url=rest,
            ws_url=socket,
            clock=clock,
            ca_file=ca_file,
            timeout_s=settings.request_timeout_ms / 1000,
        )
    except ValueError as error:
        raise UserProblem(str(error), "--base-url and --ws-url", "correct the addresses") from error


def _beside(base_url: str | None) -> str | None:
    """The WebSocket address on the same host and port as a REST address."""
    if base_url is None or not base_url.startswith("http"):
        return base_url  # What is wrong with it is said of the REST address.
    return "ws" + base_url.removeprefix("http")
