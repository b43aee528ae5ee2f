"""The `exchange` semantics once more, bar by bar in plain Python: slow, and written from the rules alone."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from aster_operator.backtest.bars import Bars
from aster_operator.backtest.semantics_exchange import ExchangeOptions

SETTLEMENT_MS = 8 * 3_600_000
MINUTE_MS = 60_000


@dataclass
class Position:
    """One position and its three resting orders."""

    side: int
    signal_bar: int
    price: float
    quantity: float
    stop: float
    target: float
    activation: float
    callback: float
    peak: float | None = None
    funding: float = 0.0

    @property
    def trails_on_mark(self) -> bool:
        """The venue takes callbacks from 0.1 to 5 %; any other is trailed by the operator, on the mark."""
        return not 0.001 <= self.callback <= 0.05


@dataclass
class Account:
    equity: list[float] = field(default_factory=list)
    realised: float = 0.0
    fees: float = 0.0
    funding: float = 0.0
    trades: list[tuple[int, int, float, float, float]] = field(default_factory=list)
    ambiguous: int = 0


def snap(price: float, tick: float | None, side: int) -> float:
    """On the grid as live: up for a long and down for a short, and what is on it stays."""
    if tick is None:
        return price
    return (math.ceil(price / tick - 1e-6) if side > 0 else math.floor(price / tick + 1e-6)) * tick


def signal(bars: Bars, bar: int, values: dict[str, float], tick: float | None) -> int:
    """+1, -1 or 0 at the close of `bar`."""
    if bar > 0 and bars.close_ms[bar] - bars.close_ms[bar - 1] != MINUTE_MS:
        return 0
    volatility = bars.volatility_bps[int(values["T"])][bar]
    average = bars.average_volume[int(values["V"])][bar]
    if math.isnan(volatility) or math.isnan(average) or not bars.volume[bar] > values["n"] * average:
        return 0
    ret = bars.ret_bps[bar]
    side = 1 if ret > values["k"] * volatility else -1 if ret < -values["k"] * volatility else 0
    spread = bars.spread_bps[bar]
    wide = bars.ask[bar] - bars.bid[bar] > 2.0000001 * tick if tick else spread > values["spread_max"]
    loss = bars.ask[bar] / bars.mark[bar] - 1 if side > 0 else bars.mark[bar] / bars.bid[bar] - 1
    blocked = wide or abs(bars.funding_bps[bar]) > values["funding_max"]
    return 0 if blocked or 1e4 * loss > min(10.0, max(5.0, 2 * spread)) else side


def enter(bars: Bars, bar: int, side: int, values: dict[str, float], options: ExchangeOptions) -> Position:
    slip = options.slippage_bps / 1e4
    price = bars.ask[bar] * (1 + slip) if side > 0 else bars.bid[bar] * (1 - slip)
    if options.tick_size is not None:
        ticks = price / options.tick_size
        price = (math.ceil(ticks - 1e-3) if side > 0 else math.floor(ticks + 1e-3)) * options.tick_size
    quantity = options.order_notional_usd / price
    if options.lot_size is not None:
        quantity = math.ceil(quantity / options.lot_size - 1e-9) * options.lot_size
    loss = 1e4 * (bars.ask[bar] / bars.mark[bar] - 1 if side > 0 else bars.mark[bar] / bars.bid[bar] - 1)
    floor = 2 * options.fee_bps + max(loss, 0.0) + abs(bars.funding_bps[bar]) / 8
    activation = max(values["activation_bps"], floor + values["activation_buffer_bps"])
    target = max(values["tp_bps"], activation + values["min_tp_gap_bps"])
    tick = options.tick_size
    return Position(
        side=side,
        signal_bar=bar,
        price=price,
        quantity=quantity,
        stop=snap(price * (1 - side * values["sl_bps"] / 1e4), tick, side),
        target=snap(price * (1 + side * target / 1e4), tick, side),
        activation=snap(price * (1 + side * activation / 1e4), tick, side),
        callback=values["callback_bps"] / 1e4,
    )


def leave(bars: Bars, bar: int, held: Position, mark_far: float) -> tuple[float, bool] | None:
    """Price that ends the position within `bar` and whether another ending was possible; None if none.

    For a short everything is looked at upside down: prices times -1.
    """
    side = held.side
    opened, near, far = (
        side * bars.open[bar],
        side * (bars.high[bar] if side > 0 else bars.low[bar]),
        side * (bars.low[bar] if side > 0 else bars.high[bar]),
    )
    basis = bars.mark[bar - 1] / bars.close[bar - 1]
    stop, target, activation = side * held.stop, side * held.target, side * held.activation
    stop_hit = side * mark_far <= stop
    target_hit = near >= target
    trail: tuple[float, bool] | None = None
    opened_beyond_trail = False
    armed_before = held.peak is not None
    # What the trailing stop follows: the last price, or the mark; `moved` is that in last prices.
    first, top, bottom, moved = opened, near, far, 1.0
    if held.trails_on_mark:
        first, moved = opened * basis, basis
        top, bottom = side * (bars.mark_high[bar] if side > 0 else bars.mark_low[bar]), side * mark_far
    if not armed_before and top >= activation:
        held.peak = max(first, activation)
    if held.peak is not None:
        keep = 1 - side * held.callback
        level = held.peak * keep
        if armed_before and first <= level:
            trail, opened_beyond_trail = (opened, False), True
        else:
            armed_first = armed_before or first >= activation
            raised = max(held.peak, top)
            if bottom <= level:
                trail = (level, not (armed_first and raised == held.peak))
            elif bottom <= raised * keep:
                trail = (bottom, True)
            held.peak = raised
        if trail is not None and not opened_beyond_trail:
            trail = (min(max(trail[0] / moved, far), near), trail[1])
    if stop_hit and opened * basis <= stop:
        return side * opened, False
    if target_hit and opened >= target:
        return side * opened, False
    if opened_beyond_trail:
        return side * opened, False
    if trail is None and not stop_hit:
        return (side * target, False) if target_hit else None
    price, unsure = trail if trail is not None else (math.inf, False)
    if stop_hit:
        at_stop = min(max(stop / basis, far), near)
        certain = trail is not None and not unsure
        price = max(price, at_stop) if certain else min(price, at_stop)
    return side * price, unsure or target_hit


def fill(bars: Bars, bar: int, side: int, price: float, options: ExchangeOptions) -> float:
    given_up = bars.spread_bps[bar - 1] / 2e4 + options.slippage_bps / 1e4
    price *= 1 - side * given_up
    if options.tick_size is not None:
        ticks = price / options.tick_size
        price = (math.floor(ticks + 1e-3) if side > 0 else math.ceil(ticks - 1e-3)) * options.tick_size
    return price


def run(
    bars: Bars,
    values: dict[str, float],
    options: ExchangeOptions,
    ends: Callable[[Bars, int, Position, float], tuple[float, bool] | None] = leave,
) -> Account:
    """One configuration over all bars; `ends` says how a position ends within a bar."""
    account = Account()
    held: Position | None = None
    free_from = 0
    fee = options.fee_bps / 1e4
    for bar in range(len(bars)):
        if held is not None:
            opened_ms = bars.close_ms[bar] + 1 - MINUTE_MS
            before_ms = bars.close_ms[bar - 1] + 1 - MINUTE_MS
            if bar > held.signal_bar + 1 and opened_ms // SETTLEMENT_MS > before_ms // SETTLEMENT_MS:
                paid = held.side * held.quantity * bars.mark[bar - 1] * bars.funding_bps[bar - 1] / 1e4
                held.funding += paid
            mark_far = bars.mark_low[bar] if held.side > 0 else bars.mark_high[bar]
            ending = ends(bars, bar, held, mark_far)
            if ending is not None:
                price = fill(bars, bar, held.side, ending[0], options)
                fees = fee * held.quantity * (held.price + price)
                profit = held.side * held.quantity * (price - held.price) - fees - held.funding
                account.realised += profit
                account.fees += fees
                account.funding += held.funding
                account.ambiguous += ending[1]
                account.trades.append((held.signal_bar, bar, held.price, price, profit))
                held = None
                free_from = bar + options.cooldown_bars
        open_profit = 0.0
        if held is not None:
            open_profit = held.side * held.quantity * (bars.close[bar] - held.price)
            open_profit -= fee * held.quantity * held.price + held.funding
        elif bar >= free_from and (side := signal(bars, bar, values, options.tick_size)) != 0:
            held = enter(bars, bar, side, values, options)
            if bar == len(bars) - 1:
                open_profit = held.side * held.quantity * (bars.close[bar] - held.price)
                open_profit -= fee * held.quantity * held.price
        account.equity.append(account.realised + open_profit)
    if held is not None:
        profit = account.equity[-1] - account.realised
        account.fees += fee * held.quantity * held.price
        account.funding += held.funding
        account.trades.append((held.signal_bar, len(bars) - 1, held.price, float(bars.close[-1]), profit))
    return account


def metrics(account: Account, capital: float) -> dict[str, float]:
    """The ranking's numbers from the account's equity bar by bar."""
    equity = np.asarray(account.equity)
    returns = np.diff(np.concatenate([[0.0], equity])) / capital
    year = 365 * 24 * 60
    profits = np.asarray([trade[4] for trade in account.trades])
    peak = np.maximum.accumulate(np.concatenate([[0.0], equity]))[1:]
    wins, losses = profits[profits > 0], profits[profits < 0]
    return {
        "total_pnl": float(equity[-1]),
        "total_return": float(equity[-1]) / capital,
        "n_trades": len(profits),
        "win_rate": len(wins) / len(profits),
        "sharpe": returns.mean() / returns.std(ddof=1) * math.sqrt(year),
        "sortino": returns.mean() * math.sqrt(year) / math.sqrt(float((np.minimum(returns, 0) ** 2).mean())),
        "max_drawdown": float((equity - peak).min()) / capital,
        "avg_trade_pnl": profits.mean(),
        "avg_win": wins.mean() if len(wins) else math.nan,
        "avg_loss": losses.mean() if len(losses) else math.nan,
        "avg_hold_bars": float(np.mean([trade[1] - trade[0] for trade in account.trades])),
        "fees_usd": account.fees,
        "funding_usd": -account.funding,
        "ambiguous_bars": account.ambiguous,
    }
