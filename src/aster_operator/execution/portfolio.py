"""What we hold: positions, balances, fills and settled cash, as the venue told us.

Positions and balances are the venue's own words (account updates and snapshots); realised PnL, fees and
volume are summed from fills, funding from settled income rows. Pure state, no I/O.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal

from aster_operator.domain.clock import utc_day_start_ms
from aster_operator.domain.enums import LiquidityRole, PositionSide
from aster_operator.domain.events import AccountChanged, PositionChange
from aster_operator.domain.fills import Fill, IncomeRow
from aster_operator.domain.money import ZERO
from aster_operator.domain.pairing import Market, market_of
from aster_operator.domain.positions import AccountSnapshot, PositionReport, SpotBalance

__all__ = ["HeldPosition", "Portfolio"]


@dataclass(slots=True)
class HeldPosition:
    """A position now. `quantity` is signed base units; PnL uses the mark the caller gives."""

    symbol: str
    position_side: PositionSide
    quantity: Decimal = ZERO
    entry_price: Decimal = ZERO
    liquidation_price: Decimal | None = None
    """As the newest snapshot named it: None before the first, zero when no positive price liquidates it."""
    adl_quantile: int | None = None
    """Place in the queue for auto-deleveraging, 0 to 4; None while the venue has named none."""
    reported_pnl: Decimal = ZERO
    """Unrealised PnL (USD) when the venue last spoke of the position."""

    def unrealized_pnl(self, mark: Decimal) -> Decimal:
        return self.quantity * (mark - self.entry_price)


@dataclass(slots=True)
class Portfolio:
    """`wallet_balance` excludes unrealised PnL; all money in the margin asset (USD)."""

    margin_asset: str = "USDT"
    positions: dict[tuple[str, PositionSide], HeldPosition] = field(default_factory=dict)
    wallet_balance: Decimal = ZERO
    available_balance: Decimal | None = None
    maintenance_margin: Decimal | None = None
    account_ms: int | None = None
    """Time of the snapshot that the three figures above are from; None before the first."""
    realized_pnl: Decimal = ZERO
    fees: Decimal = ZERO
    funding: Decimal = ZERO
    other_income: Decimal = ZERO
    """Settled beside trades and funding, signed: above all the fee of a liquidation."""
    volume: Decimal = ZERO
    maker_volume: Decimal = ZERO
    fill_count: int = 0
    spot_balances: dict[str, SpotBalance] = field(default_factory=dict)
    spot_realized: Decimal = ZERO
    spot_fees: Decimal = ZERO
    """Of the session, in quote units; parts of the sums above."""
    spot_capital: Decimal = ZERO
    """Money the session has had on the spot side, coins of its pairs at cost: what its results add to."""
    volume_by_day: dict[int, Decimal] = field(default_factory=lambda: defaultdict(lambda: ZERO))
    _income_ids: set[tuple[str, ...]] = field(default_factory=set)

    def held(self, symbol: str, position_side: PositionSide) -> HeldPosition:
        """The position, flat when there is none."""
        key = (symbol, position_side)
        if key not in self.positions:
            self.positions[key] = HeldPosition(symbol, position_side)
        return self.positions[key]

    def open_positions(self) -> list[HeldPosition]:
        return [position for position in self.positions.values() if position.quantity != 0]

    def book_fill(self, fill: Fill) -> None:
        """Add one execution to the sums; the caller has made sure it is new."""
        self.volume += fill.notional
        self.volume_by_day[utc_day_start_ms(fill.event_ms)] += fill.notional
        if fill.role is LiquidityRole.MAKER:
            self.maker_volume += fill.notional
        self.realized_pnl += fill.realized_pnl
        self.fees += fill.commission_value
        if market_of(fill.symbol) is Market.SPOT:
            self.spot_fees += fill.commission_value
        self.fill_count += 1

    def book_spot_result(self, realized_pnl: Decimal) -> None:
        """What selling coins has brought over their price: no venue tells it."""
        self.realized_pnl += realized_pnl
        self.spot_realized += realized_pnl

    def apply_spot(self, balances: Iterable[SpotBalance], *, whole: bool = False) -> None:
        """Take in changed assets of the spot wallet, or the `whole` of it."""
        if whole:
            self.spot_balances.clear()
        self.spot_balances.update((balance.asset, balance) for balance in balances)

    def spot_total(self, asset: str) -> Decimal:
        balance = self.spot_balances.get(asset)
        return ZERO if balance is None else balance.total

    def book_income(self, row: IncomeRow, *, counts: bool = True) -> bool:
        """Add a settled row; False when it was booked before. Realised PnL and commission rows repeat what
        the fills already said, transfers are no result, and a row that no longer `counts` enters no sum."""
        if row.identity in self._income_ids:
            return False
        self._income_ids.add(row.identity)
        if not counts or row.repeats_a_fill or row.moves_money:
            return True
        if row.is_funding:
            self.funding += row.income
        else:
            self.other_income += row.income
        return True

    def apply_account(self, change: AccountChanged) -> None:
        for balance in change.balances:
            if balance.asset == self.margin_asset:
                self.wallet_balance = balance.wallet_balance
        for position in change.positions:
            self._apply_position(position)

    def apply_snapshot(
        self, account: AccountSnapshot, positions: tuple[PositionReport, ...], at_ms: int
    ) -> None:
        """Replace positions and balances by the venue's word of `at_ms`; sums of the session stay."""
        # Account updates tell the margin asset's balance: a total over all assets would not compare.
        in_margin_asset = [
            balance.wallet_balance for balance in account.balances if balance.asset == self.margin_asset
        ]
        self.wallet_balance = in_margin_asset[0] if in_margin_asset else account.total_wallet_balance
        self.available_balance = account.available_balance
        self.maintenance_margin = account.total_maintenance_margin
        self.account_ms = at_ms
        self.positions.clear()
        for report in positions:
            if report.is_open:
                self.positions[(report.symbol, report.position_side)] = HeldPosition(
                    symbol=report.symbol,
                    position_side=report.position_side,
                    quantity=report.quantity,
                    entry_price=report.entry_price,
                    liquidation_price=report.liquidation_price,
                    adl_quantile=report.adl_quantile,
                    reported_pnl=report.unrealized_pnl,
                )

    def _apply_position(self, change: PositionChange) -> None:
        held = self.held(change.symbol, change.position_side)
        held.quantity = change.quantity
        held.entry_price = change.entry_price
        held.reported_pnl = change.unrealized_pnl

    def volume_on_day(self, time_ms: int) -> Decimal:
        """Traded notional (USD) of the UTC day that contains `time_ms`."""
        return self.volume_by_day.get(utc_day_start_ms(time_ms), ZERO)
