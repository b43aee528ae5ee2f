"""A venue as arrays: what resting orders do at each recorded event, compiled.

The market is its last quote, trade and mark. An order takes its latency to arrive and meets the market as it
is then. A limit order waits behind what was displayed at its price when it came; trades at that price and
quotes that show less bring it forward, trades beyond it fill it. A market order takes the touch. Orders with
a trigger wait for the mark (stop) or the last price (take-profit, trailing stop) and then take the touch. A
trailing stop that the trader runs himself follows the mark; its market order has the latency of any other.

All state is in float arrays whose columns are named here, so that a compiled strategy can read and write it.
"""

import numpy as np

from aster_operator.backtest.kernels.compiler import Bytes, Floats, LongIntegers, compiled

__all__ = [
    "ACCOUNT_COLUMNS", "ASK", "ASK_QUANTITY", "BAR_CLOSE", "BAR_HIGH", "BAR_LOW", "BAR_OPEN", "BAR_VOLUME",
    "BID", "BID_QUANTITY", "CASH", "FEES", "FILL_COLUMNS", "FUNDING", "FUNDING_EVENT", "FUNDING_RATE", "IOC",
    "LAST", "LIMIT", "MARK", "MARKET", "MARKET_COLUMNS", "MARK_EVENT", "MARK_MS", "NEXT_ID", "ORDER_COLUMNS",
    "ORDER_ID", "OWN_TRAIL", "POSITION", "QUOTE_EVENT", "QUOTE_MS", "STATUS", "STOP", "TAKE_PROFIT",
    "TRADE_EVENT", "TRAILING_STOP", "WRITTEN", "advance", "arrivals", "at_event", "cancel", "is_idle",
    "start_bar", "submit", "trail_here",
]  # fmt: skip

QUOTE_EVENT, TRADE_EVENT, MARK_EVENT, FUNDING_EVENT = 1, 2, 3, 4
"""Kinds of events. Their values: bid, its quantity, ask, its quantity; price, quantity, side of the taker;
price, funding rate of the running period; rate that is settled."""

(
    BID, BID_QUANTITY, ASK, ASK_QUANTITY, LAST, MARK, BAR_OPEN, BAR_HIGH, BAR_LOW, BAR_CLOSE, BAR_VOLUME,
    FUNDING_RATE, QUOTE_MS, MARK_MS,
) = range(14)  # fmt: skip
MARKET_COLUMNS = 14
"""The market as it is known; NaN where nothing has been heard. The bar is that of the trades. Then the
funding rate of the running period, and the times of the newest quote and mark."""

LIMIT, MARKET, STOP, TAKE_PROFIT, TRAILING_STOP, IOC, OWN_TRAIL = range(1, 8)
"""Types of orders. An IOC takes what is displayed at the touch, where that is no worse than its price, and
the rest of it is gone; a displayed quantity of 0 is one that is not known, and enough."""

(
    STATUS, ORDER_ID, SIDE, TYPE, PRICE, QUANTITY, FILLED, ARRIVES_MS, AHEAD, CALLBACK, PEAK, REDUCE_ONLY,
    LEAVES_MS,
) = range(13)  # fmt: skip
ORDER_COLUMNS = 13
_FREE, _ON_ITS_WAY, _RESTING = 0.0, 1.0, 2.0

