"""Alerts: what is worth one, and what becomes of it on its way."""

import asyncio
import threading
from collections.abc import Callable

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from watched import Facts, FactsInMemory, OneSession, replica_of

from aster_operator.config.loading import SettingsProblem
from aster_operator.config.settings import load_settings
from aster_operator.domain.clock import HOUR_MS, ManualClock
from aster_operator.domain.commands import Notify, NotifyLevel
from aster_operator.domain.events import Feed, FeedStatusChanged
from aster_operator.monitoring.alerts.outbox import AlertOutbox, AlertPolicy, QuietHours
from aster_operator.monitoring.alerts.rules import Alert, AlertKind, AlertRules
from aster_operator.monitoring.alerts.sender import AlertSender
from aster_operator.monitoring.notifications import Delivery, Message
from aster_operator.monitoring.replica.replica import SessionReplica
from aster_operator.monitoring.time_text import utc_text
from aster_operator.monitoring.web.hub import DashboardHub
from aster_operator.monitoring.web.source import StreamHead

Recorded = tuple[StreamHead, Facts]
ALL = frozenset(AlertKind)


def told(replica: SessionReplica, facts: Facts, rules: AlertRules) -> list[Alert]:
    """What `rules` say while facts arrive one by one."""
    found = []
    for fact in facts:
        replica.apply(fact)
        found += rules.look(replica)
    return found


def alert(key: str = "one", kind: AlertKind = AlertKind.EXIT) -> Alert:
    return Alert(kind=kind, key=key, title=key, text="")


def feed(state: str) -> Alert:
    return Alert(kind=AlertKind.STREAM_STALE, key=state, title=state, text="", topic="feed")


def test_the_past_is_no_news_and_what_follows_is(recorded: Recorded) -> None:
    head, facts = recorded
    place = next(i for i, fact in enumerate(facts) if type(fact).__name__ == "RecordPositionClosed") - 20
    replica, rules = replica_of(head, facts[:place]), AlertRules()
    assert rules.look(replica) == []
    found = told(replica, facts[place : place + 400], rules)
    exits = [each for each in found if each.kind is AlertKind.EXIT]
    assert len(exits) == len({each.key for each in exits}) == replica.activity.closed > 0
    assert "Net PnL" in exits[0].text
    fills = [each for each in found if each.kind is AlertKind.FILL]
    assert {each.key for each in fills} == {
        f"fill {fill.symbol} {fill.trade_id}" for fill in replica.activity.fills.newest(len(fills))
    }


def test_feeds_critical_messages_and_steering_are_told_once(recorded: Recorded) -> None:
    head, facts = recorded
    replica, rules = replica_of(head, facts[:800]), AlertRules()
    rules.look(replica)
    at_ms = replica.now_ms
    down = FeedStatusChanged(event_ms=at_ms, received_ns=1, feed=Feed.USER, healthy=False, detail="silent")
    found = told(replica, [down, down], rules)
    assert [(each.kind, each.key) for each in found] == [(AlertKind.STREAM_STALE, "feed user down")]
    critical = Notify(at_ms=at_ms, level=NotifyLevel.CRITICAL, message="look here")
    assert [each.kind for each in told(replica, [critical], rules)] == [AlertKind.CRITICAL]
    up = FeedStatusChanged(event_ms=at_ms, received_ns=1, feed=Feed.USER, healthy=True, detail="")
    assert [each.key for each in told(replica, [up], rules)] == ["feed user back"]


def test_the_same_is_said_once_until_it_is_long_ago() -> None:
    outbox = AlertOutbox(AlertPolicy(repeat_after_ms=1_000))
    outbox.add([alert(), alert(), alert("two")], 0)
    assert (outbox.waiting, outbox.suppressed) == (2, 1)
    outbox.add([alert()], 999)
    assert outbox.waiting == 2
    outbox.add([alert()], 1_000)
    assert outbox.waiting == 3


def test_the_newest_word_on_a_state_is_said_however_often_it_turns() -> None:
    outbox, down, back = AlertOutbox(AlertPolicy()), feed("down"), feed("back")
    said = []
    for second, each in enumerate((down, back, down, down)):
        outbox.add([each], second * 1_000)
        while (due := outbox.due(second * 1_000)) is not None:
            said.append(due.key)
            outbox.report(due, None, second * 1_000)
    assert said == ["down", "back", "down"], "who reads the last message knows how it stands"
    assert outbox.suppressed == 1


