"""The Decisions page as plain values: what was decided at each bar or cycle, on which numbers, why not."""

import re
from collections import Counter
from collections.abc import Iterator

import msgspec

from aster_operator.monitoring.replica.activity import LoggedDecision
from aster_operator.monitoring.replica.replica import SessionReplica

__all__ = ["BlockerVerdict", "DecisionRow", "Decisions", "WhyNot", "decisions_picture"]

_BLOCKER = "blocker."
_QUIET_ACTIONS = ("none", "wait", "idle", "blocked", "skip", "flat")


class BlockerVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """What one blocker said, in its own words."""

    name: str
    passed: bool
    words: str


class DecisionRow(msgspec.Struct, frozen=True, kw_only=True):
    """One decision. `orders` are the client ids of the orders that followed from it."""

    number: int
    at_ms: int
    strategy: str
    symbol: str
    action: str
    reason: str
    numbers: dict[str, str]
    verdicts: tuple[BlockerVerdict, ...]
    orders: tuple[str, ...]


class WhyNot(msgspec.Struct, frozen=True, kw_only=True):
    """How often something kept the session from trading, and when it last did."""

    symbol: str
    cause: str
    count: int
    last_ms: int


class Decisions(msgspec.Struct, frozen=True, kw_only=True):
    """One page of decisions, newest first. `total` counts all that pass the filter, `dropped` those that are
    in the books only; `why_not` sums the filtered ones up."""

    total: int
    dropped: int
    symbols: tuple[str, ...]
    actions: tuple[str, ...]
    rows: tuple[DecisionRow, ...]
    why_not: tuple[WhyNot, ...]


def decisions_picture(
    replica: SessionReplica,
    *,
    symbol: str | None = None,
    action: str | None = None,
    text: str | None = None,
    offset: int = 0,
    limit: int = 50,
) -> Decisions:
    """Decisions that match: of a symbol or pair, with an action, with `text` anywhere in their words."""
    activity, logged = replica.activity, replica.activity.decisions
    state = (logged.total, symbol, action, text)
    matching = activity.made_once(
        "decisions",
        state,
        lambda: [each for each in reversed(logged) if _matches(each, symbol, action, text)],
    )
    orders: dict[int, list[str]] = {}
    page = matching[offset : offset + limit]
    wanted = {each.number for each in page}
    for client_order_id, order in replica.activity.orders.items():
        if order.decision in wanted and order.decision is not None:
            orders.setdefault(order.decision, []).append(client_order_id)
    return Decisions(
        total=len(matching),
        dropped=logged.dropped,
        symbols=activity.made_once(
            "decided symbols",
            logged.total,
            lambda: tuple(dict.fromkeys(each.decision.symbol for each in logged)),
        ),
        actions=activity.made_once(
            "decided actions", logged.total, lambda: tuple(sorted({each.decision.action for each in logged}))
        ),
        rows=tuple(_row(each, tuple(orders.get(each.number, ()))) for each in page),
        why_not=activity.made_once("why not", state, lambda: tuple(_why_not(matching))),
    )


def _matches(each: LoggedDecision, symbol: str | None, action: str | None, text: str | None) -> bool:
    decision = each.decision
    if symbol and decision.symbol != symbol:
        return False
    if action and decision.action != action:
        return False
    return not text or text.lower() in f"{decision.action} {decision.reason}".lower()


def _row(each: LoggedDecision, orders: tuple[str, ...]) -> DecisionRow:
    decision = each.decision
    return DecisionRow(
        number=each.number,
        at_ms=decision.at_ms,
        strategy=decision.strategy,
        symbol=decision.symbol,
        action=decision.action,
        reason=decision.reason,
        numbers={name: text for name, text in decision.numbers.items() if not name.startswith(_BLOCKER)},
        verdicts=tuple(_verdicts(decision.numbers)),
        orders=orders,
    )


def _verdicts(numbers: dict[str, str]) -> Iterator[BlockerVerdict]:
    for name, words in numbers.items():
        if name.startswith(_BLOCKER):
            yield BlockerVerdict(
                name=name.removeprefix(_BLOCKER), passed=not words.startswith("BLOCKED"), words=words
            )


def _why_not(matching: list[LoggedDecision]) -> Iterator[WhyNot]:
    """Causes by how often they stood in the way, the most frequent first."""
    counts: Counter[tuple[str, str]] = Counter()
    last: dict[tuple[str, str], int] = {}
    for each in matching:
        for cause in _causes(each):
            key = (each.decision.symbol, cause)
            counts[key] += 1
            last.setdefault(key, each.decision.at_ms)
    for (symbol, cause), count in counts.most_common(30):
        yield WhyNot(symbol=symbol, cause=cause, count=count, last_ms=last[(symbol, cause)])


def _causes(each: LoggedDecision) -> list[str]:
    decision = each.decision
    if decision.action.lower() not in _QUIET_ACTIONS:
        return []
    blocked = [
        name.removeprefix(_BLOCKER)
        for name, words in decision.numbers.items()
        if name.startswith(_BLOCKER) and words.startswith("BLOCKED")
    ]
    # Numbers change with every cycle: the cause is what stands around them.
    words = re.sub(r"-?[$]?\d[\d,.]*", "…", decision.reason)
    return blocked or [words or decision.action]
