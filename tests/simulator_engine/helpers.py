"""Small markets to test the engine with."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from aster_operator.domain.enums import OrderType, PositionSide, Side, TimeInForce
from aster_operator.market_data.history import MINUTE_MS, RecordedHistory, SymbolHistory
from aster_operator.simulator.exchange import ExchangeOptions, SimulatedExchange
from aster_operator.simulator.model import ExchangeEvent, OrderRequest, SimulatedOrder

START_MS = 1_746_576_000_000
Bar = tuple[float, float, float, float, float]
"""open, high, low, close, base volume."""


def symbol_history(
    symbol: str,
    bars: Sequence[Bar],
    *,
    start_ms: int = START_MS,
    funding: tuple[tuple[int, float], ...] = (),
    taker_buy_base: Sequence[float | None] | None = None,
) -> SymbolHistory:
    return SymbolHistory(
        symbol=symbol,
        open_time_ms=[start_ms + index * MINUTE_MS for index in range(len(bars))],
        open=[bar[0] for bar in bars],
        high=[bar[1] for bar in bars],
        low=[bar[2] for bar in bars],
        close=[bar[3] for bar in bars],
        base_volume=[bar[4] for bar in bars],
        taker_buy_base=list(taker_buy_base) if taker_buy_base is not None else [None] * len(bars),
        funding=funding,
    )


def flat_bars(price: float, count: int, *, reach: float = 1.0, volume: float = 10.0) -> list[Bar]:
    return [(price, price + reach, price - reach, price, volume)] * count


def make_exchange(
    bars: Sequence[Bar] | None = None, *, symbol: str = "BTCUSDT", **options: Any
) -> SimulatedExchange:
    """One market, BTCUSDT near 60,000 unless told otherwise, its first step played."""
    history = RecordedHistory({symbol: symbol_history(symbol, bars or flat_bars(60_000.0, 60))})
    options.setdefault("substep_ms", 5000)
    exchange = SimulatedExchange.from_history(history, ExchangeOptions(**options))
    exchange.advance_to(exchange.now_ms)
    return exchange


def with_account(
    exchange: SimulatedExchange, account_id: str = "alice", usdt: int = 100_000, *, hedge: bool = False
) -> SimulatedExchange:
    exchange.create_account(account_id, {"USDT": Decimal(usdt)})
    if hedge:
        exchange.set_hedge_mode(account_id, True)
    return exchange


def request(
    side: str, order_type: str = "MARKET", quantity: str | None = "0.1", **fields: Any
) -> OrderRequest:
    """An order request from plain texts; LIMIT is GTC unless told otherwise."""
    values: dict[str, Any] = {
        "symbol": fields.pop("symbol", "BTCUSDT"),
        "side": Side(side),
        "order_type": OrderType(order_type),
        "quantity": None if quantity is None else Decimal(quantity),
    }
    if order_type == "LIMIT":
        values["time_in_force"] = TimeInForce(fields.pop("tif", "GTC"))
    for name, value in fields.items():
        if name in ("price", "stop_price", "activation_price", "callback_rate_pct"):
            values[name] = Decimal(value)
        elif name == "position_side":
            values[name] = PositionSide(value)
        else:
            values[name] = value
    return OrderRequest(**values)


def place(
    exchange: SimulatedExchange, account_id: str, side: str, *args: Any, **fields: Any
) -> SimulatedOrder:
    return exchange.place_order(account_id, request(side, *args, **fields))


def best(exchange: SimulatedExchange, symbol: str = "BTCUSDT") -> tuple[Decimal, Decimal]:
    """Best bid and ask as prices."""
    view = exchange.book(symbol, 1)
    return view.spec.price_of(view.bids[0][0]), view.spec.price_of(view.asks[0][0])


def record(exchange: SimulatedExchange) -> list[ExchangeEvent]:
    events: list[ExchangeEvent] = []
    exchange.subscribe(events.append)
    return events


def play_minutes(exchange: SimulatedExchange, minutes: float) -> None:
    exchange.advance_to(exchange.now_ms + round(minutes * MINUTE_MS))
