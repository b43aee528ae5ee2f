"""Which strategies a session runs, on which symbols, and how a person's settings become theirs."""

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path

import msgspec

from aster_operator.config.problems import UserProblem
from aster_operator.config.settings import Settings
from aster_operator.domain.clock import MINUTE_MS
from aster_operator.domain.fees import FeeRates
from aster_operator.execution.core_state import CoreSettings
from aster_operator.execution.positions.settings import (
    PositionDeskSettings,
    PositionGuards,
    PositionSizing,
)
from aster_operator.runtime.venue_setup import SinglePositions, VenueReady
from aster_operator.strategy.asking import make_strategy
from aster_operator.strategy.base import ParameterFaults
from aster_operator.strategy.midfreq.strategy import MidFrequencyStrategy
from aster_operator.strategy.registry import StrategyNotFound, find_strategy

__all__ = [
    "BarStrategy",
    "SessionPlan",
    "desk_settings",
    "parameters_from_settings",
    "rules_of_desk",
    "with_plan",
]


class BarStrategy(msgspec.Struct, frozen=True, kw_only=True):
    """A strategy of single positions to run. `strategy` is its name or where its class is; `parameters_file`
    is read again while trading whenever it changes."""

    strategy: str
    symbols: tuple[str, ...]
    parameters: str | None = None
    parameters_file: Path | None = None
    enable_trading: bool = True


class SessionPlan(msgspec.Struct, frozen=True, kw_only=True):
    """Symbols of pairs, and the other strategies beside them."""

    pairs: tuple[str, ...] = ()
    bar_strategies: tuple[BarStrategy, ...] = ()

    @property
    def symbols(self) -> tuple[str, ...]:
        return self.pairs + tuple(symbol for chosen in self.bar_strategies for symbol in chosen.symbols)

    def check(self) -> None:
        """Raise UserProblem for a symbol of two strategies, an unknown strategy or unusable parameters."""
        twice = sorted({symbol for symbol in self.symbols if self.symbols.count(symbol) > 1})
        if twice:
            raise UserProblem(
                f"{', '.join(twice)} would be traded by two strategies",
                "symbols",
                "give every symbol to one strategy",
            )
        for chosen in self.bar_strategies:
            check_strategy(chosen)

    def single_positions(self, settings: Settings) -> SinglePositions | None:
        if not self.bar_strategies:
            return None
        return SinglePositions(
            symbols=tuple(symbol for chosen in self.bar_strategies for symbol in chosen.symbols),
            leverage=settings.midfreq_target_leverage,
            configure=any(chosen.enable_trading for chosen in self.bar_strategies),
        )


def check_strategy(chosen: BarStrategy) -> None:
    """Raise UserProblem unless the strategy exists and takes its parameters."""
    where = str(chosen.parameters_file) if chosen.parameters_file is not None else chosen.strategy
    try:
        make_strategy(find_strategy(chosen.strategy), chosen.parameters, chosen.symbols)
    except StrategyNotFound as missing:
        raise UserProblem(str(missing), "--strategy") from missing
    except ParameterFaults as faults:
        raise UserProblem("; ".join(faults.faults), where, "mend the parameter file") from faults


def parameters_from_settings(settings: Settings, symbols: Sequence[str]) -> str:
    """The parameter file of `midfreq` that says what ASTER_K, ASTER_T and the others say, for each symbol."""
    section: dict[str, str | int] = {
        "k": str(settings.midfreq_momentum_k),
        "T": settings.midfreq_volatility_window_min,
        "n": str(settings.midfreq_volume_ratio_n),
        "V": settings.midfreq_volume_window_min,
        "tp_bps": str(settings.midfreq_take_profit_bps),
        "sl_bps": str(settings.midfreq_stop_loss_bps),
        "activation_bps": str(settings.midfreq_trailing_activation_bps),
        "activation_buffer_bps": str(settings.midfreq_trailing_activation_buffer_bps),
        "callback_bps": str(settings.midfreq_trailing_callback_bps),
        "min_tp_gap_bps": str(settings.midfreq_min_take_profit_gap_bps),
        "spread_max_ticks": str(settings.midfreq_max_spread_ticks),
        "funding_max": str(settings.midfreq_max_funding_abs_bps),
    }
    # Decimals as JSON numbers with every digit, which json.dumps would not write.
    numbers = ", ".join(f"{json.dumps(key)}: {value}" for key, value in section.items())
    return "{" + ", ".join(f"{json.dumps(symbol)}: {{{numbers}}}" for symbol in symbols) + "}"


