"""The Now page's panels as HTML and chart options."""

from typing import Any

from aster_operator.monitoring.pictures.now import LegRow, LimitRow, Now, PairRow, PositionRow
from aster_operator.monitoring.web import markup as m
from aster_operator.monitoring.web.panels.charts import line_chart

__all__ = [
    "account_html",
    "equity_chart",
    "feeds_html",
    "limits_html",
    "orders_html",
    "pairs_html",
    "positions_html",
]

_TONES = {"ok": "good", "warn": "warn", "act": "bad", "unknown": "quiet"}
_MOST_LIMITS = 24
_PROTECTION = {"protected": "good", "partly": "warn", "unprotected": "bad", "closing": "warn"}


def account_html(now: Now) -> str:
    """Equity, exposure, volume, money."""
    target = now.volume_target_usd
    if target is None:
        volume = f"{m.count(now.trades)} trades"
    else:
        volume = m.bar(now.volume_today_pct, label="volume against target") + f" of {m.usd(target, 0)}"
    funding_in = None if now.next_funding_ms is None else now.next_funding_ms - now.now_ms
    state = (
        m.chip("entries free", "good")
        if now.entries_blocked is None
        else m.chip("entries blocked", "warn", now.entries_blocked)
    )
    return m.tiles(
        m.tile("Equity", m.usd(now.equity_usd), f"wallet {m.usd(now.wallet_usd)}"),
        m.tile("Net delta", m.signed_usd(now.net_delta_usd), f"gross {m.usd(now.gross_usd)}"),
        m.tile("Volume today", m.usd(now.volume_today_usd, 0), volume),
        m.tile("Realised PnL", m.signed_usd(now.realized_pnl_usd), "before fees and funding"),
        m.tile("Fees", m.usd(now.fees_usd), f"{m.count(now.trades)} trades"),
        m.tile("Funding", m.signed_usd(now.funding_usd), f"next in {m.age(funding_in)}"),
        m.tile("Free margin", m.usd(now.available_usd), "as the venue last said"),
        m.tile("Entries", state, m.text(now.entries_blocked or "nothing stands in the way")),
    )


def pairs_html(now: Now) -> str:
    """Pairs with their legs, ages, imbalance and distance to liquidation."""
    heads = [
        ("Pair", "l"), ("State", "l"), ("Held", "l"), ("Long", "r"), ("Short", "r"), ("Imbalance", "r"),
        ("Pair PnL", "r"), ("Net delta", "r"), ("To liquidation", "r"), ("Why", "l"),
    ]  # fmt: skip
    return m.table(
        heads,
        [_pair(row) for row in now.pairs],
        empty="No pair is open.",
        label="Pairs",
        keys=[row.pair_ref for row in now.pairs],
    )


def _pair(row: PairRow) -> list[str]:
    long, short = row.legs
    tone = "good" if row.phase == "holding" else "warn"
    share = None if row.age_ms is None or not row.hold_ms else 100 * row.age_ms / row.hold_ms
    held = m.bar(share, label="part of the hold time") if share is not None else ""
    of = "" if row.hold_ms is None else f" of {m.age(row.hold_ms)}"
    lone = m.chip(f"lone for {row.imbalance_ms / 1000:.0f} s", "bad") if row.imbalance_ms else ""
    return [
        f"<b>{m.text(row.name)}</b>",
        m.chip(row.phase, tone),
        f"{held}<br>{m.age(row.age_ms)}{of}",
        _leg(long),
        _leg(short),
        f"{m.quantity(row.imbalance)} {lone}",
        m.signed_usd(row.pnl_usd),
        m.signed_usd(row.net_delta_usd),
        _distance(min((leg for leg in row.legs if leg.liquidation_distance_pct is not None),
                      key=lambda leg: leg.liquidation_distance_pct or 0, default=None)),
        f'<span class="dim">{m.text(row.action)}: {m.text(row.reason)}</span>',
    ]  # fmt: skip


def _leg(leg: LegRow) -> str:
    return (
        f"{m.quantity(leg.quantity)} @ {m.price(leg.entry_price)}<br>{m.signed_usd(leg.unrealized_pnl_usd)}"
    )


def _distance(leg: LegRow | None) -> str:
    if leg is None:
        return '<span class="dim" title="none does, or the venue has not named it">none named</span>'
    return f"{m.pct(leg.liquidation_distance_pct)}<br>{m.price(leg.liquidation_price)}"


