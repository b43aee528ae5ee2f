"""What is worth a message: a replica looked at again and again, and what has become different since."""

from collections.abc import Iterator
from decimal import Decimal
from enum import StrEnum

import msgspec

from aster_operator.domain.clock import DAY_MS, utc_day_start_ms
from aster_operator.domain.closed_trades import ExitReason
from aster_operator.domain.commands import NotifyLevel
from aster_operator.domain.money import plain_text, usd_text
from aster_operator.monitoring.pictures.now import PairRow, PositionRow, now_picture
from aster_operator.monitoring.pictures.trades import trades_picture
from aster_operator.monitoring.replica.replica import SessionReplica
from aster_operator.monitoring.time_text import utc_text
from aster_operator.strategy.limit_rules import RULES, Level

__all__ = ["DIED", "Alert", "AlertKind", "AlertRules"]

DIED = (
    "The session's process is gone and did not end the session. What it held stands at the venue as it was, "
    "with the orders that rest there. Start it again: it takes everything up."
)
_CLOSING = "closing "
_LIMITS = (
    *sorted({rule.setting for rule in RULES}, key=len, reverse=True),
    ExitReason.MARGIN.value,
    ExitReason.DAILY_DRAWDOWN.value,
    ExitReason.LIMIT.value,
)
"""How a session names what makes it close: the setting of the limit, or a position's reason to end."""
_LONE_LEG_MS = 30_000
_UNPROTECTED_MS = 5_000


class AlertKind(StrEnum):
    """The rules, each of which can be left out."""

    FILL = "fill"
    EXIT = "exit"
    RISK_WARN = "risk_warn"
    RISK_ACT = "risk_act"
    LONE_LEG = "lone_leg"
    UNPROTECTED = "unprotected"
    STREAM_STALE = "stream_stale"
    CRITICAL = "critical"
    DAILY_REPORT = "daily_report"
    UPDATE = "update"

    @property
    def is_urgent(self) -> bool:
        """Whether it is sent in quiet hours too."""
        return self in (AlertKind.RISK_ACT, AlertKind.LONE_LEG, AlertKind.UNPROTECTED, AlertKind.CRITICAL)


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """One message to be. `key` is what it is about: the same again within a while is not sent again. `topic`
    names a state of which only the newest word is true (a feed that is down, then back): that is sent."""

    kind: AlertKind
    key: str
    title: str
    text: str
    topic: str | None = None


class _Seen(msgspec.Struct, kw_only=True):
    """What was known at the last look."""

    fills: int
    closed: int
    notices: int
    feeds_down: frozenset[str]
    feeds_lost: dict[str, int]
    standing: frozenset[str]
    day_ms: int
    sums: tuple[Decimal, Decimal, Decimal, Decimal]
    ended: bool
    died: bool
    blocked: str | None


class AlertRules:
    """Pure: the first look at a session tells what is wrong now, every later one what is new as well."""

    def __init__(self) -> None:
        self._replica: SessionReplica | None = None
        self._seen: _Seen | None = None

    def look(self, replica: SessionReplica, *, has_died: bool = False) -> list[Alert]:
        """Everything that has happened, begun or ended since the last look. `has_died`: the session's process
        is gone without having ended it."""
        if replica is not self._replica:
            self._replica, self._seen = replica, None
        before, now = self._seen, self._take(replica, has_died=has_died)
        self._seen = now
        if before is None:
            return [*_gone(has_died), *_standing(replica, frozenset())]
        found = [
            *_fills(replica, now.fills - before.fills),
            *_exits(replica, now.closed - before.closed),
            *_criticals(replica, now.notices - before.notices),
            *_acted(replica, now.notices - before.notices),
            *_standing(replica, before.standing),
            *_feeds(replica, before, now),
            *_day(before, now),
            *_updates(before, now),
        ]
        return list({alert.key: alert for alert in reversed(found)}.values())[::-1]

    def _take(self, replica: SessionReplica, *, has_died: bool) -> _Seen:
        activity, portfolio = replica.activity, replica.state.portfolio
        return _Seen(
            fills=activity.fills.total,
            closed=activity.closed,
            notices=activity.notices.total,
            feeds_down=frozenset(str(feed) for feed in replica.state.feeds_down),
            feeds_lost=dict(activity.feed_losses),
            standing=frozenset(alert.key for alert in _standing(replica, frozenset())),
            day_ms=utc_day_start_ms(replica.now_ms),
            sums=(portfolio.volume, portfolio.fees, portfolio.funding, portfolio.realized_pnl),
            ended=replica.ended,
            died=has_died,
            blocked=replica.state.paused,
        )


