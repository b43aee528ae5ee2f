"""When nothing may be entered and when everything is closed: what one strategy's positions are held to.

Pure state that remembers the day: its peak equity, whether drawdown has ended it, losses in a row, and
until when each symbol cools down. All of it survives a restart.
"""

from collections.abc import Iterator
from decimal import Decimal

import msgspec

from aster_operator.domain.clock import DAY_MS, MINUTE_MS, utc_day_start_ms
from aster_operator.domain.closed_trades import ExitReason
from aster_operator.domain.money import ZERO
from aster_operator.domain.positions import AccountSnapshot
from aster_operator.execution.positions.settings import PositionGuards
from aster_operator.strategy.base import Verdict

__all__ = ["GuardMemory", "Guards"]

_PEAK_STEP = Decimal("1.001")


class GuardMemory(msgspec.Struct, frozen=True, kw_only=True):
    """What must outlive a restart. Times in ms, equity in USD."""

    day_ms: int | None = None
    peak_equity: Decimal | None = None
    drawdown_day_ms: int | None = None
    losses_day_ms: int | None = None
    consecutive_losses: int = 0
    cooldown_until_ms: dict[str, int] = {}


class Guards:
    """Judges entries, and says what must be closed. `changed` tells that the memory has to be kept."""

    def __init__(self, settings: PositionGuards, memory: GuardMemory | None = None) -> None:
        self.settings = settings
        self.memory = memory or GuardMemory()
        self.changed = False
        self._kept_peak = self.memory.peak_equity or ZERO
        self._maintenance_margin: Decimal | None = None
        self._margin_balance: Decimal | None = None

    # --- learning -------------------------------------------------------------------------------------

    def take_account(self, account: AccountSnapshot) -> None:
        self._maintenance_margin = account.total_maintenance_margin
        self._margin_balance = account.total_margin_balance

    def take_equity(self, equity_usd: Decimal, now_ms: int) -> None:
        """Follow the day's peak; a fall too far below it ends the day."""
        day_ms = utc_day_start_ms(now_ms)
        memory = self.memory
        if memory.day_ms != day_ms or memory.peak_equity is None:
            self._remember(day_ms=day_ms, peak_equity=equity_usd)
            self._kept_peak = equity_usd
            return
        if equity_usd > memory.peak_equity:
            self.memory = msgspec.structs.replace(memory, peak_equity=equity_usd)
            # Written down when it matters, not with every tick upwards.
            if equity_usd > self._kept_peak * _PEAK_STEP:
                self._kept_peak, self.changed = equity_usd, True
            return
        floor = memory.peak_equity * (1 - self.settings.daily_drawdown_pct / 100)
        if equity_usd <= floor and memory.drawdown_day_ms != day_ms:
            self._remember(drawdown_day_ms=day_ms)

    def take_trade(self, symbol: str, net_pnl_usd: Decimal | None, now_ms: int) -> None:
        """A position is gone: its symbol cools down, and a loss counts until a gain."""
        cooldown = {name: until for name, until in self.memory.cooldown_until_ms.items() if until > now_ms}
        cooldown[symbol] = now_ms + self.settings.cooldown_ms
        losses = self.memory.consecutive_losses
        if net_pnl_usd is not None:
            losses = losses + 1 if net_pnl_usd < ZERO else 0
        self._remember(cooldown_until_ms=cooldown, consecutive_losses=losses)
        limit = self.settings.max_consecutive_losses
        if limit and losses >= limit:
            self._remember(losses_day_ms=utc_day_start_ms(now_ms), consecutive_losses=0)

    def _remember(self, **changes: object) -> None:
        self.memory = msgspec.structs.replace(self.memory, **changes)
        self.changed = True

    # --- judging --------------------------------------------------------------------------------------

    def entry_verdicts(self, symbol: str, open_positions: int, now_ms: int) -> Iterator[Verdict]:
        settings, memory, day_ms = self.settings, self.memory, utc_day_start_ms(now_ms)
        cooling_ms = memory.cooldown_until_ms.get(symbol, 0) - now_ms
        yield Verdict(
            name="cooldown",
            passed=cooling_ms <= 0,
            value="over" if cooling_ms <= 0 else f"{cooling_ms / 1000:.0f} s left",
            limit=f"{settings.cooldown_ms // 1000} s after an exit",
        )
        yield Verdict(
            name="schedule",
            passed=not self._is_past(settings.entry_halt_minute, now_ms)
            and not self._is_past(settings.force_exit_minute, now_ms),
            value=_clock_text((now_ms % DAY_MS) // MINUTE_MS),
            limit=f"entries until {_clock_text(settings.entry_halt_minute)} UTC",
        )
        yield Verdict(
            name="daily_drawdown",
            passed=memory.drawdown_day_ms != day_ms,
            value="reached today" if memory.drawdown_day_ms == day_ms else "not reached",
            limit=f"{settings.daily_drawdown_pct} % below the day's peak",
        )
        yield Verdict(
            name="consecutive_losses",
            passed=memory.losses_day_ms != day_ms,
            value="reached today" if memory.losses_day_ms == day_ms else str(memory.consecutive_losses),
            limit=str(settings.max_consecutive_losses or "none"),
        )
        limit = settings.max_open_positions
        yield Verdict(
            name="open_positions",
            passed=not limit or open_positions < limit,
            value=str(open_positions),
            limit=str(limit or "none"),
        )

    def must_close(self, equity_usd: Decimal | None, now_ms: int) -> tuple[ExitReason, str] | None:
        """Why everything must go now, None while it may stay."""
        settings = self.settings
        needed = self._maintenance_margin
        balance = self._margin_balance if equity_usd is None else equity_usd
        if needed and balance is not None and balance <= settings.margin_safety_multiple * needed:
            return ExitReason.MARGIN, (
                f"margin balance {balance:.2f} is {balance / needed:.2f} times the maintenance margin, "
                f"limit {settings.margin_safety_multiple}"
            )
        if self.memory.drawdown_day_ms == utc_day_start_ms(now_ms):
            return ExitReason.DAILY_DRAWDOWN, (
                f"equity fell {settings.daily_drawdown_pct} % below the day's peak "
                f"of {self.memory.peak_equity:.2f}"
            )
        if self._is_past(settings.force_exit_minute, now_ms):
            return ExitReason.DAILY_CUTOFF, f"{_clock_text(settings.force_exit_minute)} UTC has come"
        return None

    @staticmethod
    def _is_past(minute: int | None, now_ms: int) -> bool:
        return minute is not None and (now_ms % DAY_MS) // MINUTE_MS >= minute


def _clock_text(minute: int | None) -> str:
    return "always" if minute is None else f"{minute // 60:02}:{minute % 60:02}"
