"""How each leg counts in its pair: legs of different symbols are not equal in coins."""

import sqlalchemy as sa
from alembic import op

from aster_operator.database.types import ExactDecimal

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("positions", schema=None) as batch_op:
        batch_op.add_column(sa.Column("hedge_weight", ExactDecimal(), nullable=True))
        batch_op.add_column(sa.Column("hedge_beta", ExactDecimal(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("positions", schema=None) as batch_op:
        batch_op.drop_column("hedge_beta")
        batch_op.drop_column("hedge_weight")