def _fills(replica: SessionReplica, new: int) -> Iterator[Alert]:
    for fill in replica.activity.fills.newest(new):
        words = f"{fill.side} {plain_text(fill.quantity)} {fill.symbol} at {plain_text(fill.price)}"
        yield Alert(
            kind=AlertKind.FILL,
            key=f"fill {fill.symbol} {fill.trade_id}",
            title=f"{fill.symbol} {fill.side} filled",
            text=f"{words}, {fill.role.lower()}, order {fill.client_order_id}",
        )


def _exits(replica: SessionReplica, new: int) -> Iterator[Alert]:
    if new <= 0:
        return
    for row in reversed(trades_picture(replica, limit=new).rows):
        pnl = "not known" if row.net_pnl_usd is None else usd_text(row.net_pnl_usd, 4, signed=True)
        yield Alert(
            kind=AlertKind.EXIT,
            key=f"exit {row.ref}",
            title=f"{' / '.join(row.symbols)} closed: {pnl}",
            text=f"{row.reason}. Net PnL {pnl}. {row.ref}",
        )


def _criticals(replica: SessionReplica, new: int) -> Iterator[Alert]:
    for notice in replica.activity.notices.newest(new):
        if notice.level is NotifyLevel.CRITICAL:
            yield Alert(
                kind=AlertKind.CRITICAL,
                key=f"critical {notice.message}",
                title="Needs you",
                text=f"{utc_text(notice.at_ms)} UTC: {notice.message}",
            )


def _acted(replica: SessionReplica, new: int) -> Iterator[Alert]:
    """Limits that closed something: mostly it is gone before anybody could see the limit stand."""
    for notice in replica.activity.notices.newest(new):
        subject, found, reason = notice.message.removeprefix(_CLOSING).partition(": ")
        if notice.level is not NotifyLevel.WARNING or not notice.message.startswith(_CLOSING) or not found:
            continue
        limit = next((name for name in _LIMITS if name in reason), None)
        if limit is not None:
            yield Alert(
                kind=AlertKind.RISK_ACT,
                key=f"{Level.ACT} {limit} {subject}",
                title=f"{subject}: {limit} reached",
                text=f"{utc_text(notice.at_ms)} UTC, closing it: {reason}.",
            )


def _standing(replica: SessionReplica, known: frozenset[str]) -> Iterator[Alert]:
    """What is wrong for as long as it lasts, and was not yet at the last look."""
    now = now_picture(replica, equity_samples=0)
    found = [*_risks(replica), *_lone_legs(now.pairs), *_bare(now.positions)]
    yield from (alert for alert in found if alert.key not in known)


def _risks(replica: SessionReplica) -> Iterator[Alert]:
    for reading in replica.limits():
        if reading.level in (Level.WARN, Level.ACT):
            acts = reading.level is Level.ACT
            limit = reading.rule.setting if acts else reading.rule.name
            what_follows = _sentence(reading.rule.action if acts else "nothing is closed yet")
            yield Alert(
                kind=AlertKind.RISK_ACT if acts else AlertKind.RISK_WARN,
                key=f"{reading.level} {limit} {reading.subject}",
                title=f"{reading.subject}: {reading.rule.setting} {'reached' if acts else 'is near'}",
                text=f"{reading.reason}. {what_follows}",
            )


