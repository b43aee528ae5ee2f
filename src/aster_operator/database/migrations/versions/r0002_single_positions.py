"""Finished trades with everything about them, and what strategies remember over a restart."""

import sqlalchemy as sa
from alembic import op

from aster_operator.database.types import ExactDecimal

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "strategy_memory",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("strategy", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("state_json", sa.Text(), nullable=False),
        sa.Column("updated_ms", sa.BigInteger(), nullable=False),
        sa.Column("run_id", sa.String(), nullable=True),
        sa.Column("venue", sa.String(), nullable=False),
        sa.Column("instance", sa.String(), nullable=False),
        sa.Column("account", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_strategy_memory")),
        sa.UniqueConstraint(
            "venue",
            "instance",
            "account",
            "strategy",
            "key",
            name=op.f("uq_strategy_memory_venue_instance_account_strategy_key"),
        ),
    )
    op.create_table(
        "trade_lifecycles",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("run_id", sa.String(), nullable=True),
        sa.Column("position_ref", sa.String(), nullable=False),
        sa.Column("strategy", sa.String(), nullable=False),
        sa.Column("symbol", sa.String(), nullable=False),
        sa.Column("side", sa.String(), nullable=False),
        sa.Column("position_side", sa.String(), nullable=False),
        sa.Column("quantity", ExactDecimal(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("decided_ms", sa.BigInteger(), nullable=False),
        sa.Column("entry_client_order_id", sa.String(), nullable=False),
        sa.Column("entry_order_id", sa.String(), nullable=True),
        sa.Column("entry_filled_ms", sa.BigInteger(), nullable=True),
        sa.Column("entry_price", ExactDecimal(), nullable=True),
        sa.Column("protected_ms", sa.BigInteger(), nullable=True),
        sa.Column("unprotected_ms", sa.BigInteger(), nullable=False),
        sa.Column("exit_client_order_id", sa.String(), nullable=True),
        sa.Column("exit_order_id", sa.String(), nullable=True),
        sa.Column("exit_sent_ms", sa.BigInteger(), nullable=True),
        sa.Column("exit_filled_ms", sa.BigInteger(), nullable=True),
        sa.Column("exit_price", ExactDecimal(), nullable=True),
        sa.Column("fees_usd", ExactDecimal(), nullable=True),
        sa.Column("funding_usd", ExactDecimal(), nullable=False),
        sa.Column("gross_pnl_usd", ExactDecimal(), nullable=True),
        sa.Column("net_pnl_usd", ExactDecimal(), nullable=True),
        sa.Column("base_volume", ExactDecimal(), nullable=True),
        sa.Column("quote_volume", ExactDecimal(), nullable=True),
        sa.Column("open", ExactDecimal(), nullable=True),
        sa.Column("high", ExactDecimal(), nullable=True),
        sa.Column("low", ExactDecimal(), nullable=True),
        sa.Column("close", ExactDecimal(), nullable=True),
        sa.Column("vwap", ExactDecimal(), nullable=True),
        sa.Column("mark_at_entry", ExactDecimal(), nullable=True),
        sa.Column("mark_at_exit", ExactDecimal(), nullable=True),
        sa.Column("mark_change_bps", ExactDecimal(), nullable=True),
        sa.Column("entry_slippage_touch_bps", ExactDecimal(), nullable=True),
        sa.Column("entry_slippage_mid_bps", ExactDecimal(), nullable=True),
        sa.Column("exit_slippage_touch_bps", ExactDecimal(), nullable=True),
        sa.Column("exit_slippage_mid_bps", ExactDecimal(), nullable=True),
        sa.Column("mae_bps", ExactDecimal(), nullable=True),
        sa.Column("mfe_bps", ExactDecimal(), nullable=True),
        sa.Column("venue", sa.String(), nullable=False),
        sa.Column("instance", sa.String(), nullable=False),
        sa.Column("account", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_trade_lifecycles")),
        sa.UniqueConstraint(
            "venue",
            "instance",
            "account",
            "position_ref",
            name=op.f("uq_trade_lifecycles_venue_instance_account_position_ref"),
        ),
    )
    with op.batch_alter_table("trade_lifecycles", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_trade_lifecycles_exit_filled_ms"), ["exit_filled_ms"], unique=False
        )
        batch_op.create_index(batch_op.f("ix_trade_lifecycles_run_id"), ["run_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_trade_lifecycles_symbol"), ["symbol"], unique=False)


def downgrade() -> None:
    with op.batch_alter_table("trade_lifecycles", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_trade_lifecycles_symbol"))
        batch_op.drop_index(batch_op.f("ix_trade_lifecycles_run_id"))
        batch_op.drop_index(batch_op.f("ix_trade_lifecycles_exit_filled_ms"))

    op.drop_table("trade_lifecycles")
    op.drop_table("strategy_memory")
