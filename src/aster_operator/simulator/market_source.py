"""The seam between the engine and whatever drives a market: recorded minutes, ticks or a synthetic walk."""

from typing import Protocol

from aster_operator.domain.enums import Side
from aster_operator.simulator.book import Ladder
from aster_operator.simulator.model import ContractSpec, KlineRecord

__all__ = ["MarketDesk", "MarketSource"]


class MarketDesk(Protocol):
    """What a source may do to its market; all at the current market time."""

    def requote(self, symbol: str, bids: Ladder, asks: Ladder) -> int:
        """Set the synthetic ladders, best first; returns lots of account orders the price went through."""

    def aggress(self, symbol: str, side: Side, lots: int, ticks: int) -> None:
        """Trade `lots` at `ticks` with an aggressor on `side`, account orders by priority first."""

    def print_trade(self, symbol: str, side: Side, lots: int, ticks: int) -> None:
        """As `aggress`, for a trade known to have happened at `ticks`: synthetic lots priced better than that
        were gone by then and are withdrawn first."""

    def top_up(self, symbol: str, side: Side, ticks: int, lots: int) -> None:
        """Make sure that at least `lots` synthetic lots are shown on `side` at `ticks`."""

    def begin_minute(self, symbol: str, open_ms: int) -> None:
        """Open the bar of a minute in which perhaps nothing will trade."""

    def dictate_mark(self, symbol: str, mark_e8: int, funding_rate_e8: int, next_funding_ms: int) -> None:
        """The source knows the mark and the coming funding rate and time; the engine computes none."""

    def has_orders(self, symbol: str) -> bool:
        """Whether an order of an account waits in the market, resting or for its trigger."""

    def reference(self, symbol: str, index_ticks: int) -> None:
        """State the price of the underlying; the engine moves mark, triggers and funding after it."""


class MarketSource(Protocol):
    """Plays one symbol. All its randomness comes from its own seed, never from what accounts do."""

    @property
    def spec(self) -> ContractSpec: ...

    @property
    def start_ticks(self) -> int:
        """Price before the first step."""

    @property
    def end_ms(self) -> int | None:
        """Market time of the last step; None when it never ends."""

    def recorded_rates_e8(self) -> dict[int, int]:
        """Known funding settlements: time -> rate times 10^8."""

    def history(self) -> list[KlineRecord]:
        """Closed minute bars from before the first step, oldest first."""

    def next_ms(self) -> int | None:
        """Market time of the next step; None when it has ended."""

    def play(self, desk: MarketDesk) -> None:
        """Take the step that is due at `next_ms()`."""
