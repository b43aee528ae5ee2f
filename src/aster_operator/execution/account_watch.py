"""Watches the account between snapshots: how every limit stands, what of it the owner must hear, and when the
venue's figures are too old to judge by."""

from collections.abc import Iterator
from decimal import Decimal

from aster_operator.domain.commands import NotifyLevel
from aster_operator.domain.events import AccountChanged
from aster_operator.domain.money import ZERO
from aster_operator.domain.orders import Refused
from aster_operator.execution.account_memory import AccountMemory, AccountMemoryKeeper
from aster_operator.execution.core_state import CoreState
from aster_operator.execution.cycle_view import pair_status
from aster_operator.strategy.limit_rules import Level
from aster_operator.strategy.risk_limits import (
    LimitReading,
    judge_account,
    judge_notional,
    judge_pair,
    judge_staleness,
)

__all__ = ["AccountWatch"]

_TRANSFERS = frozenset(
    {"DEPOSIT", "WITHDRAW", "ADMIN_DEPOSIT", "ADMIN_WITHDRAW", "MARGIN_TRANSFER", "ASSET_TRANSFER"}
)
"""Reasons of account updates that move money in or out and are neither gain nor loss."""

_TELL_EVERY_MS = 10_000
"""Warnings may come this late; acting on a limit never waits for them."""


class AccountWatch:
    """Reads the shared state; tells the owner; changes nothing but what the risk manager remembers."""

    def __init__(self, state: CoreState) -> None:
        self._state = state
        self._keeper = AccountMemoryKeeper(state.settings.account_memory)
        self._told_ms = 0
        state.risk_watch.account_every_ms = state.settings.policy.account_refresh_ms

    def on_account(self, event: AccountChanged) -> None:
        """Money that was paid in or taken out moves the marks that losses are measured from."""
        if event.reason not in _TRANSFERS:
            return
        asset = self._state.portfolio.margin_asset
        moved = sum((balance.change for balance in event.balances if balance.asset == asset), ZERO)
        if moved:
            self._state.risk_manager.observe_transfer(moved, self._state.now_ms)
            self._remember(at_once=True)

    def is_out_of_date(self, asked_ms: int, *, moved: bool) -> bool:
        """Whether the venue's figures must be read again: they change with every fill, and slowly with the
        market while something is held. `asked_ms` is when they were last asked for."""
        state, policy = self._state, self._state.settings.policy
        waited_ms = state.now_ms - asked_ms
        if moved and waited_ms >= policy.account_refresh_ms // 4:
            return all(desk.is_quiet for desk in state.desks) or waited_ms >= policy.account_refresh_ms
        if waited_ms < policy.blind_poll_ms:
            return False
        holds = any(pair.long.held or pair.short.held for pair in state.pairs.active())
        if not holds and not state.portfolio.open_positions():
            return False
        return waited_ms >= policy.account_refresh_ms or self._is_blind()

    def _is_blind(self) -> bool:
        """True while the market stream tells no mark price of something that is held."""
        state = self._state
        marks = (state.market.of(symbol).mark for pair in state.pairs.active() for symbol in pair.symbols)
        limit_ms = state.settings.limits.max_mark_age_ms
        return any(mark is None or state.now_ms - mark.event_ms > limit_ms for mark in marks)

    def tell(self) -> None:
        """Measure what is held, judge every limit, and tell the owner of those newly crossed."""
        state = self._state
        state.hold_meter.observe(self._gross_usd(), state.now_ms)
        if state.now_ms - self._told_ms < _TELL_EVERY_MS:
            return
        self._told_ms = state.now_ms
        account_ms = state.portfolio.account_ms
        for reading in state.risk_watch.observe(self.readings(), state.now_ms, account_ms):
            if reading.level is Level.UNKNOWN:
                words = f"{reading.rule.setting} of {reading.subject} cannot be judged: {reading.reason}"
            else:
                verb = "is near" if reading.level is Level.WARN else "has reached"
                words = f"{reading.subject} {verb} {reading.rule.setting}: {reading.reason}"
            state.notify(NotifyLevel.WARNING, words)
        self._remember()

    def _remember(self, *, at_once: bool = False) -> None:
        state = self._state
        command = self._keeper.command(
            AccountMemory(
                marks=state.risk_manager.marks,
                week_ms=state.hold_meter.week_ms,
                held_usd_hours=state.hold_meter.usd_hours,
                as_of_ms=state.now_ms,
            ),
            at_once=at_once,
        )
        if command is not None:
            state.emit(command)

    def breach(self) -> Refused | None:
        """The limit of the whole account that everything must be closed for; None while there is none."""
        state = self._state
        held = judge_notional("account", self._cost_usd(), state.settings.limits.total_notional_limit_usd)
        if held.level is Level.ACT:
            return Refused(rule=held.rule.setting, reason=held.reason)
        return state.risk_manager.breached_account_limit(state.account_status())

    def _cost_usd(self) -> Decimal:
        """What the session's symbols hold, at the prices it was taken on: a market that moves afterwards
        breaks no limit on size."""
        state = self._state
        return sum(
            (
                abs(position.quantity) * position.entry_price
                for position in state.portfolio.open_positions()
                if position.symbol in state.instruments
            ),
            ZERO,
        )

    def _gross_usd(self) -> Decimal:
        marks = self._state.market
        return sum(
            (
                leg.held * (marks.mark_of(leg.symbol) or leg.entry_price)
                for pair in self._state.pairs.active()
                for leg in pair.legs
            ),
            ZERO,
        )

    def readings(self) -> Iterator[LimitReading]:
        """How every limit stands now."""
        state, limits = self._state, self._state.settings.limits
        for pair in state.pairs.active():
            yield from judge_pair(pair_status(state, pair), limits)
        yield from judge_account(state.account_status(), state.risk_manager.marks, limits)
        yield judge_notional("account", self._cost_usd(), limits.total_notional_limit_usd)
        yield state.risk_manager.order_rate(state.now_ms)
        for symbol in state.settings.symbols:
            yield from self._staleness(symbol)

    def _staleness(self, symbol: str) -> Iterator[LimitReading]:
        view, now_ms = self._state.market.of(symbol), self._state.now_ms
        yield from judge_staleness(
            symbol,
            None if view.mark is None else now_ms - view.mark.event_ms,
            None if view.quote is None else now_ms - view.quote.event_ms,
            self._state.settings.limits,
        )
