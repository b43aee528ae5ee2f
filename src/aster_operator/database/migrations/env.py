"""Run by alembic for each migration command: hands it the connection and the models.

The caller puts an open connection into `config.attributes["connection"]`; its transaction covers the whole
migration, so that a killed process leaves the old schema behind, never half of the new one.
"""

from alembic import context

from aster_operator.database.models import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_as_batch=True,
    compare_type=True,
)
with context.begin_transaction():
    context.run_migrations()
