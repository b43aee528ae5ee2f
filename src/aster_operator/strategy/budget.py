"""What the decisions of one pass of the loop use up, one after the other: volume, exposure and margin."""

from decimal import Decimal

from aster_operator.domain.money import ZERO
from aster_operator.strategy.intents import CycleView, PairStatus, SymbolMarket
from aster_operator.strategy.sizing import MARK_GRACE, SizeView

__all__ = ["PassBudget", "rotation_usd"]


class PassBudget:
    """What the decisions of one pass use up, one after the other: volume, exposure and margin."""

    def __init__(self, view: CycleView, target_usd: Decimal) -> None:
        self.target_usd = target_usd
        self.planned_usd = view.volume_today_usd + view.committed_volume_usd
        self._view = view
        self._gross_usd = view.committed_gross_usd
        self._symbol_gross_usd = dict(view.symbol_gross_usd)
        self._uncovered_usd = view.uncovered_usd

    @property
    def left_usd(self) -> Decimal:
        return self.target_usd - self.planned_usd

    def leg_left_usd(self, planned_leg_usd: Decimal) -> Decimal | None:
        """The largest leg whose opening and closing the day can still carry, with room for prices to move;
        None when one as planned fits so. Opening commits to closing as well."""
        largest_usd = self.left_usd / (4 * MARK_GRACE)
        return None if planned_leg_usd <= largest_usd else largest_usd

    def leg_usd(self, planned_leg_usd: Decimal) -> Decimal:
        """The leg as planned, or as much of it as the day can still carry."""
        left = self.leg_left_usd(planned_leg_usd)
        return planned_leg_usd if left is None else left

    def size_view(self, symbol: str, market: SymbolMarket, leverage: int) -> SizeView:
        account = self._view.account
        available = None if account is None else account.available_usd
        return SizeView(
            now_ms=self._view.now_ms,
            gross_usd=self._gross_usd,
            symbol_gross_usd=self._symbol_gross_usd.get(symbol, ZERO),
            free_margin_usd=None if available is None else available - self._uncovered_usd / leverage,
            equity_usd=None if account is None else account.equity_usd,
            volatility_bps_hour=market.volatility_bps_hour,
        )

    def opens(self, symbol: str, legs_usd: Decimal) -> None:
        self.planned_usd += 2 * legs_usd
        self._gross_usd += legs_usd
        self._symbol_gross_usd[symbol] = self._symbol_gross_usd.get(symbol, ZERO) + legs_usd
        self._uncovered_usd += legs_usd

    def rotates(self, pair: PairStatus) -> None:
        self.planned_usd += min(self.left_usd, rotation_usd(pair))

    def words(self) -> str:
        return f"volume budget: ${self.planned_usd:,.0f} of ${self.target_usd:,.0f} is done or planned today"


def rotation_usd(pair: PairStatus) -> Decimal:
    """What a rotation adds to the plan, which already holds this pair's close: the next open and close."""
    return 2 * pair.gross_usd
