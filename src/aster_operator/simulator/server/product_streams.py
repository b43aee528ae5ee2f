"""The streams of the two products, and which of them a socket has come for (section 11.4)."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from aster_operator.simulator.server.connections import SocketSettings
from aster_operator.simulator.server.frames import Outgoing
from aster_operator.simulator.server.listen_keys import ListenKeys
from aster_operator.simulator.server.stream_hub import MarketHub
from aster_operator.simulator.server.subscriptions import Subscriptions

__all__ = ["ProductStreams", "StreamProducts"]

SPOT_WORD = "sstream"


@dataclass(frozen=True, slots=True)
class ProductStreams:
    """One product: who listens, whose keys, the limits of a socket. `hub` None: nothing is ever said."""

    subscriptions: Subscriptions
    listen_keys: ListenKeys
    sockets: SocketSettings
    hub: MarketHub | None

    def expire_due(self) -> None:
        """Forget the keys whose time is over and tell those who listen."""
        self._tell(self.listen_keys.expire_due())

    def expire_now(self, account_id: str | None) -> int:
        """Forget the key of an account, or all, at once; returns how many."""
        keys = self.listen_keys.expire_now(account_id)
        self._tell(keys)
        return len(keys)

    def _tell(self, keys: list[str]) -> None:
        if self.hub is not None:
            self.hub.expire_keys(keys)


@dataclass(frozen=True, slots=True)
class StreamProducts:
    """The perpetuals and the spot markets beside them; they have streams of the same names."""

    futures: ProductStreams
    spot: ProductStreams

    def both(self) -> tuple[ProductStreams, ProductStreams]:
        return self.futures, self.spot

    def choose(self, path: str, names: Sequence[str]) -> ProductStreams:
        """Spot for a path with the word `sstream` in it, or for a spot listen key."""
        if SPOT_WORD in path or any(self.spot.listen_keys.account_of(name) is not None for name in names):
            return self.spot
        return self.futures

    def account_of(self, name: str) -> str | None:
        """Whose listen key of either product `name` is, None for anything else."""
        futures = self.futures.listen_keys.account_of(name)
        return self.spot.listen_keys.account_of(name) if futures is None else futures

    def intercept(self, hook: Callable[[str, Outgoing], Iterable[Outgoing]]) -> None:
        """Let `hook` decide what becomes of every message on its way."""
        for product in self.both():
            product.subscriptions.intercept = hook

    def on_time(self, time_ms: int) -> None:
        """Market time has reached `time_ms`."""
        for product in self.both():
            if product.hub is not None:
                product.hub.on_time(time_ms)

    def detach(self) -> None:
        """Stop listening to the exchange."""
        for product in self.both():
            if product.hub is not None:
                product.hub.detach()
