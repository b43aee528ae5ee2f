"""Where a venue lives and which chain its signatures name (protocol reference, sections 1.1 and 2.2)."""

from enum import StrEnum
from urllib.parse import urlsplit

import msgspec

__all__ = ["CHAIN_ID_MAINNET", "CHAIN_ID_TESTNET", "Environment", "Venue"]

CHAIN_ID_MAINNET = 1666
CHAIN_ID_TESTNET = 714


class Environment(StrEnum):
    """Which of the venues: the real one, its test network, or the embedded exchange."""

    MAINNET = "mainnet"
    TESTNET = "testnet"
    SIM = "sim"


class Venue(msgspec.Struct, frozen=True, kw_only=True):
    """Addresses without a trailing slash and the EIP-712 chain id.

    On the embedded exchange `spot_rest_url` equals the futures address, `spot_ws_url` is a path below it.
    """

    environment: Environment
    rest_url: str
    ws_url: str
    spot_rest_url: str
    spot_ws_url: str
    chain_id: int

    @property
    def label(self) -> str:
        """Name of the nonce space: the environment, or host and port of an embedded exchange."""
        if self.environment is Environment.SIM:
            return f"sim-{urlsplit(self.rest_url).netloc.replace(':', '-')}"
        return self.environment.value

    @classmethod
    def of(
        cls,
        environment: Environment | str,
        *,
        rest_url: str | None = None,
        ws_url: str | None = None,
        spot_rest_url: str | None = None,
        spot_ws_url: str | None = None,
        chain_id: int | None = None,
    ) -> "Venue":
        """Return the venue's own addresses with the given ones in their place.

        Raises ValueError for an unknown environment, for an address with a scheme other than http(s)
        or ws(s), and for the embedded exchange without `rest_url` and `ws_url`.
        """
        try:
            environment = Environment(environment)
        except ValueError as error:
            known = ", ".join(Environment)
            raise ValueError(f"environment must be one of {known}, was {environment!r}") from error
        defaults = _DEFAULTS.get(environment)
        if defaults is None and (rest_url is None or ws_url is None):
            raise ValueError("the embedded exchange has no fixed address: give rest_url and ws_url")
        rest = _checked(rest_url or (defaults.rest_url if defaults else ""), ("http", "https"), "rest_url")
        ws = _checked(ws_url or (defaults.ws_url if defaults else ""), ("ws", "wss"), "ws_url")
        spot_rest = spot_rest_url or (defaults.spot_rest_url if defaults and rest_url is None else rest)
        spot_ws = spot_ws_url or (defaults.spot_ws_url if defaults and ws_url is None else ws)
        if spot_ws_url is None and environment is Environment.SIM:
            spot_ws = f"{ws}{_SPOT_STREAMS_IN_A_BOX}"
        return cls(
            environment=environment,
            rest_url=rest,
            ws_url=ws,
            spot_rest_url=_checked(spot_rest, ("http", "https"), "spot_rest_url"),
            spot_ws_url=_checked(spot_ws, ("ws", "wss"), "spot_ws_url"),
            chain_id=chain_id or (defaults.chain_id if defaults else CHAIN_ID_MAINNET),
        )


_SPOT_STREAMS_IN_A_BOX = "/sstream"
"""The embedded exchange serves both markets at one address and tells their streams by the path."""


def _checked(url: str, schemes: tuple[str, ...], name: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in schemes or not parts.netloc:
        raise ValueError(f"{name} must start with {' or '.join(f'{s}://' for s in schemes)}, was {url!r}")
    return url.rstrip("/")


_DEFAULTS = {
    Environment.MAINNET: Venue(
        environment=Environment.MAINNET,
        rest_url="https://fapi.asterdex.com",
        ws_url="wss://fstream.asterdex.com",
        spot_rest_url="https://sapi.asterdex.com",
        spot_ws_url="wss://sstream.asterdex.com",
        chain_id=CHAIN_ID_MAINNET,
    ),
    Environment.TESTNET: Venue(
        environment=Environment.TESTNET,
        rest_url="https://fapi.asterdex-testnet.com",
        ws_url="wss://fstream5.asterdex-testnet.com",
        spot_rest_url="https://sapi.asterdex-testnet.com",
        spot_ws_url="wss://sstream.asterdex-testnet.com",
        chain_id=CHAIN_ID_TESTNET,
    ),
}