def with_plan(
    chosen: CoreSettings,
    settings: Settings,
    plan: SessionPlan,
    ready: VenueReady,
    memory: Mapping[str, Mapping[str, str]],
) -> CoreSettings:
    """The core's settings with the plan's strategies: pairs on its pairs, a desk for each of the others."""
    pairs = chosen.delta_neutral
    if pairs is not None:
        named = plan.pairs == settings.symbols
        # Pairings of the settings may have symbols besides, their spot markets.
        pairs = pairs if named else msgspec.structs.replace(pairs, symbols=plan.pairs, pairings=())
        pairs = pairs if plan.pairs else None
    desks = tuple(desk_settings(settings, each, ready, memory) for each in plan.bar_strategies)
    return msgspec.structs.replace(chosen, delta_neutral=pairs, positions=desks)


def desk_settings(
    settings: Settings, chosen: BarStrategy, ready: VenueReady, memory: Mapping[str, Mapping[str, str]]
) -> PositionDeskSettings:
    """Everything the desk needs. `memory` is what earlier runs left, by strategy name and key."""
    return msgspec.structs.replace(
        rules_of_desk(settings, chosen, ready.fees),
        hedge_mode=ready.hedge_mode,
        exits_with_entry=settings.midfreq_exits_with_entry and ready.takes_exits_with_entry,
        memory=dict(memory.get(find_strategy(chosen.strategy).name, {})),
    )


def rules_of_desk(
    settings: Settings, chosen: BarStrategy, fees: Mapping[str, FeeRates]
) -> PositionDeskSettings:
    """What a person set about the desk, whatever venue and account it trades on."""
    parameters = chosen.parameters
    if parameters is None and find_strategy(chosen.strategy) is MidFrequencyStrategy:
        parameters = parameters_from_settings(settings, chosen.symbols)
    return PositionDeskSettings(
        strategy=chosen.strategy,
        symbols=chosen.symbols,
        parameters=parameters,
        enable_trading=chosen.enable_trading,
        sizing=PositionSizing(
            order_notional_usd=settings.midfreq_order_notional_usd,
            risk_pct=settings.midfreq_risk_pct,
            leverage=settings.midfreq_target_leverage,
        ),
        guards=PositionGuards(
            arm_deadline_ms=settings.midfreq_protect_deadline_ms,
            cooldown_ms=settings.midfreq_reentry_cooldown_min * MINUTE_MS,
            margin_safety_multiple=settings.midfreq_margin_safety_multiple,
            daily_drawdown_pct=settings.midfreq_daily_drawdown_blocker_pct,
            entry_halt_minute=_minute(settings.midfreq_entry_halt_utc),
            force_exit_minute=_minute(settings.midfreq_force_exit_utc),
            max_open_positions=settings.midfreq_max_open_positions,
            max_consecutive_losses=settings.midfreq_max_consecutive_losses,
        ),
        taker_fee_rates={symbol: fees[symbol].taker for symbol in chosen.symbols if symbol in fees},
        default_taker_fee_rate=settings.midfreq_taker_fee_bps / Decimal(10_000),
    )


def _minute(time_of_day: str) -> int:
    hours, minutes = time_of_day.split(":")
    return 60 * int(hours) + int(minutes)