POSITION, CASH, FEES, NEXT_ID, WRITTEN, LATENCY_MS, MAKER_FEE, TAKER_FEE, FUNDING = range(9)
ACCOUNT_COLUMNS = 9
"""Position in base units, cash and fees in quote units, the next order's number, fills written; then what is
settled: latency in ms, fees as fractions. Last the funding received (negative: paid), in the cash already."""

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
def trail_here(
    orders: Floats,
    account: Floats,
    side: int,
    quantity: float,
    activation: float,
    callback: float,
    best: float,
    armed: bool,
) -> int:
    """Follow the mark from `best` on, as the trader does: at once, and with nothing at the venue.

    Armed by `activation`, it sends a market order to `side` when the mark gives back the fraction `callback`
    of its best. Returns its number, or -1 when there is no room.
    """
    number = submit(orders, account, 0.0, side, OWN_TRAIL, quantity, activation, callback, True)
    for row in range(orders.shape[0]):
        if orders[row, STATUS] != _FREE and orders[row, ORDER_ID] == number:
            orders[row, STATUS], orders[row, PEAK] = _RESTING, best
            orders[row, AHEAD] = 1.0 if armed else 0.0
    return int(number)


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
    elif kind == IOC:
        touch, displayed = (
            (market[ASK], market[ASK_QUANTITY]) if side > 0 else (market[BID], market[BID_QUANTITY])
        )
        if side * (touch - price) <= 0:
            quantity = min(orders[row, QUANTITY], displayed) if displayed > 0 else orders[row, QUANTITY]
            _fill(orders, row, account, fills, now_ms, touch, quantity, 0)
        orders[row, STATUS] = _FREE
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
def _at_mark(orders: Floats, row: int, market: Floats, account: Floats, fills: Floats, now_ms: float) -> None:
    side, mark = orders[row, SIDE], market[MARK]
    if orders[row, TYPE] == STOP and side * (mark - orders[row, PRICE]) >= 0:
        _take(orders, row, market, account, fills, now_ms)
    elif orders[row, TYPE] == OWN_TRAIL:
        # `side` closes: a falling mark is bad for the long that a sale closes.
        if side * (mark - orders[row, PEAK]) < 0:
            orders[row, PEAK] = mark
        if side * (mark - orders[row, PRICE]) <= 0:
            orders[row, AHEAD] = 1.0
        fires_at = orders[row, PEAK] * (1 + side * orders[row, CALLBACK])
        if orders[row, AHEAD] and side * (mark - fires_at) >= 0:
            orders[row, TYPE], orders[row, STATUS] = MARKET, _ON_ITS_WAY
            orders[row, ARRIVES_MS] = now_ms + account[LATENCY_MS]


@compiled
def _settle_funding(market: Floats, account: Floats, rate: float) -> None:
    """Who is long pays a positive rate of what is held at the mark, or at the last price without one."""
    price = market[MARK] if market[MARK] == market[MARK] else market[LAST]
    if price == price:
        received = -account[POSITION] * price * rate
        account[FUNDING] += received
        account[CASH] += received


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
        market[QUOTE_MS] = now_ms
    elif kind == TRADE_EVENT:
        market[LAST] = values[event, 0]
        _bar(market, market[LAST], quantity)
    elif kind == MARK_EVENT:
        market[MARK], market[FUNDING_RATE], market[MARK_MS] = values[event, 0], values[event, 1], now_ms
    else:
        _settle_funding(market, account, values[event, 0])
    for row in range(orders.shape[0]):
        if orders[row, STATUS] != _RESTING:
            continue
        if kind == QUOTE_EVENT:
            _at_quote(orders, row, market, account, fills, now_ms)
        elif kind == TRADE_EVENT:
            _at_trade(orders, row, market, account, fills, now_ms, quantity)
        elif kind == MARK_EVENT:
            _at_mark(orders, row, market, account, fills, now_ms)


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
    volume, quote, mark = market[BAR_VOLUME], -1, -1
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
            elif kind == MARK_EVENT:
                mark = cursor
                market[MARK] = values[cursor, 0]
            else:
                market[LAST] = last
                _settle_funding(market, account, values[cursor, 0])
            cursor += 1
        if quote >= 0:
            for column in range(4):
                market[column] = values[quote, column]
            market[QUOTE_MS] = times_ms[quote]
        if mark >= 0:
            market[FUNDING_RATE], market[MARK_MS] = values[mark, 1], times_ms[mark]
        market[LAST], market[BAR_OPEN], market[BAR_HIGH], market[BAR_LOW] = last, opened, high, low
        market[BAR_VOLUME] = volume
    return cursor
