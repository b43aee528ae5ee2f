"""Best quotes of spot markets, whose frames carry neither a kind nor, at the venue, a time (section 6.3)."""

from collections.abc import Callable, Sequence
from decimal import Decimal

import msgspec

from aster_operator.domain.clock import Clock
from aster_operator.domain.events import Feed, FeedStatusChanged, QuoteUpdated
from aster_operator.domain.market import Quote
from aster_operator.domain.pairing import spot_symbol, venue_symbol
from aster_operator.exchange.client_protocol import StreamEvent
from aster_operator.exchange.streams.market import MessageStream
from aster_operator.exchange.streams.names import book_ticker
from aster_operator.exchange.streams.socket import Receiver

__all__ = ["SpotQuoteStream"]


class _Payload(msgspec.Struct, frozen=True, gc=False):
    s: str
    b: Decimal
    B: Decimal
    a: Decimal
    A: Decimal
    E: int | None = None


class _Frame(msgspec.Struct, frozen=True, gc=False):
    data: _Payload


class SpotQuoteStream:
    """An `EventStream` of QuoteUpdated for `symbols`. `now_ms` is the venue's time, for frames without one;
    other arguments are those of MessageStream."""

    def __init__(
        self,
        symbols: Sequence[str],
        on_event: Callable[[StreamEvent], None],
        *,
        ws_url: str,
        clock: Clock,
        now_ms: Callable[[], int],
        **options: object,
    ) -> None:
        self._on_event = on_event
        self._clock = clock
        self._now_ms = now_ms
        self._last_event_ms = 0
        self._decoder = msgspec.json.Decoder(_Frame, strict=False)
        self._messages = MessageStream(
            ws_url=ws_url,
            streams=[book_ticker(venue_symbol(symbol)) for symbol in symbols],
            on_message=lambda *_: None,
            on_status=self._announce,
            clock=clock,
            receiver=self._receiver,
            **options,  # type: ignore[arg-type]
        )

    def _receiver(self, general: Receiver) -> Receiver:
        def receive(payload: memoryview, received_ns: int) -> None:
            try:
                told = self._decoder.decode(payload).data
            except (msgspec.DecodeError, UnicodeDecodeError):
                general(payload, received_ns)  # answers to subscriptions, and garbage
                return
            event_ms = self._now_ms() if told.E is None else told.E
            self._last_event_ms = max(self._last_event_ms, event_ms)
            quote = Quote(
                symbol=spot_symbol(told.s),
                bid=told.b,
                bid_quantity=told.B,
                ask=told.a,
                ask_quantity=told.A,
                event_ms=event_ms,
                received_ns=received_ns,
            )
            if quote.is_two_sided:
                self._on_event(QuoteUpdated(event_ms=event_ms, received_ns=received_ns, quote=quote))

        return receive

    def _announce(self, healthy: bool, detail: str) -> None:
        self._on_event(
            FeedStatusChanged(
                event_ms=self._last_event_ms,
                received_ns=self._clock.now_ns(),
                feed=Feed.MARKET,
                healthy=healthy,
                detail=f"spot: {detail}" if detail else detail,
            )
        )

    async def open(self) -> None:
        """Connect and subscribe. Raises TransportFailed when that fails."""
        await self._messages.open()

    async def fence(self) -> None:
        """Return when everything the venue had sent before this call has been delivered."""
        await self._messages.fence()

    async def close(self) -> None:
        await self._messages.close()
