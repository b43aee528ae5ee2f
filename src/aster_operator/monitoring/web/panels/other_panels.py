"""The panels of Market, Costs and points, Lab and System as HTML."""

from collections.abc import Iterator
from decimal import Decimal

from aster_operator.domain.market import BookLevel
from aster_operator.monitoring.pictures.costs import BookCosts, SessionCosts
from aster_operator.monitoring.pictures.lab import Lab, Ranking
from aster_operator.monitoring.pictures.market import Market
from aster_operator.monitoring.pictures.system import System
from aster_operator.monitoring.web import markup as m

__all__ = [
    "days_html",
    "epochs_html",
    "health_html",
    "ladder_html",
    "log_html",
    "market_html",
    "ranking_html",
    "reports_html",
    "session_costs_html",
    "wishes_html",
]


def market_html(market: Market) -> str:
    """Quote, mark, spread and funding."""
    rate = None if market.funding_rate is None else market.funding_rate * 100
    until = None if market.next_funding_ms is None else max(0, market.next_funding_ms - market.now_ms)
    return m.tiles(
        m.tile("Bid", m.price(market.bid)),
        m.tile("Ask", m.price(market.ask)),
        m.tile("Spread", m.bps(market.spread_bps, 3)),
        m.tile("Mark", m.price(market.mark), f"index {m.price(market.index)}"),
        m.tile("Funding", m.pct(rate, 4), f"in {m.age(until)}"),
    )


def ladder_html(market: Market) -> str:
    """The book's best levels, asks above bids, with what stands up to each and our own orders among them."""
    if not market.bids and not market.asks:
        return m.note("Nothing has been heard of this market yet.", "loading")
    sums = {id(level): total for side in (market.asks, market.bids) for level, total in _summed(side)}
    most = max(sums.values()) or Decimal(1)
    # As many decimals in each row, so that the digits stand below each other.
    places = max(
        -int(level.quantity.normalize().as_tuple().exponent) for level in (*market.asks, *market.bids)
    )
    ours = {order.price for order in market.resting}

    def row(level: BookLevel, name: str) -> list[str]:
        total = sums[id(level)]
        return [
            m.side(name) + (f" {m.chip('ours')}" if level.price in ours else ""),
            m.price(level.price),
            m.quantity(level.quantity, places=places),
            m.quantity(total, places=places),
            m.bar(total / most * 100, label=f"{name} up to {level.price}"),
        ]

    heads = [("Side", "l said"), ("Price", "r"), ("Quantity", "r"), ("Sum", "r"), ("Share", "l said")]
    rows = [row(level, "sell") for level in reversed(market.asks)] + [
        row(each, "buy") for each in market.bids
    ]
    if market.depth_ms is None:
        words = "The best quote alone: this session notes no order book."
    else:
        words = f"Best {len(market.bids)} and {len(market.asks)} levels at {m.time(market.depth_ms)}"
    return m.table(heads, rows, empty="", label="Depth", compact=True) + f'<p class="dim">{words}</p>'


def _summed(levels: tuple[BookLevel, ...]) -> Iterator[tuple[BookLevel, Decimal]]:
    """Each level with the quantity that stands up to it, from the best on."""
    total = Decimal(0)
    for level in levels:
        total += level.quantity
        yield level, total


def session_costs_html(costs: SessionCosts | None) -> str:
    """Sums of the running session."""
    if costs is None:
        return m.note("No session is followed.")
    return m.tiles(
        m.tile("Volume", m.usd(costs.volume_usd, 0)),
        m.tile("Fees", m.usd(costs.fees_usd, 4)),
        m.tile("Funding", m.signed_usd(costs.funding_usd, 4)),
        m.tile("Realised PnL", m.signed_usd(costs.realized_pnl_usd, 4), "before fees and funding"),
        m.tile("As maker", m.pct(costs.maker_share_pct)),
        m.tile("Cost per $100k", m.usd(costs.cost_per_100k_usd), "equity lost, prices included"),
    )


def days_html(books: BookCosts) -> str:
    """The books by UTC day."""
    heads = [
        ("Day (UTC)", "l"), ("Volume", "r"), ("Trades", "r"), ("Realised PnL", "r"), ("Fees", "r"),
        ("Funding", "r"), ("Net", "r"), ("Cost per $100k", "r"),
    ]  # fmt: skip
    rows = [
        [
            m.text(day.day),
            m.usd(day.volume_usd, 0),
            m.count(day.trades),
            m.signed_usd(day.realized_pnl_usd),
            m.usd(day.fees_usd) + "".join(f"<br>{m.quantity(v, k)}" for k, v in day.other_fees.items()),
            m.signed_usd(day.funding_usd),
            m.signed_usd(day.net_usd),
            m.usd(day.cost_per_100k_usd),
        ]
        for day in books.days
    ]
    return m.table(heads, rows, empty="The books hold no trades yet.", label="Days")


def epochs_html(books: BookCosts) -> str:
    """Weeks of a reward programme: always a range, never a promise."""
    heads = [
        ("Week", "l"), ("Venue", "l"), ("Volume", "r"), ("Position hours", "r"), ("Cost", "r"),
        ("Cost per $100k", "r"), ("Points", "r"), ("At risk", "r"), ("Cost per 1k points", "r"),
    ]  # fmt: skip
    rows = []
    for row in books.epochs:
        known = row.points_low is not None and row.points_high is not None
        points = f"{m.count(int(row.points_low or 0))} to {m.count(int(row.points_high or 0))}"
        rows.append(
            [
                f"{m.text(row.first_day)} – {m.text(row.last_day)}{'' if row.is_complete else ' (so far)'}",
                m.text(row.venue),
                m.usd(row.volume_usd, 0),
                m.usd(row.position_usd_hours, 0),
                m.usd(row.cost_usd),
                m.usd(row.cost_per_100k_usd),
                points if known else '<span class="dim">no programme</span>',
                m.quantity(None if row.points_at_risk is None else row.points_at_risk.quantize(Decimal(1))),
                m.usd(row.cost_per_1k_points_usd),
            ]
        )
    warning = (
        '<p class="dim">Points are estimates within bounds. The venue says it adjusts or voids those that '
        "come with hedged positions: they are shown as at risk.</p>"
    )
    return m.table(heads, rows, empty="The books hold no week yet.", label="Weeks") + warning