def positions_html(now: Now) -> str:
    """Single positions with their protection."""
    heads = [
        ("Symbol", "l"), ("Side", "l"), ("Quantity", "r"), ("Entry", "r"), ("Mark", "r"), ("PnL", "r"),
        ("Protection", "l"), ("Stop", "r"), ("Target", "r"), ("Age", "r"), ("To liquidation", "r"),
    ]  # fmt: skip
    return m.table(
        heads,
        [_position(row) for row in now.positions],
        empty="No single position is open.",
        label="Positions",
        keys=[f"{row.symbol} {row.side}" for row in now.positions],
    )


def _position(row: PositionRow) -> list[str]:
    tone = _PROTECTION.get(row.protection, "quiet")
    words = row.protection if row.is_ours else "not ours"
    bare = f" for {row.unprotected_ms / 1000:.1f} s" if row.protection == "unprotected" else ""
    return [
        f"<b>{m.text(row.symbol)}</b>",
        m.side(row.side),
        m.quantity(row.quantity),
        m.price(row.entry_price),
        m.price(row.mark),
        m.signed_usd(row.unrealized_pnl_usd),
        m.chip(words + bare, tone),
        m.price(row.stop_price),
        m.price(row.take_profit_price),
        m.age(row.age_ms),
        m.pct(row.liquidation_distance_pct),
    ]


def orders_html(now: Now) -> str:
    """Orders under way or resting."""
    heads = [
        ("Symbol", "l"), ("Side", "l"), ("Type", "l"), ("Quantity", "r"), ("Filled", "r"), ("Price", "r"),
        ("Trigger", "r"), ("State", "l"), ("Age", "r"), ("For", "l"), ("Id", "l"),
    ]  # fmt: skip
    rows = [
        [
            m.text(order.symbol),
            m.side(order.side),
            m.text(order.order_type),
            m.quantity(order.quantity),
            m.quantity(order.filled_quantity),
            m.price(order.price),
            m.price(order.stop_price),
            m.chip(order.state, "bad" if order.state == "unknown" else "quiet"),
            m.age(order.age_ms),
            f'<span class="dim">{m.text(order.reason)}</span>',
            f'<span class="mono">{m.text(order.client_order_id)}</span>',
        ]
        for order in now.open_orders
    ]
    return m.table(
        heads,
        rows,
        empty="No order is open.",
        label="Open orders",
        keys=[order.client_order_id for order in now.open_orders],
    )


def feeds_html(now: Now) -> str:
    """Health of what the session hears."""
    chips = [
        m.chip(
            f"{feed} feed", "bad" if feed in now.feeds_down else "good", now.feeds_down.get(feed, "healthy")
        )
        for feed in ("market", "user", "rest", "clock")
    ]
    heads = [("Symbol", "l"), ("Mark age", "r"), ("Quote age", "r"), ("State", "l said")]
    rows = [
        [
            m.text(row.symbol),
            m.age(row.mark_age_ms),
            m.age(row.quote_age_ms),
            m.chip("fresh", "good") if row.stale is None else m.chip("stale", "bad", row.stale),
        ]
        for row in now.feeds
    ]
    table = m.table(heads, rows, empty="No market data yet.", label="Feeds")
    return f'<div class="verdicts">{"".join(chips)}</div>{table}'


def limits_html(now: Now) -> str:
    """Risk limits as gauges, the fullest first."""
    if not now.limits:
        return m.note("No limit has been judged yet.")
    order = {"act": 0, "warn": 1, "unknown": 2, "ok": 3}
    rows = sorted(now.limits, key=lambda row: (order[row.level], -(row.used_pct or 0)))
    left = len(rows) - _MOST_LIMITS
    more = "" if left <= 0 else m.note(f"{left} more, none of them fuller; /api/now has all.")
    return f'<div class="gauges">{"".join(_limit(row) for row in rows[:_MOST_LIMITS])}</div>{more}'


def _limit(row: LimitRow) -> str:
    tone = _TONES[row.level]
    shown = "–" if row.value is None else f"{row.value:,.2f}"
    return (
        f'<div class="gauge" title="{m.text(row.measure)}"><span>'
        f"{m.text(row.name).replace('_', '_<wbr>')} <small>{m.text(row.subject)}</small></span>"
        f'<span class="num">{shown} <small>of {row.act_at:,.2f}</small> {m.chip(row.level, tone)}</span>'
        f"{m.bar(row.used_pct, tone, row.name)}</div>"
    )


def equity_chart(now: Now) -> dict[str, Any]:
    """Equity, one point a minute."""
    points = [[each.at_ms, float(each.equity_usd)] for each in now.equity if each.equity_usd is not None]
    return line_chart([("Equity", points)], unit="USD")
