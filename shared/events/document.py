"""What all documents of the published language have in common: parties, liveness, and the event that carries one.

An event is a full snapshot of one document. Kind, id, epoch, revision and the time it was recorded are attributes of
the event; the snapshot itself holds business facts only, so equal snapshots mean an unchanged document.
"""

from datetime import datetime
from functools import cache
from typing import Annotated, ClassVar
from uuid import UUID

import msgspec
from msgspec import Meta, Struct

from shared.ids import canonical_external_id, party_id

Instant = Annotated[datetime, Meta(tz=True)]
"""A point in time with an explicit zone; written in UTC."""

Minor = Annotated[int, Meta(description="Minor units of `currency`: 125000 is 1250.00 CNY.")]
"""An amount as it stands on the bus. Decimal strings are for people: HTTP and the evidence of warnings."""

Currency = Annotated[str, Meta(description="ISO 4217 code.")]

Source = Annotated[str, Meta(description="Name of the system that sent the document.")]

Number = Annotated[str, Meta(description="What the source calls the document; unique for ever within source and kind.")]


class Party(Struct, frozen=True, order=True, omit_defaults=True):
    """A customer as a document names him: by our id, and by (source system, external id) where it came that way."""

    id: UUID
    """UUIDv5 of source and external id where there is one, so that anybody can compute it; else assigned by us."""
    source: str | None = None
    external_id: str | None = None

    @classmethod
    def external(cls, source: str, external_id: str) -> "Party":
        """The party that `source` calls `external_id`."""
        name = canonical_external_id(external_id)
        return cls(id=party_id(source, name), source=source, external_id=name)

    @property
    def natural_key(self) -> str:
        """Name of the party that does not depend on who assigned ids: `source/external_id`, else our id."""
        return str(self.id) if self.external_id is None else f"{self.source}/{self.external_id}"


class Document(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Base of every snapshot. Fields are only ever added, with a default; unknown fields are ignored by readers."""

    kind: ClassVar[str]
    reasons: ClassVar[frozenset[str]]

    live: bool = True
    """False is a retraction: the document was a mistake and counts as if it had never been."""

    @property
    def natural_key(self) -> str:
        """Identity in the words of the source: unique within the kind, independent of our ids."""
        raise NotImplementedError

    @property
    def at(self) -> datetime:
        """Business time: when the fact took place."""
        raise NotImplementedError

    @property
    def until(self) -> datetime:
        """The latest business time this snapshot speaks of: its own, or that of its undoing or end."""
        return self.at

    def parties(self) -> tuple[Party, ...]:
        """Every customer this snapshot names; empty if it concerns all."""
        raise NotImplementedError

    def sums(self) -> tuple[str, int]:
        """(currency, minor units) that count and reconciliation add up; ("", 0) for documents without money."""
        return "", 0

    def canonical(self) -> bytes:
        """The facts of this snapshot alone: nothing that depends on when or in which order it was recorded."""
        return encode(self)


class Event(Struct, frozen=True, kw_only=True):
    """One revision of one document on its way: the attributes, and the snapshot as it stands on the bus."""

    kind: str
    reason: str
    id: UUID
    epoch: int
    revision: int
    recorded_at: datetime
    producer: str
    party: UUID | None
    """Addressee of this copy, also its key; None for a document that concerns a whole partition."""
    data: bytes
    """The snapshot, JSON."""
    partition: int = -1
    """Where this copy came through, once it has come through the log."""

    @property
    def version(self) -> tuple[int, int]:
        """Order of the revisions of one document: the higher wins, whenever it arrives."""
        return self.epoch, self.revision


def encode(document: Document) -> bytes:
    """JSON of a snapshot: fields in declared order, defaults left out, so equal snapshots are equal bytes."""
    spelt_out = {
        name: default
        for name, default in _defaults(type(document))
        if (value := getattr(document, name)) is not default and value == default
    }
    return msgspec.json.encode(msgspec.structs.replace(document, **spelt_out) if spelt_out else document)


@cache
def _defaults(model: type[Document]) -> tuple[tuple[str, object], ...]:
    """Fields whose default msgspec leaves out only if it meets the very same object: texts and structures."""
    return tuple(
        (field.name, field.default)
        for field in msgspec.structs.fields(model)
        if isinstance(field.default, str | Struct)
    )