def ranking_html(ranking: Ranking) -> str:
    """The best configurations of a sweep."""
    biased = m.chip("biased: fills on the signal's own bar", "bad") if ranking.biased else ""
    heads = [(name, "l" if isinstance(cell, str) else "r") for name, cell in zip(
        ranking.columns, ranking.rows[0] if ranking.rows else ranking.columns, strict=True)]  # fmt: skip
    rows = [[_cell(cell) for cell in row] for row in ranking.rows]
    words = f"{ranking.configurations:,} configurations were tried; the best of many looks better than it is."
    table = m.table(heads, rows, empty="The sweep is empty.", label="Ranking", compact=True)
    return f'<p>{_verdict_html(ranking)}</p><p class="dim">{words} {biased}</p>{table}'


def _verdict_html(ranking: Ranking) -> str:
    found = ranking.verdict
    if found is None:
        return (
            f"{m.chip('not judged')} <span class='dim'>nobody asked whether the best can be believed</span>"
        )
    tone = {"robust": "good", "fragile": "warn"}.get(found.verdict, "bad")
    return f"{m.chip(found.verdict, tone)} {m.text(found.line)}"


def _cell(cell: str | float | int | None) -> str:
    if cell is None:
        return m.quantity(None)
    if isinstance(cell, float):
        return f'<span class="num">{cell:,.4g}</span>'
    return m.count(cell) if isinstance(cell, int) else m.text(cell)


def reports_html(lab: Lab) -> str:
    """Everything in the results directory."""
    rows = [
        [
            f'<a href="/lab/files/{m.text(file.name)}">{m.text(file.name)}</a>'
            if file.kind == "report"
            else f'<a href="/lab?name={m.text(file.name)}">{m.text(file.name)}</a>',
            m.chip(file.kind),
            m.time(file.modified_ms, day=True),
            m.count(file.size_bytes // 1024, "KiB"),
        ]
        for file in lab.files
    ]
    heads = [("File", "l"), ("Kind", "l"), ("Written", "l"), ("Size", "r")]
    return m.table(heads, rows, empty=f"Nothing in {lab.folder} yet.", label="Results")


def health_html(system: System) -> str:
    """Orders, refusals, feeds, budget, versions."""
    budget, views = system.budget, system.views
    weight = f"{m.count(budget.weight_used)} of {m.count(budget.weight_limit)}"
    full = None
    if budget.weight_used is not None and budget.weight_limit:
        full = 100 * budget.weight_used / budget.weight_limit
    orders = 100 * system.orders_last_minute / max(1, system.orders_per_minute_limit)
    pairs = [
        ("Orders by outcome", _counts(system.orders)),
        ("Refusals by code", _counts(system.refusals)),
        ("Feeds lost", _counts(system.feed_losses)),
        ("Feeds back", _counts(system.feed_returns)),
        ("Messages", _counts(system.notices)),
        ("Forgotten here", _counts({name: n for name, n in system.dropped.items() if n})),
        ("Versions", _counts(views.versions)),
    ]
    rows = [[m.text(name), value] for name, value in pairs]
    undelivered = "".join(m.note(f"alert not sent: {words}", "error") for words in views.undelivered)
    return (
        undelivered
        + m.tiles(
            m.tile("Request weight", weight, m.bar(full, label="request weight")),
            m.tile(
                "Orders a minute",
                f"{m.count(system.orders_last_minute)} of {m.count(system.orders_per_minute_limit)}",
                m.bar(orders, label="orders a minute"),
            ),
            m.tile(
                "Journal",
                m.count(system.events, "events"),
                f"{m.count(views.lag_bytes // 1024, 'KiB')} behind",
            ),
            m.tile("Viewers", m.count(views.viewers)),
        )
        + m.table([("Counter", "l said"), ("Counts", "l said")], rows, empty="", label="Counters")
    )


def _counts(found: dict[str, int] | dict[str, str]) -> str:
    if not found:
        return '<span class="dim">none</span>'
    return " ".join(m.chip(f"{name} {value}") for name, value in found.items())


def log_html(system: System) -> str:
    """The newest messages."""
    tones = {"info": "quiet", "warning": "warn", "critical": "bad"}
    rows = [
        [
            m.time(line.at_ms, day=True),
            m.chip(line.level, tones.get(line.level, "quiet")),
            m.text(line.message),
        ]
        for line in system.log
    ]
    heads = [("Time", "l"), ("Level", "l"), ("Message", "l")]
    return m.table(heads, rows, empty="Nothing was said.", label="Log")


def wishes_html(system: System) -> str:
    """Who asked for what."""
    rows = [
        [
            m.time(wish.at_ms, day=True),
            m.chip(wish.action.replace("_", " ")),
            m.text(wish.actor),
            m.text(wish.detail),
        ]
        for wish in system.wishes
    ]
    heads = [("Time", "l"), ("Asked", "l"), ("Who", "l"), ("What of", "l")]
    return m.table(heads, rows, empty="Nobody has asked for anything.", label="Steering")