def test_what_is_no_longer_true_is_not_sent_late_unless_it_is_on_its_way() -> None:
    outbox = AlertOutbox(AlertPolicy())
    outbox.add([feed("down"), feed("back")], 0)
    assert outbox.waiting == 1
    sending = outbox.due(0)
    assert sending is not None
    outbox.add([feed("down")], 1_000)
    assert outbox.waiting == 2
    outbox.report(sending, None, 2_000)
    assert [outbox.due(2_000)] == [feed("down")]


def test_what_is_urgent_goes_before_what_came_first() -> None:
    outbox = AlertOutbox(AlertPolicy())
    outbox.add([alert("one"), alert("two"), alert("leg", AlertKind.LONE_LEG)], 0)
    due = outbox.due(0)
    assert due is not None
    assert due.key == "leg"


def test_rules_that_are_off_say_nothing() -> None:
    outbox = AlertOutbox(AlertPolicy(kinds=frozenset({AlertKind.LONE_LEG})))
    outbox.add([alert(), alert("leg", AlertKind.LONE_LEG)], 0)
    assert outbox.waiting == 1


def test_an_hour_has_a_limit_which_urgent_alerts_pass() -> None:
    outbox = AlertOutbox(AlertPolicy(per_hour=2))
    outbox.add([alert(str(number)) for number in range(5)], 0)
    for _ in range(2):
        due = outbox.due(0)
        assert due is not None
        outbox.report(due, None, 0)
    assert outbox.due(0) is None
    outbox.add([alert("risk", AlertKind.RISK_ACT)], 1)
    urgent = outbox.due(1)
    assert urgent is not None
    assert urgent.key == "risk"
    outbox.report(urgent, None, 1)
    assert outbox.due(HOUR_MS) is not None


@pytest.mark.parametrize(
    ("quiet", "minute", "holds"),
    [
        (QuietHours(60, 120), 59, False),
        (QuietHours(60, 120), 60, True),
        (QuietHours(60, 120), 120, False),
        (QuietHours(1_320, 360), 0, True),
        (QuietHours(1_320, 360), 1_320, True),
        (QuietHours(1_320, 360), 700, False),
    ],
)
def test_quiet_hours(quiet: QuietHours, minute: int, holds: bool) -> None:
    assert quiet.holds(minute * 60_000) is holds
    outbox = AlertOutbox(AlertPolicy(quiet=quiet))
    outbox.add([alert()], minute * 60_000)
    assert (outbox.due(minute * 60_000) is None) is holds
    outbox.add([alert("leg", AlertKind.LONE_LEG)], minute * 60_000)
    assert outbox.due(minute * 60_000) is not None


def test_what_cannot_be_sent_is_tried_again_ever_more_slowly_and_then_shown() -> None:
    outbox = AlertOutbox(AlertPolicy())
    outbox.add([alert()], 0)
    now_ms, tries = 0, 0
    while outbox.waiting:
        due = outbox.due(now_ms)
        if due is None:
            now_ms += 1_000
            continue
        tries += 1
        outbox.report(due, "no network", now_ms)
        assert outbox.undelivered
    assert tries == 6
    assert now_ms == 1_280_000
    assert outbox.undelivered == ("one: no network",)


def test_where_too_many_wait_what_is_urgent_or_being_sent_stays() -> None:
    outbox = AlertOutbox(AlertPolicy(waiting=3))
    outbox.add([alert("risk", AlertKind.RISK_ACT)], 0)
    assert outbox.due(0) is not None
    outbox.add([alert("leg", AlertKind.LONE_LEG), alert("one"), alert("two"), alert("three")], 0)
    assert outbox.held == ("risk", "leg", "three")
    assert outbox.undelivered == ("one (too many waited)", "two (too many waited)")


