"""The tables of the protocol, as producer of limits, invoices and payments and consumer of orders and customers."""

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
        CREATE TABLE document (
            id UUID NOT NULL,
            kind TEXT NOT NULL,
            key TEXT NOT NULL,
            source TEXT NOT NULL,
            epoch INTEGER NOT NULL,
            revision INTEGER NOT NULL,
            source_revision BIGINT,
            reason TEXT NOT NULL,
            party UUID,
            other_party UUID,
            at TIMESTAMP WITH TIME ZONE NOT NULL,
            currency TEXT NOT NULL,
            amount BIGINT NOT NULL,
            live BOOLEAN NOT NULL,
            recorded_at TIMESTAMP WITH TIME ZONE NOT NULL,
            data BYTEA NOT NULL,
            PRIMARY KEY (id),
            UNIQUE (kind, key)
        )
        """
    )
    op.execute("CREATE INDEX document_kind_id ON document (kind, id)")
    op.execute("CREATE INDEX document_other_party ON document (other_party, kind) WHERE other_party is not null")
    op.execute("CREATE INDEX document_party ON document (party, kind, at)")
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
        CREATE TABLE outbox (
            id BIGINT GENERATED ALWAYS AS IDENTITY,
            part SMALLINT NOT NULL,
            key UUID,
            headers BYTEA NOT NULL,
            payload BYTEA NOT NULL
        ) WITH (
            autovacuum_vacuum_scale_factor = 0,
            autovacuum_vacuum_threshold = 20000,
            autovacuum_vacuum_cost_delay = 0
        )
        """
    )
    op.execute("CREATE UNIQUE INDEX outbox_pkey ON outbox (part, id)")
    op.execute("ALTER TABLE outbox ALTER COLUMN payload SET STORAGE EXTERNAL")
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
