"""A venue as arrays: what resting orders do at each recorded event, compiled.

The market is its last quote, trade and mark. An order takes its latency to arrive and meets the market as it
is then. A limit order waits behind what was displayed at its price when it came; trades at that price and
quotes that show less bring it forward, trades beyond it fill it. A market order takes the touch. Orders with
a trigger wait for the mark (stop) or the last price (take-profit, trailing stop) and then take the touch.

All state is in float arrays whose columns are named here, so that a compiled strategy can read and write it.
"""

import numpy as np

from aster_operator.backtest.kernels.compiler import Bytes, Floats, LongIntegers, compiled

__all__ = [
    "ACCOUNT_COLUMNS", "ASK", "ASK_QUANTITY", "BAR_CLOSE", "BAR_HIGH", "BAR_LOW", "BAR_OPEN", "BAR_VOLUME",
    "BID", "BID_QUANTITY", "CASH", "FEES", "FILL_COLUMNS", "LAST", "LIMIT", "MARK", "MARKET",
    "MARKET_COLUMNS", "MARK_EVENT", "NEXT_ID", "ORDER_COLUMNS", "ORDER_ID", "POSITION", "QUOTE_EVENT",
    "STATUS", "STOP", "TAKE_PROFIT", "TRADE_EVENT", "TRAILING_STOP", "WRITTEN", "advance", "arrivals",
    "at_event", "cancel", "is_idle", "start_bar", "submit",
]  # fmt: skip

QUOTE_EVENT, TRADE_EVENT, MARK_EVENT = 1, 2, 3
"""Kinds of events. Their values: bid, its quantity, ask, its quantity; price, quantity, side of the taker;
price."""

(
    BID, BID_QUANTITY, ASK, ASK_QUANTITY, LAST, MARK, BAR_OPEN, BAR_HIGH, BAR_LOW, BAR_CLOSE, BAR_VOLUME,
) = range(11)  # fmt: skip
MARKET_COLUMNS = 11
"""The market as it is known; NaN where nothing has been heard. The bar is that of the trades."""

LIMIT, MARKET, STOP, TAKE_PROFIT, TRAILING_STOP = range(1, 6)
"""Types of orders."""

(
    STATUS, ORDER_ID, SIDE, TYPE, PRICE, QUANTITY, FILLED, ARRIVES_MS, AHEAD, CALLBACK, PEAK, REDUCE_ONLY,
    LEAVES_MS,
) = range(13)  # fmt: skip
ORDER_COLUMNS = 13
_FREE, _ON_ITS_WAY, _RESTING = 0.0, 1.0, 2.0

POSITION, CASH, FEES, NEXT_ID, WRITTEN, LATENCY_MS, MAKER_FEE, TAKER_FEE = range(8)
ACCOUNT_COLUMNS = 8
"""Position in base units, cash and fees in quote units, the next order's number, fills written; then what is
settled: latency in ms, fees as fractions."""

FILL_COLUMNS = 7
"""Time in ms, order, side, price, quantity, fee, 1 for a maker."""

_NEVER = np.inf


@compiled
def submit(
    orders: Floats,
    account: Floats,
    now_ms: float,
    side: int,
    kind: int,
    quantity: float,
    price: float,
    callback: float,
    reduce_only: bool,
) -> int:
    """Send an order; returns its number, or -1 when there is no room for one more.

    `price` is the limit, the trigger, or what arms a trailing stop, whose `callback` is a fraction.
    """
    for row in range(orders.shape[0]):
        if orders[row, STATUS] == _FREE:
            number = account[NEXT_ID]
            account[NEXT_ID] += 1
            orders[row, STATUS] = _ON_ITS_WAY
            orders[row, ORDER_ID], orders[row, SIDE], orders[row, TYPE] = number, side, kind
            orders[row, PRICE], orders[row, QUANTITY], orders[row, FILLED] = price, quantity, 0.0
            orders[row, ARRIVES_MS], orders[row, AHEAD] = now_ms + account[LATENCY_MS], _NEVER
            orders[row, CALLBACK], orders[row, PEAK] = callback, np.nan
            orders[row, REDUCE_ONLY], orders[row, LEAVES_MS] = 1.0 if reduce_only else 0.0, _NEVER
            return int(number)
    return -1


@compiled
def cancel(orders: Floats, account: Floats, now_ms: float, number: int) -> bool:
    """Ask for an order to be taken back; whether it was still there. It may fill until that arrives."""
    for row in range(orders.shape[0]):
        if orders[row, STATUS] != _FREE and orders[row, ORDER_ID] == number:
            orders[row, LEAVES_MS] = min(orders[row, LEAVES_MS], now_ms + account[LATENCY_MS])
            return True
    return False


