"""One table entry per endpoint, and what a handler is given."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from aster_operator.domain.clock import Clock
from aster_operator.simulator.api import ExchangeApi
from aster_operator.simulator.model import ContractSpec
from aster_operator.simulator.server import refusals
from aster_operator.simulator.server.accounts import AccountRegistry
from aster_operator.simulator.server.auth import SPOT_PREFIX, AuthSettings, Identity, Security
from aster_operator.simulator.server.listen_keys import ListenKeys
from aster_operator.simulator.server.market_feed import MarketFeed
from aster_operator.simulator.server.market_maker_protection import MarketMakerProtection
from aster_operator.simulator.server.messages import WireRequest
from aster_operator.simulator.server.params import Params
from aster_operator.simulator.server.rate_limits import RateLimiter
from aster_operator.simulator.server.spot_wallets import SpotWallets

__all__ = ["Call", "Endpoint", "MarginChange", "MovedAsset", "Services", "Withdrawal"]


@dataclass(frozen=True, slots=True)
class MarginChange:
    """A row of positionMargin/history. `kind` 1 = added, 2 = removed; `amount` as text."""

    symbol: str
    position_side: str
    amount: str
    kind: int
    time_ms: int


@dataclass(frozen=True, slots=True)
class MovedAsset:
    """A row of a migration: what went from one account to another."""

    asset: str
    atoms: int
    transfer_id: int


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """What has left an account. `amount` as text, `wallet` is `spot` or `perp`."""

    number: str
    asset: str
    amount: str
    chain_id: int
    wallet: str
    time_ms: int


@dataclass(slots=True)
class Services:
    """Everything behind the front door. `clock` is the security clock; market time is the exchange's."""

    exchange: ExchangeApi
    clock: Clock
    registry: AccountRegistry
    auth: AuthSettings
    limiter: RateLimiter
    spot_limiter: RateLimiter
    listen_keys: ListenKeys
    spot_listen_keys: ListenKeys
    market: MarketFeed
    spot: SpotWallets
    protection: MarketMakerProtection
    instance: str = ""
    """Names this life of the exchange: trade and order numbers begin anew with each."""
    margin_changes: dict[str, deque[MarginChange]] = field(default_factory=dict)
    migrations: dict[tuple[str, str], tuple[MovedAsset, ...]] = field(default_factory=dict)
    """By account, source or target, and batch."""
    withdrawals: dict[str, dict[bytes, Withdrawal]] = field(default_factory=dict)
    """By account, then by the digest that was signed."""

    def limiter_of(self, path: str) -> RateLimiter:
        """Futures and spot are two hosts at the venue, each with a budget of its own."""
        return self.spot_limiter if path.startswith(SPOT_PREFIX) else self.limiter


@dataclass(slots=True)
class Call:
    """One authenticated request on its way to its handler."""

    services: Services
    request: WireRequest
    params: Params
    identity: Identity | None

    @property
    def exchange(self) -> ExchangeApi:
        return self.services.exchange

    @property
    def account_id(self) -> str:
        """Raises RuntimeError where the table gave a private handler a public security type."""
        if self.identity is None:
            raise RuntimeError(f"{self.request.path} has no account; its table entry asks for no identity")
        return self.identity.account_id

    def spec(self, name: str = "symbol") -> ContractSpec:
        """The contract named by a mandatory parameter. Raises VenueRefusal(-1121) for an unknown one."""
        symbol = self.params.text(name)
        spec = self.exchange.contracts().get(symbol)
        if spec is None:
            raise refusals.bad_symbol()
        return spec

    def optional_spec(self) -> ContractSpec | None:
        return None if self.params.optional_text("symbol") is None else self.spec()


Handler = Callable[[Call], Any]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A method and a name under `/fapi/v<version>/`, or under `/api/...` for spot; version 0 is unversioned.

    `weight` is a number or depends on the parameters; `orders` counts the new orders of a request.
    `reuses_nonce`: the request names the nonce of an earlier one (section 4.4).
    """

    method: str
    name: str
    versions: tuple[int, ...]
    security: Security
    handler: Handler
    weight: int | Callable[[Params], int] = 1
    orders: Callable[[Params], int] | None = None
    reuses_nonce: bool = False
    product: str = "fapi"
    summary: str = ""

    @property
    def paths(self) -> tuple[str, ...]:
        parts = (f"v{version}/" if version else "" for version in self.versions)
        return tuple(f"/{self.product}/{part}{self.name}" for part in parts)

    def weight_of(self, params: Params) -> int:
        return self.weight if isinstance(self.weight, int) else self.weight(params)
