"""Republications, asked for and followed; which life of the database this is."""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE incarnation (
            one BOOLEAN NOT NULL,
            system_identifier BIGINT NOT NULL,
            timeline INTEGER NOT NULL,
            epoch INTEGER NOT NULL,
            PRIMARY KEY (one)
        )
        """
    )
    op.execute(
        """
        CREATE TABLE republication (
            number INTEGER NOT NULL,
            epoch INTEGER NOT NULL,
            restored BOOLEAN NOT NULL,
            whole BOOLEAN NOT NULL,
            requested_at TIMESTAMP WITH TIME ZONE NOT NULL,
            begun_at TIMESTAMP WITH TIME ZONE,
            last UUID,
            documents BIGINT NOT NULL,
            completed_at TIMESTAMP WITH TIME ZONE,
            confirmed_at TIMESTAMP WITH TIME ZONE,
            PRIMARY KEY (number)
        )
        """
    )
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