@compiled
def start_bar(market: Floats) -> None:
    """A new bar without trades yet."""
    market[BAR_OPEN] = market[BAR_HIGH] = market[BAR_LOW] = market[BAR_CLOSE] = np.nan
    market[BAR_VOLUME] = 0.0


@compiled
def _fill(
    orders: Floats,
    row: int,
    account: Floats,
    fills: Floats,
    now_ms: float,
    price: float,
    quantity: float,
    maker: int,
) -> None:
    side = orders[row, SIDE]
    if orders[row, REDUCE_ONLY]:
        quantity = min(quantity, max(-side * account[POSITION], 0.0))
    if quantity > 0:
        fee = quantity * price * (account[MAKER_FEE] if maker else account[TAKER_FEE])
        account[POSITION] += side * quantity
        account[CASH] -= side * quantity * price + fee
        account[FEES] += fee
        out = int(account[WRITTEN])
        fills[out, 0], fills[out, 1], fills[out, 2], fills[out, 3] = (
            now_ms,
            orders[row, ORDER_ID],
            side,
            price,
        )
        fills[out, 4], fills[out, 5], fills[out, 6] = quantity, fee, maker
        account[WRITTEN] += 1
        orders[row, FILLED] += quantity
    # What a reduce-only order cannot reduce any more, it lets go.
    if quantity <= 0 or (orders[row, REDUCE_ONLY] and account[POSITION] == 0):
        orders[row, STATUS] = _FREE
    if orders[row, FILLED] >= orders[row, QUANTITY] * (1 - 1e-12):
        orders[row, STATUS] = _FREE


@compiled
def _take(orders: Floats, row: int, market: Floats, account: Floats, fills: Floats, now_ms: float) -> None:
    """Fill the rest of the order at the touch, or at the last price where no quote was heard."""
    touch = market[ASK] if orders[row, SIDE] > 0 else market[BID]
    price = touch if touch == touch else market[LAST]
    if price == price:
        _fill(orders, row, account, fills, now_ms, price, orders[row, QUANTITY] - orders[row, FILLED], 0)
    else:
        orders[row, STATUS] = _FREE


@compiled
def _arrive(orders: Floats, row: int, market: Floats, account: Floats, fills: Floats, now_ms: float) -> None:
    orders[row, STATUS] = _RESTING
    kind, side, price = orders[row, TYPE], orders[row, SIDE], orders[row, PRICE]
    if kind == MARKET:
        _take(orders, row, market, account, fills, now_ms)
    elif kind == LIMIT:
        opposite = market[ASK] if side > 0 else market[BID]
        if side * (opposite - price) <= 0:
            _take(orders, row, market, account, fills, now_ms)
        else:
            _queue(orders, row, market)


@compiled
def _queue(orders: Floats, row: int, market: Floats) -> None:
    """What is ahead of a limit order: at the best price at most what is displayed, before it nothing."""
    side = orders[row, SIDE]
    best, displayed = (market[BID], market[BID_QUANTITY]) if side > 0 else (market[ASK], market[ASK_QUANTITY])
    ahead = side * (orders[row, PRICE] - best)
    if ahead > 0:
        orders[row, AHEAD] = 0.0
    elif ahead == 0:
        orders[row, AHEAD] = min(orders[row, AHEAD], displayed)


@compiled
def _at_quote(
    orders: Floats, row: int, market: Floats, account: Floats, fills: Floats, now_ms: float
) -> None:
    if orders[row, TYPE] != LIMIT:
        return
    side, price = orders[row, SIDE], orders[row, PRICE]
    opposite = market[ASK] if side > 0 else market[BID]
    if side * (opposite - price) <= 0:
        _fill(orders, row, account, fills, now_ms, price, orders[row, QUANTITY] - orders[row, FILLED], 1)
    else:
        _queue(orders, row, market)


@compiled
def _at_trade(
    orders: Floats, row: int, market: Floats, account: Floats, fills: Floats, now_ms: float, quantity: float
) -> None:
    kind, side, price, last = orders[row, TYPE], orders[row, SIDE], orders[row, PRICE], market[LAST]
    if kind == LIMIT:
        rest = orders[row, QUANTITY] - orders[row, FILLED]
        if side * (price - last) > 0:
            _fill(orders, row, account, fills, now_ms, price, rest, 1)
        elif price == last:
            passed = quantity - orders[row, AHEAD]
            orders[row, AHEAD] = max(orders[row, AHEAD] - quantity, 0.0)
            if passed > 0:
                _fill(orders, row, account, fills, now_ms, price, min(rest, passed), 1)
    elif kind == TAKE_PROFIT:
        # An order that closes a long (a sale) waits for a higher price.
        if side * (last - price) <= 0:
            _take(orders, row, market, account, fills, now_ms)
    elif kind == TRAILING_STOP:
        peak = orders[row, PEAK]
        if peak != peak:
            if side * (last - price) <= 0:
                orders[row, PEAK] = last
        elif side * (last - peak * (1 + side * orders[row, CALLBACK])) >= 0:
            _take(orders, row, market, account, fills, now_ms)
        elif side * (last - peak) < 0:
            orders[row, PEAK] = last


