"""The panels of Decisions and Trades as HTML."""

from aster_operator.monitoring.pictures.decisions import BlockerVerdict, DecisionRow, Decisions
from aster_operator.monitoring.pictures.trades import TradeLife, TradeRow, Trades
from aster_operator.monitoring.web import markup as m

__all__ = ["decisions_html", "life_html", "trades_html", "trades_sums_html", "why_not_html"]

_ACTING = ("open", "close", "enter", "exit", "entered", "rotate", "long", "short")


def decisions_html(picture: Decisions) -> str:
    """One page of decisions."""
    heads = [
        ("#", "r"), ("Time", "l"), ("Strategy", "l name"), ("Symbol", "l name"), ("Action", "l"),
        ("Why", "l"), ("Blockers", "l"), ("Numbers", "l"), ("Orders", "l"),
    ]  # fmt: skip
    return m.table(
        heads,
        [_decision(row) for row in picture.rows],
        empty="No decision matches.",
        label="Decisions",
        keys=[row.number for row in picture.rows],
    )


def _decision(row: DecisionRow) -> list[str]:
    tone = "good" if row.action.lower().startswith(_ACTING) else "warn" if "block" in row.action else "quiet"
    verdicts = "".join(_verdict(each) for each in row.verdicts)
    numbers = "".join(
        f"<div><span class='dim'>{m.text(name)}</span> <span class='num'>{m.text(value)}</span></div>"
        for name, value in row.numbers.items()
    )
    return [
        m.count(row.number),
        m.time(row.at_ms),
        m.text(row.strategy),
        f"<b>{m.text(row.symbol)}</b>",
        m.chip(row.action, tone),
        m.text(row.reason),
        f'<div class="verdicts">{verdicts}</div>' if verdicts else "",
        f"<details><summary>{len(row.numbers)} numbers</summary>{numbers}</details>" if numbers else "",
        "".join(f'<div class="mono">{m.text(each)}</div>' for each in row.orders),
    ]


def _verdict(each: BlockerVerdict) -> str:
    return m.chip(each.name, "good" if each.passed else "bad", each.words)


def why_not_html(picture: Decisions) -> str:
    """Why it did not trade: what stood in the way, and how often."""
    most = max((row.count for row in picture.why_not), default=1)
    rows = [
        [
            f"<b>{m.text(row.symbol)}</b>",
            m.text(row.cause),
            m.bar(100 * row.count / most, label=row.cause),
            m.count(row.count, "×"),
            m.time(row.last_ms),
        ]
        for row in picture.why_not
    ]
    heads = [
        ("Symbol", "l"),
        ("What stood in the way", "l"),
        ("Share", "l said"),
        ("How often", "r"),
        ("Last", "l"),
    ]
    return m.table(
        heads,
        rows,
        empty="Nothing has stood in the way.",
        label="Why it did not trade",
        keys=[f"{row.symbol} {row.cause}" for row in picture.why_not],
    )


def trades_sums_html(picture: Trades) -> str:
    """Sums over all trades that match."""
    share = None if not picture.total else 100 * picture.wins / picture.total
    return m.tiles(
        m.tile("Trades", m.count(picture.total)),
        m.tile("Net PnL", m.signed_usd(picture.net_pnl_usd), "after fees and funding"),
        m.tile("Fees", m.usd(picture.fees_usd)),
        m.tile("Winners", m.pct(share), f"{m.count(picture.wins)} of {m.count(picture.total)}"),
    )


def trades_html(picture: Trades) -> str:
    """One page of trades; each row's reference opens its life."""
    heads = [
        ("Closed", "l"), ("Symbol", "l"), ("Side", "l"), ("Quantity", "r"), ("Entry", "r"), ("Exit", "r"),
        ("Held", "r"), ("Fees", "r"), ("Funding", "r"), ("Net PnL", "r"), ("MAE", "r"), ("MFE", "r"),
        ("Ended by", "l"), ("Life", "l"),
    ]  # fmt: skip
    return m.table(
        heads,
        [_trade(row) for row in picture.rows],
        empty="No trade is finished yet.",
        label="Trades",
        keys=[row.ref for row in picture.rows],
    )


def _trade(row: TradeRow) -> list[str]:
    return [
        m.time(row.closed_ms, day=True),
        f"<b>{m.text(' / '.join(row.symbols))}</b>",
        m.chip("pair") if row.kind == "pair" else m.side(row.side),
        m.quantity(row.quantity),
        m.price(row.entry_price),
        m.price(row.exit_price),
        m.age(row.hold_ms),
        m.usd(row.fees_usd, 4),
        m.signed_usd(row.funding_usd, 4),
        m.signed_usd(row.net_pnl_usd, 4),
        m.bps(row.mae_bps, 1) if row.kind == "single" else '<span class="dim">hedged</span>',
        m.bps(row.mfe_bps, 1) if row.kind == "single" else '<span class="dim">hedged</span>',
        f'<span class="dim">{m.text(row.reason)}</span>',
        f'<a href="/trades?ref={m.text(row.ref)}">{m.text(row.ref)}</a>',
    ]


def life_html(life: TradeLife) -> str:
    """The timeline of one trade."""
    trade = life.trade
    facts = [
        m.tile("Net PnL", m.signed_usd(trade.net_pnl_usd, 4), m.text(trade.reason)),
        m.tile("Held", m.age(trade.hold_ms)),
        m.tile("Fees", m.usd(trade.fees_usd, 4)),
    ]
    if trade.kind == "single":
        facts += [
            m.tile(
                "MAE / MFE", f"{m.bps(trade.mae_bps, 1)} / {m.bps(trade.mfe_bps, 1)}", "against and for it"
            ),
            m.tile("Unprotected", m.age(trade.unprotected_ms)),
            m.tile("Slippage", m.bps(trade.entry_slippage_bps), f"exit {m.bps(trade.exit_slippage_bps)}"),
        ]
    else:
        facts.append(
            m.tile(
                "Worst imbalance",
                m.quantity(trade.worst_imbalance),
                f"for {m.age(trade.longest_imbalance_ms)}",
            )
        )
    steps = "".join(
        f"<li>{m.time(step.at_ms)} {m.text(step.what)}"
        + (f" @ {m.price(step.price)}" if step.price is not None else "")
        + (f' <span class="mono dim">{m.text(step.order)}</span>' if step.order else "")
        + "</li>"
        for step in life.steps
    )
    timeline = (
        f'<ol class="steps">{steps}</ol>' if steps else m.note("Its orders were sent before this session.")
    )
    return m.tiles(*facts) + timeline
