"""What the books hold: trades, positions, days, and the journal of every order, decision and session.

Money, prices and quantities are exact (`ExactDecimal`). `timestamp` columns are naive UTC; the `_ms` columns
next to them hold the same instant as the venue gave it. `(venue, instance, account)` says whose books a row
belongs to: `instance` is empty for real venues and names one life of an embedded exchange, whose trade
numbers begin anew each time.
"""

from datetime import datetime
from decimal import Decimal

from sqlalchemy import BigInteger, ForeignKey, Index, Integer, MetaData, String, Text, UniqueConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from aster_operator.database.types import ExactDecimal

__all__ = [
    "Base",
    "DailyStats",
    "Decision",
    "IncomeEntry",
    "OrderJournal",
    "OrderTransition",
    "Position",
    "SessionRun",
    "StrategyMemory",
    "Trade",
    "TradeLifecycle",
]

# Identity columns count in 64 bits on PostgreSQL; SQLite numbers only INTEGER keys by itself.
_Identity = BigInteger().with_variant(Integer, "sqlite")


class Base(DeclarativeBase):
    """Declares the tables. Constraints have names, so that migrations can change them."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {  # noqa: RUF012 - the name and form SQLAlchemy asks for
        Decimal: ExactDecimal,
        str: String,
    }


class _Book:
    """Whose books a row belongs to."""

    venue: Mapped[str]
    instance: Mapped[str] = mapped_column(default="")
    account: Mapped[str]


class Trade(_Book, Base):
    """One fill. Identity: (venue, instance, account, symbol, trade_id); recording it twice changes nothing.

    `quantity` in base units, `price` and `notional` in quote units, `commission` as paid in
    `commission_asset` (negative: rebate), `realized_pnl` before commission. `order_id` is the venue's.
    """

    __tablename__ = "trades"
    __table_args__ = (UniqueConstraint("venue", "instance", "account", "symbol", "trade_id"),)

    id: Mapped[int] = mapped_column(_Identity, primary_key=True)
    timestamp: Mapped[datetime] = mapped_column(index=True)
    timestamp_ms: Mapped[int] = mapped_column(BigInteger)
    symbol: Mapped[str] = mapped_column(index=True)
    side: Mapped[str]
    position_side: Mapped[str]
    order_type: Mapped[str] = mapped_column(default="MARKET")
    quantity: Mapped[Decimal]
    price: Mapped[Decimal]
    notional: Mapped[Decimal]
    order_id: Mapped[str] = mapped_column(index=True)
    client_order_id: Mapped[str]
    trade_id: Mapped[int] = mapped_column(BigInteger)
    realized_pnl: Mapped[Decimal]
    commission: Mapped[Decimal]
    commission_asset: Mapped[str]
    role: Mapped[str]
    status: Mapped[str] = mapped_column(default="FILLED")
    run_id: Mapped[str | None] = mapped_column(index=True)

    @property
    def is_maker(self) -> bool:
        return self.role == "MAKER"

    def __repr__(self) -> str:
        return f"<Trade {self.symbol} {self.side} {self.quantity} @ {self.price}>"


class Position(_Book, Base):
    """One leg from its opening to its close. `position_ref` names it; `pair_ref` joins the legs of a pair.

    `hold_time_minutes` counts whole minutes and stays 0 until the close; the exact times are the `_ms`
    columns. `exit_price` and `realized_pnl` are None while the leg is open. `hedge_weight` and `hedge_beta`
    say how it counts in its pair (`domain.pairing.LegHedge`); None in old rows, whose legs count alike.
    `worst_imbalance` and `longest_imbalance_ms` say how far and how long the legs of the pair failed to hedge
    each other; None while it is open, or when nobody watched.
    """

    __tablename__ = "positions"
    __table_args__ = (UniqueConstraint("venue", "instance", "account", "position_ref"),)

    id: Mapped[int] = mapped_column(_Identity, primary_key=True)
    position_ref: Mapped[str]
    pair_ref: Mapped[str] = mapped_column(index=True)
    opened_at: Mapped[datetime] = mapped_column(index=True)
    opened_ms: Mapped[int] = mapped_column(BigInteger)
    closed_at: Mapped[datetime | None]
    closed_ms: Mapped[int | None] = mapped_column(BigInteger)
    symbol: Mapped[str]
    position_side: Mapped[str]
    entry_price: Mapped[Decimal]
    exit_price: Mapped[Decimal | None]
    quantity: Mapped[Decimal]
    leverage: Mapped[int]
    notional: Mapped[Decimal]
    hold_time_minutes: Mapped[int] = mapped_column(default=0)
    realized_pnl: Mapped[Decimal | None]
    is_active: Mapped[bool] = mapped_column(default=True, index=True)
    close_reason: Mapped[str | None] = mapped_column(Text)
    run_id: Mapped[str | None]
    hedge_weight: Mapped[Decimal | None]
    hedge_beta: Mapped[Decimal | None]
    worst_imbalance: Mapped[Decimal | None]
    longest_imbalance_ms: Mapped[int | None] = mapped_column(BigInteger)

    def __repr__(self) -> str:
        return f"<Position {self.symbol} {self.position_side} {self.quantity}>"


class DailyStats(_Book, Base):
    """One UTC day of one account, derived from its trades and income rows. `date` is its midnight.

    `fees_paid` is in USD and covers commissions in dollar assets; commissions in others are listed in
    `other_fees` as a JSON object (asset: amount). `rh_points_estimated` is None without a reward programme.
    """

    __tablename__ = "daily_stats"
    __table_args__ = (UniqueConstraint("venue", "instance", "account", "date"),)

    id: Mapped[int] = mapped_column(_Identity, primary_key=True)
    date: Mapped[datetime]
    total_volume: Mapped[Decimal]
    num_trades: Mapped[int]
    realized_pnl: Mapped[Decimal]
    fees_paid: Mapped[Decimal]
    other_fees: Mapped[str | None] = mapped_column(Text)
    funding_paid: Mapped[Decimal]
    rh_points_estimated: Mapped[Decimal | None]


class IncomeEntry(_Book, Base):
    """A settled row of the venue's income history: funding, transfers, insurance. Negative was paid.

    Identity: the venue's transaction id with its type, time and symbol, which it repeats across types.
    """

    __tablename__ = "income"
    __table_args__ = (
        UniqueConstraint(
            "venue",
            "instance",
            "account",
            "transaction_id",
            "income_type",
            "symbol",
            "asset",
            name="uq_income_identity",
        ),
        Index("ix_income_type_time", "income_type", "time_ms"),
    )

    id: Mapped[int] = mapped_column(_Identity, primary_key=True)
    transaction_id: Mapped[str]
    symbol: Mapped[str]
    income_type: Mapped[str]
    income: Mapped[Decimal]
    asset: Mapped[str]
    time_ms: Mapped[int] = mapped_column(BigInteger)
    timestamp: Mapped[datetime]
    trade_id: Mapped[str] = mapped_column(default="")
    run_id: Mapped[str | None]


class OrderJournal(_Book, Base):
    """Every order, written before it is on the wire. `order_json` is the whole order as it was meant.

    `state` is the name of the last known order state in lower case (pending, working, partly_filled,
    filled, cancelled, expired, rejected, unknown) since `state_ms`; `transitions` keep all of them.
    """

    __tablename__ = "order_journal"
    __table_args__ = (
        UniqueConstraint("venue", "instance", "account", "client_order_id"),
        UniqueConstraint("run_id", "sequence"),
        Index("ix_order_journal_state", "state"),
    )

    id: Mapped[int] = mapped_column(_Identity, primary_key=True)
    run_id: Mapped[str]
    sequence: Mapped[int]
    client_order_id: Mapped[str]
    symbol: Mapped[str]
    side: Mapped[str]
    position_side: Mapped[str]
    order_type: Mapped[str]
    quantity: Mapped[Decimal | None]
    price: Mapped[Decimal | None]
    order_json: Mapped[str] = mapped_column(Text)
    reason: Mapped[str] = mapped_column(Text)
    intended_ms: Mapped[int] = mapped_column(BigInteger)
    state: Mapped[str]
    state_ms: Mapped[int] = mapped_column(BigInteger)
    order_id: Mapped[str | None]
    filled_quantity: Mapped[Decimal]
    average_price: Mapped[Decimal | None]
    detail: Mapped[str] = mapped_column(Text, default="")


class OrderTransition(Base):
    """One change of state of one order, in the order it was learned."""

    __tablename__ = "order_transitions"

    id: Mapped[int] = mapped_column(_Identity, primary_key=True)
    journal_id: Mapped[int] = mapped_column(ForeignKey("order_journal.id", ondelete="CASCADE"), index=True)
    state: Mapped[str]
    at_ms: Mapped[int] = mapped_column(BigInteger)
    detail: Mapped[str] = mapped_column(Text, default="")


class Decision(_Book, Base):
    """One decision in words, with the numbers it rests on (`numbers_json`, a JSON object of texts)."""

    __tablename__ = "decisions"

    id: Mapped[int] = mapped_column(_Identity, primary_key=True)
    run_id: Mapped[str | None] = mapped_column(index=True)
    at_ms: Mapped[int] = mapped_column(BigInteger, index=True)
    timestamp: Mapped[datetime]
    strategy: Mapped[str]
    symbol: Mapped[str]
    action: Mapped[str]
    reason: Mapped[str] = mapped_column(Text)
    numbers_json: Mapped[str] = mapped_column(Text)


class SessionRun(_Book, Base):
    """One run of the operator. `ended_ms` None: it still runs, or it was killed.

    `report_json` is the report of its end; `settings_fingerprint` tells runs with equal settings.
    """

    __tablename__ = "session_runs"
    __table_args__ = (UniqueConstraint("run_id"),)

    id: Mapped[int] = mapped_column(_Identity, primary_key=True)
    run_id: Mapped[str]
    strategy: Mapped[str]
    started_ms: Mapped[int] = mapped_column(BigInteger)
    ended_ms: Mapped[int | None] = mapped_column(BigInteger)
    outcome: Mapped[str | None] = mapped_column(Text)
    report_json: Mapped[str | None] = mapped_column(Text)
    seed: Mapped[int | None] = mapped_column(BigInteger)
    settings_fingerprint: Mapped[str]
    program_version: Mapped[str]


class TradeLifecycle(_Book, Base):
    """One finished trade of a single position, from the decision to the last fill.

    The columns are the fields of `domain.closed_trades.ClosedTrade`, those about the market among them; None
    is what nobody knows. Money in USD, prices in quote units, distances in bps.
    """

    __tablename__ = "trade_lifecycles"
    __table_args__ = (UniqueConstraint("venue", "instance", "account", "position_ref"),)

    id: Mapped[int] = mapped_column(_Identity, primary_key=True)
    run_id: Mapped[str | None] = mapped_column(index=True)
    position_ref: Mapped[str]
    strategy: Mapped[str]
    symbol: Mapped[str] = mapped_column(index=True)
    side: Mapped[str]
    position_side: Mapped[str]
    quantity: Mapped[Decimal]
    reason: Mapped[str]
    detail: Mapped[str] = mapped_column(Text)
    decided_ms: Mapped[int] = mapped_column(BigInteger)
    entry_client_order_id: Mapped[str]
    entry_order_id: Mapped[str | None]
    entry_filled_ms: Mapped[int | None] = mapped_column(BigInteger)
    entry_price: Mapped[Decimal | None]
    protected_ms: Mapped[int | None] = mapped_column(BigInteger)
    unprotected_ms: Mapped[int] = mapped_column(BigInteger)
    exit_client_order_id: Mapped[str | None]
    exit_order_id: Mapped[str | None]
    exit_sent_ms: Mapped[int | None] = mapped_column(BigInteger)
    exit_filled_ms: Mapped[int | None] = mapped_column(BigInteger, index=True)
    exit_price: Mapped[Decimal | None]
    fees_usd: Mapped[Decimal | None]
    funding_usd: Mapped[Decimal]
    gross_pnl_usd: Mapped[Decimal | None]
    net_pnl_usd: Mapped[Decimal | None]
    base_volume: Mapped[Decimal | None]
    quote_volume: Mapped[Decimal | None]
    open: Mapped[Decimal | None]
    high: Mapped[Decimal | None]
    low: Mapped[Decimal | None]
    close: Mapped[Decimal | None]
    vwap: Mapped[Decimal | None]
    mark_at_entry: Mapped[Decimal | None]
    mark_at_exit: Mapped[Decimal | None]
    mark_change_bps: Mapped[Decimal | None]
    entry_slippage_touch_bps: Mapped[Decimal | None]
    entry_slippage_mid_bps: Mapped[Decimal | None]
    exit_slippage_touch_bps: Mapped[Decimal | None]
    exit_slippage_mid_bps: Mapped[Decimal | None]
    mae_bps: Mapped[Decimal | None]
    mfe_bps: Mapped[Decimal | None]


class StrategyMemory(_Book, Base):
    """What a strategy must know again after a restart, by key, as JSON text: its positions with their plans,
    and the state of its guards. A row goes when there is nothing to remember any more."""

    __tablename__ = "strategy_memory"
    __table_args__ = (UniqueConstraint("venue", "instance", "account", "strategy", "key"),)

    id: Mapped[int] = mapped_column(_Identity, primary_key=True)
    strategy: Mapped[str]
    key: Mapped[str]
    state_json: Mapped[str] = mapped_column(Text)
    updated_ms: Mapped[int] = mapped_column(BigInteger)
    run_id: Mapped[str | None]
