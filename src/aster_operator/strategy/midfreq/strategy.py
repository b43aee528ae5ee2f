"""Mid-frequency momentum: a bar that moves further than its volatility, on a volume above its mean.

Long when `ret_bps > k x RS_vol(T)`, short when `ret_bps < -k x RS_vol(T)`, both only when the bar's volume
exceeds n times the mean of V bars, and only when no blocker objects. Exits rest at the exchange: nothing is
closed by a later bar.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import ClassVar, Self

from aster_operator.domain.enums import Side
from aster_operator.domain.money import plain_text
from aster_operator.strategy.base import BarDecision, BarView, Enter, Strategy, Verdict
from aster_operator.strategy.midfreq.blockers import (
    funding_bps,
    judge,
    opening_loss_bps,
    spread_bps,
)
from aster_operator.strategy.midfreq.indicators import (
    mean_volume,
    return_bps,
    rogers_satchell_volatility_bps,
)
from aster_operator.strategy.midfreq.levels import ExitLevels, exit_levels
from aster_operator.strategy.midfreq.parameters import SymbolParameters, read_parameters

__all__ = ["MidFrequencyStrategy"]


class MidFrequencyStrategy(Strategy):
    """Pure function of the view, with its own parameters for each symbol."""

    name: ClassVar[str] = "midfreq"

    def __init__(self, parameters: Mapping[str, SymbolParameters]) -> None:
        if not parameters:
            raise ValueError("midfreq needs the parameters of at least one symbol")
        self.parameters = dict(parameters)

    @classmethod
    def from_json(cls, text: str | None, symbols: tuple[str, ...]) -> Self:
        if text is None:
            return cls({symbol: SymbolParameters() for symbol in symbols})
        return cls(read_parameters(text, symbols))

    @property
    def warm_up_bars(self) -> int:
        return max(parameters.warm_up_bars for parameters in self.parameters.values())

    def trades(self, symbol: str) -> bool:
        return self.parameters[symbol].enable_trading

    def on_bar_closed(self, view: BarView) -> BarDecision:
        parameters = self.parameters[view.symbol]
        numbers = _market_numbers(view)
        needed = parameters.warm_up_bars
        if len(view.bars) < needed:
            return BarDecision(
                action="warm-up",
                reason=f"{len(view.bars)} of {needed} bars",
                numbers={"bars": str(len(view.bars)), "bars_needed": str(needed), **numbers},
            )
        ret_bps = return_bps(view.bars)
        volatility_bps = rogers_satchell_volatility_bps(view.bars[-parameters.volatility_window_bars :])
        volume = float(view.last_bar.base_volume)
        average = mean_volume(view.bars[-parameters.volume_window_bars :])
        threshold_bps = parameters.momentum_k * volatility_bps
        side = Side.BUY if ret_bps > threshold_bps else Side.SELL if ret_bps < -threshold_bps else None
        is_loud = volume > parameters.volume_ratio_n * average
        numbers = {
            "ret_bps": repr(ret_bps),
            "rs_vol_bps": repr(volatility_bps),
            "threshold_bps": repr(threshold_bps),
            "bar_volume": repr(volume),
            "avg_volume": repr(average),
            "volume_threshold": repr(parameters.volume_ratio_n * average),
            "momentum": "none" if side is None else "long" if side is Side.BUY else "short",
            "volume_regime": "above" if is_loud else "below",
            **numbers,
        }
        verdicts = (_continuity(view), *judge(view, parameters, side))
        return self._decide(view, parameters, side, is_loud, numbers, verdicts)

    def _decide(
        self,
        view: BarView,
        parameters: SymbolParameters,
        side: Side | None,
        is_loud: bool,
        numbers: dict[str, str],
        verdicts: tuple[Verdict, ...],
    ) -> BarDecision:
        if side is None or not is_loud:
            reason = "no momentum" if side is None else "volume is not above its regime"
            return BarDecision(action="wait", reason=reason, numbers=numbers, verdicts=verdicts)
        word = "long" if side is Side.BUY else "short"
        stopped = [verdict for verdict in verdicts if not verdict.passed]
        if stopped:
            reason = f"{word} signal blocked: " + ", ".join(
                f"{verdict.name} {verdict.value} against {verdict.limit}" for verdict in stopped
            )
            return BarDecision(action="blocked", reason=reason, numbers=numbers, verdicts=verdicts)
        levels = self._levels(view, parameters, side)
        numbers |= {name: plain_text(getattr(levels, name)) for name in ExitLevels.__struct_fields__}
        reason = f"{word}: {float(numbers['ret_bps']):.2f} bps beyond {float(numbers['threshold_bps']):.2f}"
        if view.position is not None:
            return BarDecision(
                action="hold", reason=f"{reason}, but a position is held", numbers=numbers, verdicts=verdicts
            )
        return BarDecision(
            action="enter",
            reason=reason,
            intent=Enter(side=side, exits=levels.plan(), reason=reason),
            numbers=numbers,
            verdicts=verdicts,
        )

    @staticmethod
    def _levels(view: BarView, parameters: SymbolParameters, side: Side) -> ExitLevels:
        if view.bid is None or view.ask is None or view.mark is None or view.funding_rate is None:
            raise ValueError("levels need quote, mark and funding: the blockers have to pass first")
        return exit_levels(
            parameters,
            taker_fee_bps=view.taker_fee_rate * 10_000,
            opening_loss_bps=opening_loss_bps(side, view.bid, view.ask, view.mark),
            funding_bps=funding_bps(view.funding_rate),
        )


def _continuity(view: BarView) -> Verdict:
    """A return over missing minutes is no return of one bar."""
    passed = not view.follows_a_gap
    return Verdict(
        name="gap", passed=passed, value="none" if passed else "minutes missing before", limit="none"
    )


def _market_numbers(view: BarView) -> dict[str, str]:
    """The market at the decision, as far as it is known."""
    values: dict[str, Decimal | None] = {
        "bid": view.bid,
        "ask": view.ask,
        "mark": view.mark,
        "funding_bps": None if view.funding_rate is None else funding_bps(view.funding_rate),
    }
    if view.bid is not None and view.ask is not None:
        values["spread_bps"] = spread_bps(view.bid, view.ask)
        if view.mark is not None:
            values["opening_loss_buy_bps"] = opening_loss_bps(Side.BUY, view.bid, view.ask, view.mark)
            values["opening_loss_sell_bps"] = opening_loss_bps(Side.SELL, view.bid, view.ask, view.mark)
    return {name: plain_text(value) for name, value in values.items() if value is not None}
