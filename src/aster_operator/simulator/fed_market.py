"""A market fed from outside: live public streams (paper trading) or a test that dictates every price."""

from collections import deque
from collections.abc import Callable

from aster_operator.domain.enums import Side
from aster_operator.market_data.history import MINUTE_MS
from aster_operator.simulator.book import Ladder
from aster_operator.simulator.market_source import MarketDesk
from aster_operator.simulator.model import ContractSpec, KlineRecord

__all__ = ["FedMarket"]


class FedMarket:
    """A `MarketSource` whose steps are pushed in, oldest first, and happen when the exchange is advanced.

    Prices in ticks, quantities in lots, ladders best first. A step older than one pushed before it is taken
    at the later time, because a stream may deliver late.
    """

    def __init__(self, spec: ContractSpec, start_ticks: int) -> None:
        self._spec = spec
        self._start_ticks = self._index_ticks = start_ticks
        self._steps: deque[tuple[int, Callable[[MarketDesk], None]]] = deque()
        self._minute = -1
        self._wake: Callable[[], None] | None = None

    @property
    def spec(self) -> ContractSpec:
        return self._spec

    @property
    def start_ticks(self) -> int:
        return self._start_ticks

    @property
    def end_ms(self) -> int | None:
        return None

    def recorded_rates_e8(self) -> dict[int, int]:
        return {}

    def history(self) -> list[KlineRecord]:
        return []

    def next_ms(self) -> int | None:
        return self._steps[0][0] if self._steps else None

    def when_fed(self, wake: Callable[[], None]) -> None:
        """Call `wake` once, when the next step is pushed into the empty market."""
        self._wake = wake

    # --- feeding

    def push_book(self, time_ms: int, bids: Ladder, asks: Ladder) -> None:
        """The book looks like this from `time_ms` on. Raises ValueError when it is crossed or unsorted."""
        bid_ticks, ask_ticks = list(bids), list(asks)
        if bid_ticks != sorted(bid_ticks, reverse=True) or ask_ticks != sorted(ask_ticks):
            raise ValueError(f"{self._spec.symbol}: ladders must be best first")
        if bid_ticks and ask_ticks and bid_ticks[0] >= ask_ticks[0]:
            raise ValueError(f"{self._spec.symbol}: crossed book {bid_ticks[0]} >= {ask_ticks[0]} ticks")

        def show(desk: MarketDesk) -> None:
            if bid_ticks and ask_ticks:
                self._index_ticks = (bid_ticks[0] + ask_ticks[0]) // 2
            desk.requote(self._spec.symbol, dict(bids), dict(asks))

        self._push(time_ms, show)

    def push_trade(self, time_ms: int, taker_side: Side, lots: int, ticks: int) -> None:
        """Somebody took `lots` at `ticks`."""
        self._push(time_ms, lambda desk: desk.print_trade(self._spec.symbol, taker_side, lots, ticks))

    def push_mark(
        self, time_ms: int, mark_e8: int, index_e8: int, funding_rate_e8: int, next_funding_ms: int
    ) -> None:
        """The venue says so; from then on the mark is what is pushed."""
        self._index_ticks = max(1, index_e8 // self._spec.price_atoms_per_tick)
        self._push(
            time_ms,
            lambda desk: desk.dictate_mark(self._spec.symbol, mark_e8, funding_rate_e8, next_funding_ms),
        )

    def _push(self, time_ms: int, step: Callable[[MarketDesk], None]) -> None:
        last_ms = self._steps[-1][0] if self._steps else time_ms
        self._steps.append((max(time_ms, last_ms), step))
        if self._wake is not None:
            wake, self._wake = self._wake, None
            wake()

    def play(self, desk: MarketDesk) -> None:
        """Take all steps of the next millisecond."""
        now_ms = self.next_ms()
        if now_ms is None:
            return
        if now_ms // MINUTE_MS != self._minute:
            self._minute = now_ms // MINUTE_MS
            desk.begin_minute(self._spec.symbol, self._minute * MINUTE_MS)
        while self._steps and self._steps[0][0] == now_ms:
            self._steps.popleft()[1](desk)
        desk.reference(self._spec.symbol, self._index_ticks)
