"""How far and how long the legs of each pair failed to hedge each other."""

import sqlalchemy as sa
from alembic import op

from aster_operator.database.types import ExactDecimal

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("positions", schema=None) as batch_op:
        batch_op.add_column(sa.Column("worst_imbalance", ExactDecimal(), nullable=True))
        batch_op.add_column(sa.Column("longest_imbalance_ms", sa.BigInteger(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("positions", schema=None) as batch_op:
        batch_op.drop_column("longest_imbalance_ms")
        batch_op.drop_column("worst_imbalance")