def _sentence(words: str) -> str:
    return f"{words[:1].upper()}{words[1:]}."


def _lone_legs(pairs: tuple[PairRow, ...]) -> Iterator[Alert]:
    for pair in pairs:
        if pair.imbalance_ms >= _LONE_LEG_MS:
            yield Alert(
                kind=AlertKind.LONE_LEG,
                key=f"lone leg {pair.pair_ref}",
                title=f"{pair.name}: a leg stands alone",
                text=f"{plain_text(pair.imbalance)} for {pair.imbalance_ms / 1000:.0f} s ({pair.phase}). "
                "The operator is closing or hedging it.",
            )


def _bare(positions: tuple[PositionRow, ...]) -> Iterator[Alert]:
    for position in positions:
        bare = position.is_ours and position.protection in ("unprotected", "partly")
        if bare and position.unprotected_ms >= _UNPROTECTED_MS:
            yield Alert(
                kind=AlertKind.UNPROTECTED,
                key=f"unprotected {position.position_ref}",
                title=f"{position.symbol}: no stop rests",
                text=f"{position.side} {plain_text(position.quantity)} {position.symbol} has stood without "
                f"its stop for {position.unprotected_ms / 1000:.1f} s.",
            )


def _feeds(replica: SessionReplica, before: _Seen, now: _Seen) -> Iterator[Alert]:
    for feed, detail in replica.state.feeds_down.items():
        if str(feed) not in before.feeds_down:
            yield Alert(
                kind=AlertKind.STREAM_STALE,
                key=f"feed {feed} down",
                title=f"The {feed} feed is down",
                text=f"{detail}. Nothing is opened until it is back.",
                topic=f"feed {feed}",
            )
    for name in sorted(now.feeds_lost):
        lost = now.feeds_lost[name] > before.feeds_lost.get(name, 0)
        if lost and name not in before.feeds_down | now.feeds_down:
            yield Alert(
                kind=AlertKind.STREAM_STALE,
                key=f"feed {name} lost",
                title=f"The {name} feed was lost",
                text="It is back already. Before that was noticed, nothing may have been heard for a while.",
                topic=f"feed {name}",
            )
    for name in sorted(before.feeds_down - now.feeds_down):
        yield Alert(
            kind=AlertKind.STREAM_STALE,
            key=f"feed {name} back",
            title=f"The {name} feed is back",
            text="Entries are free again, as far as it is concerned.",
            topic=f"feed {name}",
        )


def _day(before: _Seen, now: _Seen) -> Iterator[Alert]:
    if now.day_ms <= before.day_ms:
        return
    volume, fees, funding, realized = before.sums
    net = realized - fees + funding
    yield Alert(
        kind=AlertKind.DAILY_REPORT,
        key=f"day {before.day_ms}",
        title=f"{utc_text(before.day_ms)[:10]}: {usd_text(net, signed=True)}",
        text=f"The session so far, up to {utc_text(before.day_ms + DAY_MS - 1)[:10]} UTC: volume "
        f"{usd_text(volume)}, fees {usd_text(fees)}, funding {usd_text(funding, signed=True)}, realised PnL "
        f"{usd_text(realized, signed=True)}.",
    )


def _gone(has_died: bool) -> Iterator[Alert]:
    if has_died:
        yield Alert(kind=AlertKind.CRITICAL, key="died", title="The session is gone", text=DIED)


def _updates(before: _Seen, now: _Seen) -> Iterator[Alert]:
    yield from _gone(now.died and not before.died)
    if now.ended and not before.ended:
        yield Alert(
            kind=AlertKind.UPDATE, key="ended", title="The session has ended", text="It stopped in order."
        )
    if now.blocked != before.blocked:
        words = now.blocked or "entries are free again"
        yield Alert(
            kind=AlertKind.UPDATE, key=f"paused {words}", title="Steering", text=words, topic="paused"
        )
