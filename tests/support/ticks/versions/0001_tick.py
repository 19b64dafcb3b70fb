"""The table of ticks."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table("tick", sa.Column("at", sa.DateTime(timezone=True), nullable=False))
