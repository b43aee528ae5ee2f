"""The books: trades, positions, days, income, order journal, decisions, sessions."""

import sqlalchemy as sa
from alembic import op

from aster_operator.database.types import ExactDecimal

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "daily_stats",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("date", sa.DateTime(), nullable=False),
        sa.Column("total_volume", ExactDecimal(), nullable=False),
        sa.Column("num_trades", sa.Integer(), nullable=False),
        sa.Column("realized_pnl", ExactDecimal(), nullable=False),
        sa.Column("fees_paid", ExactDecimal(), nullable=False),
        sa.Column("other_fees", sa.Text(), nullable=True),
        sa.Column("funding_paid", ExactDecimal(), nullable=False),
        sa.Column("rh_points_estimated", ExactDecimal(), nullable=True),
        sa.Column("venue", sa.String(), nullable=False),
        sa.Column("instance", sa.String(), nullable=False),
        sa.Column("account", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_daily_stats")),
        sa.UniqueConstraint(
            "venue", "instance", "account", "date", name=op.f("uq_daily_stats_venue_instance_account_date")
        ),
    )
    op.create_table(
        "decisions",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("run_id", sa.String(), nullable=True),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("timestamp", sa.DateTime(), nullable=False),
        sa.Column("strategy", sa.String(), nullable=False),
        sa.Column("symbol", sa.String(), nullable=False),
        sa.Column("action", sa.String(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("numbers_json", sa.Text(), nullable=False),
        sa.Column("venue", sa.String(), nullable=False),
        sa.Column("instance", sa.String(), nullable=False),
        sa.Column("account", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_decisions")),
    )
    with op.batch_alter_table("decisions", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_decisions_at_ms"), ["at_ms"], unique=False)
        batch_op.create_index(batch_op.f("ix_decisions_run_id"), ["run_id"], unique=False)

    op.create_table(
        "income",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("transaction_id", sa.String(), nullable=False),
        sa.Column("symbol", sa.String(), nullable=False),
        sa.Column("income_type", sa.String(), nullable=False),
        sa.Column("income", ExactDecimal(), nullable=False),
        sa.Column("asset", sa.String(), nullable=False),
        sa.Column("time_ms", sa.BigInteger(), nullable=False),
        sa.Column("timestamp", sa.DateTime(), nullable=False),
        sa.Column("trade_id", sa.String(), nullable=False),
        sa.Column("run_id", sa.String(), nullable=True),
        sa.Column("venue", sa.String(), nullable=False),
        sa.Column("instance", sa.String(), nullable=False),
        sa.Column("account", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_income")),
        sa.UniqueConstraint(
            "venue",
            "instance",
            "account",
            "transaction_id",
            "income_type",
            "symbol",
            "asset",
            name="uq_income_identity",
        ),
    )
    with op.batch_alter_table("income", schema=None) as batch_op:
        batch_op.create_index("ix_income_type_time", ["income_type", "time_ms"], unique=False)

    op.create_table(
        "order_journal",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("run_id", sa.String(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("client_order_id", sa.String(), nullable=False),
        sa.Column("symbol", sa.String(), nullable=False),
        sa.Column("side", sa.String(), nullable=False),
        sa.Column("position_side", sa.String(), nullable=False),
        sa.Column("order_type", sa.String(), nullable=False),
        sa.Column("quantity", ExactDecimal(), nullable=True),
        sa.Column("price", ExactDecimal(), nullable=True),
        sa.Column("order_json", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("intended_ms", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("state_ms", sa.BigInteger(), nullable=False),
        sa.Column("order_id", sa.String(), nullable=True),
        sa.Column("filled_quantity", ExactDecimal(), nullable=False),
        sa.Column("average_price", ExactDecimal(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("venue", sa.String(), nullable=False),
        sa.Column("instance", sa.String(), nullable=False),
        sa.Column("account", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_order_journal")),
        sa.UniqueConstraint("run_id", "sequence", name=op.f("uq_order_journal_run_id_sequence")),
        sa.UniqueConstraint(
            "venue",
            "instance",
            "account",
            "client_order_id",
            name=op.f("uq_order_journal_venue_instance_account_client_order_id"),
        ),
    )
    with op.batch_alter_table("order_journal", schema=None) as batch_op:
        batch_op.create_index("ix_order_journal_state", ["state"], unique=False)

    op.create_table(
        "positions",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("position_ref", sa.String(), nullable=False),
        sa.Column("pair_ref", sa.String(), nullable=False),
        sa.Column("opened_at", sa.DateTime(), nullable=False),
        sa.Column("opened_ms", sa.BigInteger(), nullable=False),
        sa.Column("closed_at", sa.DateTime(), nullable=True),
        sa.Column("closed_ms", sa.BigInteger(), nullable=True),
        sa.Column("symbol", sa.String(), nullable=False),
        sa.Column("position_side", sa.String(), nullable=False),
        sa.Column("entry_price", ExactDecimal(), nullable=False),
        sa.Column("exit_price", ExactDecimal(), nullable=True),
        sa.Column("quantity", ExactDecimal(), nullable=False),
        sa.Column("leverage", sa.Integer(), nullable=False),
        sa.Column("notional", ExactDecimal(), nullable=False),
        sa.Column("hold_time_minutes", sa.Integer(), nullable=False),
        sa.Column("realized_pnl", ExactDecimal(), nullable=True),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("close_reason", sa.Text(), nullable=True),
        sa.Column("run_id", sa.String(), nullable=True),
        sa.Column("venue", sa.String(), nullable=False),
        sa.Column("instance", sa.String(), nullable=False),
        sa.Column("account", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_positions")),
        sa.UniqueConstraint(
            "venue",
            "instance",
            "account",
            "position_ref",
            name=op.f("uq_positions_venue_instance_account_position_ref"),
        ),
    )
    with op.batch_alter_table("positions", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_positions_is_active"), ["is_active"], unique=False)
        batch_op.create_index(batch_op.f("ix_positions_opened_at"), ["opened_at"], unique=False)
        batch_op.create_index(batch_op.f("ix_positions_pair_ref"), ["pair_ref"], unique=False)

    op.create_table(
        "session_runs",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("run_id", sa.String(), nullable=False),
        sa.Column("strategy", sa.String(), nullable=False),
        sa.Column("started_ms", sa.BigInteger(), nullable=False),
        sa.Column("ended_ms", sa.BigInteger(), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("report_json", sa.Text(), nullable=True),
        sa.Column("seed", sa.BigInteger(), nullable=True),
        sa.Column("settings_fingerprint", sa.String(), nullable=False),
        sa.Column("program_version", sa.String(), nullable=False),
        sa.Column("venue", sa.String(), nullable=False),
        sa.Column("instance", sa.String(), nullable=False),
        sa.Column("account", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_session_runs")),
        sa.UniqueConstraint("run_id", name=op.f("uq_session_runs_run_id")),
    )
    op.create_table(
        "trades",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("timestamp", sa.DateTime(), nullable=False),
        sa.Column("timestamp_ms", sa.BigInteger(), nullable=False),
        sa.Column("symbol", sa.String(), nullable=False),
        sa.Column("side", sa.String(), nullable=False),
        sa.Column("position_side", sa.String(), nullable=False),
        sa.Column("order_type", sa.String(), nullable=False),
        sa.Column("quantity", ExactDecimal(), nullable=False),
        sa.Column("price", ExactDecimal(), nullable=False),
        sa.Column("notional", ExactDecimal(), nullable=False),
        sa.Column("order_id", sa.String(), nullable=False),
        sa.Column("client_order_id", sa.String(), nullable=False),
        sa.Column("trade_id", sa.BigInteger(), nullable=False),
        sa.Column("realized_pnl", ExactDecimal(), nullable=False),
        sa.Column("commission", ExactDecimal(), nullable=False),
        sa.Column("commission_asset", sa.String(), nullable=False),
        sa.Column("role", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("run_id", sa.String(), nullable=True),
        sa.Column("venue", sa.String(), nullable=False),
        sa.Column("instance", sa.String(), nullable=False),
        sa.Column("account", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_trades")),
        sa.UniqueConstraint(
            "venue",
            "instance",
            "account",
            "symbol",
            "trade_id",
            name=op.f("uq_trades_venue_instance_account_symbol_trade_id"),
        ),
    )
    with op.batch_alter_table("trades", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_trades_order_id"), ["order_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_trades_run_id"), ["run_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_trades_symbol"), ["symbol"], unique=False)
        batch_op.create_index(batch_op.f("ix_trades_timestamp"), ["timestamp"], unique=False)

    op.create_table(
        "order_transitions",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("journal_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["journal_id"],
            ["order_journal.id"],
            name=op.f("fk_order_transitions_journal_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_order_transitions")),
    )
    with op.batch_alter_table("order_transitions", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_order_transitions_journal_id"), ["journal_id"], unique=False)


def downgrade() -> None:
    with op.batch_alter_table("order_transitions", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_order_transitions_journal_id"))

    op.drop_table("order_transitions")
    with op.batch_alter_table("trades", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_trades_timestamp"))
        batch_op.drop_index(batch_op.f("ix_trades_symbol"))
        batch_op.drop_index(batch_op.f("ix_trades_run_id"))
        batch_op.drop_index(batch_op.f("ix_trades_order_id"))

    op.drop_table("trades")
    op.drop_table("session_runs")
    with op.batch_alter_table("positions", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_positions_pair_ref"))
        batch_op.drop_index(batch_op.f("ix_positions_opened_at"))
        batch_op.drop_index(batch_op.f("ix_positions_is_active"))

    op.drop_table("positions")
    with op.batch_alter_table("order_journal", schema=None) as batch_op:
        batch_op.drop_index("ix_order_journal_state")

    op.drop_table("order_journal")
    with op.batch_alter_table("income", schema=None) as batch_op:
        batch_op.drop_index("ix_income_type_time")

    op.drop_table("income")
    with op.batch_alter_table("decisions", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_decisions_run_id"))
        batch_op.drop_index(batch_op.f("ix_decisions_at_ms"))

    op.drop_table("decisions")
    op.drop_table("daily_stats")
