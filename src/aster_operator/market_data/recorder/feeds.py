"""The connections of a recording: which streams of which symbols are heard over which of them.

A lost connection takes its own streams with it and no others, so symbols are grouped by connection and
each group notes its own losses.
"""

from collections.abc import Callable, Sequence

from aster_operator.exchange.aster_client import AsterClient
from aster_operator.exchange.errors import ExchangeError, MalformedResponse
from aster_operator.exchange.streams import names
from aster_operator.exchange.streams.market import MessageStream
from aster_operator.exchange.streams.subscriptions import MAX_STREAMS_PER_SOCKET
from aster_operator.exchange.wire.streams import MarketMessage
from aster_operator.market_data.catalog.schemas import BOOK_LEVELS
from aster_operator.market_data.recorder.intake import Intake, Loss
from aster_operator.market_data.recorder.options import RecorderOptions

__all__ = ["Feeds"]

_DEPTH_SPEED_MS = 100


class _Group:
    """Symbols that share a connection."""

    def __init__(self, symbols: list[str]) -> None:
        self.symbols = symbols
        self.stream: MessageStream | None = None
        self.is_lost = False


class Feeds:
    """Opens and closes the streams; everything heard goes into `intake`."""

    def __init__(
        self,
        client: AsterClient,
        intake: Intake,
        options: RecorderOptions,
        on_notice: Callable[[str], None],
    ) -> None:
        self._client = client
        self._intake = intake
        self._on_notice = on_notice
        self._names: dict[str, Callable[[str], str]] = {
            "kline_1m": names.kline,
            "bookTicker": names.book_ticker,
            "markPrice": names.mark_price,
            "aggTrade": names.agg_trade,
            "depth5": lambda symbol: names.partial_depth(symbol, BOOK_LEVELS, _DEPTH_SPEED_MS),
        }
        if options.with_depth:
            self._names["depth"] = lambda symbol: names.depth(symbol, _DEPTH_SPEED_MS)
        if options.with_liquidations:
            self._names["forceOrder"] = names.liquidation
        self._groups: list[_Group] = []

    @property
    def streams(self) -> list[str]:
        """The recorded streams."""
        return list(self._names)

    @property
    def malformed(self) -> int:
        """Messages that could not be read."""
        return sum(group.stream.malformed for group in self._groups if group.stream is not None)

    async def open(self, symbols: Sequence[str]) -> None:
        """Follow `symbols`. Raises ExchangeError when a connection cannot be made."""
        size = MAX_STREAMS_PER_SOCKET // len(self._names)
        for start in range(0, len(symbols), size):
            await self._open_group(_Group(list(symbols[start : start + size])))

    async def _open_group(self, group: _Group) -> None:
        def judge(healthy: bool, detail: str) -> None:
            if healthy:
                if group.is_lost:
                    self._on_notice(f"{_names_of(group.symbols)}: heard again")
                group.is_lost = False
                return
            if group.is_lost:
                return
            group.is_lost = True
            pairs = tuple((stream, symbol) for symbol in group.symbols for stream in self._names)
            self._intake.lose(Loss(pairs, "reconnect", detail))
            self._on_notice(f"{_names_of(group.symbols)}: {detail}")

        self._groups.append(group)
        group.stream = await self._client.open_message_stream(
            self._stream_names(group.symbols), _refuse, judge, receiver=self._intake.receiver
        )

    def _stream_names(self, symbols: Sequence[str]) -> list[str]:
        return [name(symbol) for symbol in symbols for name in self._names.values()]

    async def add(self, symbols: Sequence[str]) -> None:
        """Follow more symbols, on a connection of their own. What fails is reported and tried no more."""
        try:
            await self.open(symbols)
        except ExchangeError as error:
            self._on_notice(f"{_names_of(symbols)}: {error}")

    async def remove(self, symbol: str) -> None:
        """Follow `symbol` no more."""
        for group in self._groups:
            if symbol in group.symbols:
                group.symbols.remove(symbol)
                if group.stream is not None:
                    try:
                        await group.stream.unsubscribe(self._stream_names([symbol]))
                    except ExchangeError as error:
                        self._on_notice(f"{symbol}: {error}")

    async def fence(self) -> None:
        """Return when everything the venue had sent before is in the intake, as far as it can be reached."""
        for group in self._groups:
            if group.stream is not None and group.stream.is_healthy:
                try:
                    await group.stream.fence()
                except ExchangeError as error:
                    self._on_notice(f"{_names_of(group.symbols)}: {error}")

    async def close(self) -> None:
        for group in self._groups:
            if group.stream is not None:
                await group.stream.close()


def _names_of(symbols: Sequence[str]) -> str:
    return ", ".join(symbols[:3]) + (f" and {len(symbols) - 3} more" if len(symbols) > 3 else "")


def _refuse(stream: str, _message: MarketMessage | list[MarketMessage], _received_ns: int) -> None:
    # A frame that decodes exactly but not as floats holds a number that is none, such as NaN.
    raise MalformedResponse(stream, "", "holds a number that is not finite or is negative")