@compiled
def _bar(market: Floats, price: float, quantity: float) -> None:
    if market[BAR_OPEN] != market[BAR_OPEN]:
        market[BAR_OPEN] = market[BAR_HIGH] = market[BAR_LOW] = price
    market[BAR_HIGH] = max(market[BAR_HIGH], price)
    market[BAR_LOW] = min(market[BAR_LOW], price)
    market[BAR_CLOSE] = price
    market[BAR_VOLUME] += quantity


@compiled
def arrivals(orders: Floats, market: Floats, account: Floats, fills: Floats, until_ms: float) -> None:
    """Orders and cancellations that arrive up to `until_ms` meet the market as it is."""
    for row in range(orders.shape[0]):
        overtaken = orders[row, LEAVES_MS] < orders[row, ARRIVES_MS]
        if orders[row, LEAVES_MS] <= until_ms and (overtaken or orders[row, STATUS] == _RESTING):
            orders[row, STATUS] = _FREE
        if orders[row, STATUS] == _ON_ITS_WAY and orders[row, ARRIVES_MS] <= until_ms:
            _arrive(orders, row, market, account, fills, orders[row, ARRIVES_MS])


@compiled
def at_event(
    event: int,
    times_ms: LongIntegers,
    kinds: Bytes,
    values: Floats,
    market: Floats,
    orders: Floats,
    account: Floats,
    fills: Floats,
) -> None:
    """What the venue does at one event: late arrivals first, then the market moves, then orders answer."""
    now_ms = float(times_ms[event])
    arrivals(orders, market, account, fills, now_ms)
    kind = kinds[event]
    quantity = values[event, 1]
    if kind == QUOTE_EVENT:
        for column in range(4):
            market[column] = values[event, column]
    elif kind == TRADE_EVENT:
        market[LAST] = values[event, 0]
        _bar(market, market[LAST], quantity)
    else:
        market[MARK] = values[event, 0]
    for row in range(orders.shape[0]):
        if orders[row, STATUS] != _RESTING:
            continue
        if kind == QUOTE_EVENT:
            _at_quote(orders, row, market, account, fills, now_ms)
        elif kind == TRADE_EVENT:
            _at_trade(orders, row, market, account, fills, now_ms, quantity)
        elif orders[row, TYPE] == STOP and orders[row, SIDE] * (market[MARK] - orders[row, PRICE]) >= 0:
            _take(orders, row, market, account, fills, now_ms)


@compiled
def is_idle(orders: Floats) -> bool:
    """Whether no order rests or is on its way."""
    waiting = 0
    for row in range(orders.shape[0]):
        waiting += orders[row, STATUS] != _FREE
    return bool(waiting == 0)


@compiled
def advance(
    cursor: int,
    until_ms: int,
    most: int,
    times_ms: LongIntegers,
    kinds: Bytes,
    values: Floats,
    market: Floats,
    orders: Floats,
    account: Floats,
    fills: Floats,
) -> int:
    """Play the events from `cursor` on to the next that matters; returns the place behind it.

    What matters: a fill, and the first event at `until_ms` or later, which is not played. At most `most`.
    While no order waits, events only move the market.
    """
    written = account[WRITTEN]
    stop = min(times_ms.shape[0], cursor + most)
    if not is_idle(orders):
        while cursor < stop and times_ms[cursor] < until_ms and account[WRITTEN] == written:
            at_event(cursor, times_ms, kinds, values, market, orders, account, fills)
            cursor += 1
            if is_idle(orders):
                break
        if account[WRITTEN] != written:
            return cursor
    last, opened, high, low = market[LAST], market[BAR_OPEN], market[BAR_HIGH], market[BAR_LOW]
    volume, quote = market[BAR_VOLUME], -1
    if is_idle(orders):
        while cursor < stop and times_ms[cursor] < until_ms:
            kind = kinds[cursor]
            if kind == QUOTE_EVENT:
                quote = cursor
            elif kind == TRADE_EVENT:
                last = values[cursor, 0]
                opened = last if opened != opened else opened
                high = last if high != high else max(high, last)
                low = last if low != low else min(low, last)
                volume += values[cursor, 1]
                market[BAR_CLOSE] = last
            else:
                market[MARK] = values[cursor, 0]
            cursor += 1
        if quote >= 0:
            for column in range(4):
                market[column] = values[quote, column]
        market[LAST], market[BAR_OPEN], market[BAR_HIGH], market[BAR_LOW] = last, opened, high, low
        market[BAR_VOLUME] = volume
    return cursor
