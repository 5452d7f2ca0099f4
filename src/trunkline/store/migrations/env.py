"""Run by Alembic: migrates over the connection that `store.schema` gives."""

from __future__ import annotations

from alembic import context

from trunkline.store.metadata import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,  # SQLite can't alter most things in place.
    transaction_per_migration=False,
)
with context.begin_transaction():
    context.run_migrations()
