"""Republications of others, followed."""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE marker (
            producer TEXT NOT NULL,
            part SMALLINT NOT NULL,
            closed BOOLEAN NOT NULL,
            wanted_epoch INTEGER NOT NULL,
            wanted_number INTEGER NOT NULL,
            begun_epoch INTEGER,
            begun_number INTEGER,
            complete_epoch INTEGER NOT NULL,
            confirmed_epoch INTEGER NOT NULL,
            PRIMARY KEY (producer, part)
        )
        """
    )
