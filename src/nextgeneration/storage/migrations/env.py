"""Run by Alembic, on the connection and inside the transaction it is given."""

from __future__ import annotations

from alembic import context

from nextgeneration.storage.tables import metadata

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=metadata, render_as_batch=True, transactional_ddl=False)
context.run_migrations()
