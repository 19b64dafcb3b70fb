"""The tables of the protocol as consumer of warnings and customers, inbox lines, who was told and read what."""

from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE alias (
            party UUID NOT NULL,
            root UUID NOT NULL,
            PRIMARY KEY (party)
        )
        """
    )
    op.execute("CREATE INDEX alias_root ON alias (root)")
    op.execute(
        """
        CREATE TABLE beat (
            source TEXT NOT NULL,
            "of" TEXT NOT NULL,
            part SMALLINT NOT NULL,
            epoch INTEGER NOT NULL,
            revision INTEGER NOT NULL,
            coverage TEXT NOT NULL,
            rhythm_hours INTEGER,
            activated_at TIMESTAMP WITH TIME ZONE NOT NULL,
            retired_at TIMESTAMP WITH TIME ZONE,
            complete_until TIMESTAMP WITH TIME ZONE,
            recorded_at TIMESTAMP WITH TIME ZONE NOT NULL,
            PRIMARY KEY (source, "of", part)
        )
        """
    )
    op.execute(
        """
        CREATE TABLE cursor (
            topic TEXT NOT NULL,
            part SMALLINT NOT NULL,
            next_offset BIGINT NOT NULL,
            PRIMARY KEY (topic, part)
        ) WITH (fillfactor = 50)
        """
    )
    op.execute(
        """
        CREATE TABLE customer (
            party UUID NOT NULL,
            source TEXT,
            external_id TEXT,
            company_name TEXT,
            owner TEXT,
            confirmed BOOLEAN NOT NULL,
            PRIMARY KEY (party)
        )
        """
    )
    op.execute("CREATE INDEX customer_owner ON customer (owner)")
    op.execute(
        """
        CREATE TABLE dead_letter (
            topic TEXT NOT NULL,
            part SMALLINT NOT NULL,
            "offset" BIGINT NOT NULL,
            key BYTEA,
            headers BYTEA NOT NULL,
            value BYTEA NOT NULL,
            party UUID,
            kind TEXT,
            document UUID,
            epoch INTEGER,
            revision INTEGER,
            code TEXT NOT NULL,
            message TEXT NOT NULL,
            stored_at TIMESTAMP WITH TIME ZONE NOT NULL,
            resolved_at TIMESTAMP WITH TIME ZONE,
            PRIMARY KEY (topic, part, "offset")
        )
        """
    )
    op.execute("CREATE INDEX dead_letter_open ON dead_letter (party) WHERE resolved_at is null")
    op.execute(
        """
        CREATE TABLE held_document (
            id UUID NOT NULL,
            kind TEXT NOT NULL,
            key TEXT NOT NULL,
            epoch INTEGER NOT NULL,
            revision INTEGER NOT NULL,
            party UUID,
            other_party UUID,
            at TIMESTAMP WITH TIME ZONE NOT NULL,
            until TIMESTAMP WITH TIME ZONE NOT NULL,
            currency TEXT NOT NULL,
            amount BIGINT NOT NULL,
            live BOOLEAN NOT NULL,
            known_at TIMESTAMP WITH TIME ZONE NOT NULL,
            recorded_at TIMESTAMP WITH TIME ZONE NOT NULL,
            data BYTEA NOT NULL,
            PRIMARY KEY (id)
        ) WITH (fillfactor = 90)
        """
    )
    op.execute(
        """
        CREATE INDEX held_document_other_party
        ON held_document (other_party, until) WHERE other_party is not null
        """
    )
    op.execute("CREATE INDEX held_document_party ON held_document (party, until)")
    op.execute(
        """
        CREATE TABLE inbox_line (
            id BIGINT GENERATED ALWAYS AS IDENTITY,
            recipient TEXT NOT NULL,
            told TEXT NOT NULL,
            pushed BOOLEAN NOT NULL,
            at TIMESTAMP WITH TIME ZONE NOT NULL,
            started_at TIMESTAMP WITH TIME ZONE NOT NULL,
            numbers JSON NOT NULL,
            warning UUID,
            revision INTEGER,
            code TEXT,
            scope TEXT,
            tier TEXT,
            party UUID,
            source TEXT,
            external_id TEXT,
            end_reason TEXT,
            PRIMARY KEY (id)
        )
        """
    )
    op.execute("CREATE INDEX inbox_line_recipient ON inbox_line (recipient, id)")
    op.execute(
        """
        CREATE UNIQUE INDEX inbox_line_summary
        ON inbox_line (started_at) WHERE told = 'summary'
        """
    )
    op.execute(
        """
        CREATE TABLE party_source (
            party UUID NOT NULL,
            "of" TEXT NOT NULL,
            source TEXT NOT NULL,
            PRIMARY KEY (party, "of", source)
        )
        """
    )
    op.execute(
        """
        CREATE TABLE seeded (
            warning UUID NOT NULL,
            code TEXT NOT NULL,
            tier TEXT NOT NULL,
            day DATE NOT NULL,
            PRIMARY KEY (warning)
        )
        """
    )
    op.execute("CREATE INDEX seeded_day ON seeded (day)")
    op.execute(
        """
        CREATE TABLE sent_log (
            warning UUID NOT NULL,
            recipient TEXT NOT NULL,
            state TEXT NOT NULL,
            tier TEXT NOT NULL,
            highest TEXT NOT NULL,
            pushed BOOLEAN NOT NULL,
            revision INTEGER NOT NULL,
            PRIMARY KEY (warning, recipient)
        )
        """
    )
    op.execute(
        """
        CREATE TABLE inbox_read (
            person TEXT NOT NULL,
            line BIGINT NOT NULL,
            PRIMARY KEY (person, line)
        )
        """
    )