async def test_what_is_still_held_back_at_the_end_is_said_in_the_log(recorded: Recorded) -> None:
    replica, post, clock = replica_of(*recorded), Post(lambda: True), ManualClock(1_000)
    outbox = AlertOutbox(AlertPolicy(quiet=QuietHours(0, 60)))
    outbox.add([alert("one"), alert("leg", AlertKind.LONE_LEG), alert("two")], 0)
    sender = AlertSender(post, outbox, clock, lambda: replica)  # type: ignore[arg-type]
    with structlog.testing.capture_logs() as lines:
        await sender.end()
    assert [message.title for message in post.messages] == ["leg"]
    (line,) = lines
    assert (line["event"], line["count"]) == ("alerts were not sent before the end", 2)
    assert line["newest"] == "two"


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 600_000)), max_size=60))
def test_whatever_comes_the_queue_is_bounded_and_nothing_is_lost_unseen(
    arrivals: list[tuple[int, int]],
) -> None:
    outbox = AlertOutbox(AlertPolicy(waiting=5, kinds=ALL))
    now_ms = 0
    for key, later_ms in arrivals:
        now_ms += later_ms
        outbox.add([alert(str(key))], now_ms)
        assert outbox.waiting <= 5
    assert outbox.waiting + outbox.suppressed + len(outbox.undelivered) >= min(len(arrivals), 20)


class Post:
    """Targets of which some fail."""

    def __init__(self, *sent: Callable[[], bool]) -> None:
        self.targets = ("a", "b")
        self._sent = sent
        self.messages: list[Message] = []

    def send(self, message: Message) -> list[Delivery]:
        self.messages.append(message)
        return [
            Delivery(target=str(number), sent=sent(), reason="refused")
            for number, sent in enumerate(self._sent)
        ]


async def test_the_sender_looks_sends_and_shows_what_failed(recorded: Recorded) -> None:
    head, facts = recorded
    replica, clock = replica_of(head, facts[:800]), ManualClock(1_000)
    post, outbox = Post(lambda: True, lambda: False), AlertOutbox(AlertPolicy())
    sender = AlertSender(post, outbox, clock, lambda: replica)  # type: ignore[arg-type]
    await sender.step()
    assert post.messages == []
    replica.apply(
        FeedStatusChanged(
            event_ms=replica.now_ms, received_ns=1, feed=Feed.MARKET, healthy=False, detail="gone"
        )
    )
    clock.advance_ms(1_500)
    await sender.step()
    assert [(each.title, each.level) for each in post.messages] == [("The market feed is down", "warning")]
    # One has it: it is not sent again, and the other is shown.
    assert sender.undelivered() == ("The market feed is down: 1: refused",)
    clock.advance_ms(600_000)
    await sender.step()
    assert len(post.messages) == 1


@pytest.mark.parametrize(
    ("key", "value"),
    [("ALERT_RULES", "exit,nonsense"), ("ALERT_QUIET_UTC", "25:00-06:00"), ("ALERT_MAX_PER_HOUR", "0")],
)
def test_settings_that_make_no_sense_are_refused(key: str, value: str) -> None:
    with pytest.raises(SettingsProblem, match=key):
        load_settings(overrides={key: value})


def test_every_rule_is_a_kind() -> None:
    from aster_operator.config.alert_settings import ALERT_RULES

    assert [str(kind) for kind in AlertKind] == list(ALERT_RULES)


class Slow(Post):
    """A target that answers when it is let."""

    def __init__(self) -> None:
        super().__init__(lambda: True)
        self.asked, self.let, self.twice = (threading.Event() for _ in range(3))

    def send(self, message: Message) -> list[Delivery]:
        self.asked.set()
        assert self.let.wait(10)
        deliveries = super().send(message)
        if len(self.messages) == 2:
            self.twice.set()
        return deliveries


async def test_a_slow_target_keeps_nobody_from_looking(recorded: Recorded) -> None:
    head, facts = recorded
    replica, clock, post = replica_of(head, facts[:800]), ManualClock(1_000), Slow()
    outbox = AlertOutbox(AlertPolicy())
    sender = AlertSender(post, outbox, clock, lambda: replica)  # type: ignore[arg-type]
    outbox.add([alert("slow")], 1_000)
    running = asyncio.create_task(sender.run())
    await asyncio.to_thread(post.asked.wait, 10)
    for healthy in (False, True):
        replica.apply(
            FeedStatusChanged(
                event_ms=replica.now_ms, received_ns=1, feed=Feed.MARKET, healthy=healthy, detail="gone"
            )
        )
        clock.advance_ms(70_000)
        sender.look()
    post.let.set()
    assert await asyncio.to_thread(post.twice.wait, 10)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert [each.title for each in post.messages] == ["slow", "The market feed is back"]


async def test_alerts_that_cannot_be_made_are_shown_and_tried_again(recorded: Recorded) -> None:
    head, facts = recorded
    replica, clock = replica_of(head, facts[:800]), ManualClock(1_000)
    post, outbox = Post(lambda: True), AlertOutbox(AlertPolicy())
    sender = AlertSender(post, outbox, clock, lambda: replica)  # type: ignore[arg-type]
    limits = replica.limits
    replica.limits = lambda: 1 / 0  # type: ignore[method-assign,assignment,return-value]
    for _ in range(2):
        await sender.step()
        clock.advance_ms(1_500)
    assert sender.undelivered() == ("the session cannot be judged (ZeroDivisionError: division by zero)",)
    replica.limits = limits  # type: ignore[method-assign]
    outbox.add([alert("late")], clock.now_ms() - 120_000)
    outbox.add([alert("late")], clock.now_ms())
    await sender.step()
    assert [each.text for each in post.messages] == [
        f"{utc_text(clock.now_ms() - 120_000)} UTC:  (Besides, 1 said before came up again.)"
    ]


def test_a_limit_that_closed_something_is_told_although_it_never_stood_at_a_look(recorded: Recorded) -> None:
    head, facts = recorded
    replica, rules = replica_of(head, facts[:800]), AlertRules()
    rules.look(replica)

    def notice(message: str) -> Notify:
        return Notify(at_ms=replica.now_ms, level=NotifyLevel.WARNING, message=message)

    drift = "closing BTCUSDT: MAX_PNL_DRIFT_PCT: pair PnL $55.17, limit 0.8 % either way of $1,897.24 gross"
    found = told(replica, [notice(drift)], rules)
    assert [(each.kind, each.title) for each in found] == [
        (AlertKind.RISK_ACT, "BTCUSDT: MAX_PNL_DRIFT_PCT reached")
    ]
    assert "pair PnL $55.17" in found[0].text
    margin = told(replica, [notice("closing ETHUSDT: MARGIN, 71 % of the margin is used")], rules)
    assert [each.title for each in margin] == ["ETHUSDT: MARGIN reached"]
    wishes = ("closing BTCUSDT: flatten requested", "closing ETHUSDT: OWNER, asked", "MARGIN: closing")
    assert told(replica, [notice(words) for words in wishes], rules) == []


def test_a_feed_that_was_lost_and_back_between_two_looks_is_told(recorded: Recorded) -> None:
    head, facts = recorded
    replica, rules = replica_of(head, facts[:800]), AlertRules()
    rules.look(replica)
    for healthy in (False, True):
        replica.apply(
            FeedStatusChanged(
                event_ms=replica.now_ms, received_ns=1, feed=Feed.USER, healthy=healthy, detail="silent"
            )
        )
    assert [(each.kind, each.title) for each in rules.look(replica)] == [
        (AlertKind.STREAM_STALE, "The user feed was lost")
    ]
    assert rules.look(replica) == []


async def test_a_session_whose_process_is_gone_is_told_and_so_is_the_end_of_one_just_looked_at(
    recorded: Recorded,
) -> None:
    head, facts = recorded
    assert type(facts[-1]).__name__ != "StopSession"
    source, clock = OneSession(FactsInMemory(head, facts)), ManualClock(1_000)
    hub = DashboardHub(source, clock)
    hub.finish()
    post = Post(lambda: True)
    sender = AlertSender(
        post,  # type: ignore[arg-type]
        AlertOutbox(AlertPolicy()),
        clock,
        lambda: hub.replica,
        has_died=lambda: hub.has_died,
    )
    await sender.step()
    assert not hub.has_died
    assert post.messages == []
    source.found = None  # as after kill -9: its file names a process that is not there
    hub.finish()
    assert hub.has_died
    assert not hub.can_steer
    await sender.end()
    assert [(each.title, each.level) for each in post.messages] == [("The session is gone", "failure")]
    await sender.end()
    assert len(post.messages) == 1
