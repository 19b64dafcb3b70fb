"""What the customer service reads and shows: requests become registrations and changes, stored documents answers."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Annotated, Any, Self, cast
from uuid import UUID

import msgspec
from pydantic import BaseModel, Field, model_validator

from services.customer.domain import Registration
from shared.events import Customer, CustomerLink, Party
from shared.http.auth import MAX_SUBJECT_LENGTH
from shared.http.documents import CustomerRef, customer_ref
from shared.http.inputs import ExternalId, Id, Input, PartyIn, Source, Text, TextRule
from shared.http.problems import refuse
from shared.messaging.customers import Group, Known
from shared.messaging.document_store import Stored

Staff = Annotated[str, TextRule(MAX_SUBJECT_LENGTH)]
"""A staff member: the subject of his token, never his name."""


class ExternalIdIn(Input):
    """What a source system calls a customer."""

    source: Source
    external_id: ExternalId

    def party(self) -> Party:
        """The party so called."""
        return Party.external(self.source, self.external_id)


class CustomerIn(Input):
    """A customer to register or confirm. The first external id makes his id; the others mean the same customer.

    Who has no external id brings an `id` instead, a UUIDv7 made by the client: sent again, it is the same customer.
    """

    id: Id | None = None
    external_ids: Annotated[tuple[ExternalIdIn, ...], Field(max_length=20, strict=False)] = ()
    company_name: Text
    owner: Staff | None = None

    @model_validator(mode="after")
    def _one_name(self) -> Self:
        if (self.id is None) == (not self.external_ids):
            raise refuse("customer_name", "Name the customer by external_ids, or if he has none by an id, a UUIDv7.")
        if self.id is not None and self.id.version != 7:
            raise refuse("id_version", "An id made by a client is a UUIDv7.")
        return self

    def registration(self) -> Registration:
        """The customer as the use case takes him."""
        own = () if self.id is None else (Party(id=self.id),)
        return Registration((*own, *(one.party() for one in self.external_ids)), self.company_name, self.owner)


class CustomerChange(Input):
    """What may be changed; what is left out stays, null takes it away."""

    company_name: Text | None = None
    owner: Staff | None = None

    def changed(self, customer: Customer) -> Customer:
        """The customer with these changes."""
        fields: dict[str, Any] = {name: getattr(self, name) for name in self.model_fields_set}
        return msgspec.structs.replace(customer, **fields)


class LinkPartyIn(PartyIn):
    """A customer: by our `id`, or by `source` and `external_id`."""

    @model_validator(mode="after")
    def _source_named(self) -> Self:
        if self.external_id is not None and self.source is None:
            raise refuse("required", "Name the source of this external id.")
        return self

    def named(self) -> Party:
        """Who is meant."""
        return self.party(self.source or "")


class LinkIn(Input):
    """Two customers who are one; the survivor's name is the one shown."""

    survivor: LinkPartyIn
    absorbed: LinkPartyIn


class CustomerOut(BaseModel):
    """A customer with the revision he stands at, and everyone who is linked with him."""

    id: UUID
    revision: int
    source: str | None
    external_id: str | None
    company_name: str | None
    owner: str | None
    confirmed: bool
    registered_at: datetime
    root: UUID
    linked: list[CustomerRef]
    live: bool
    recorded_at: datetime


class LinkOut(BaseModel):
    """A link with the revision it stands at; not live = undone."""

    id: UUID
    revision: int
    survivor: CustomerRef
    absorbed: CustomerRef
    linked_at: datetime
    live: bool
    recorded_at: datetime


def registration(sent: CustomerIn, _: bool) -> Registration:
    """What the use case takes; a customer is no history to be declared."""
    return sent.registration()


def show_customer(stored: Stored, group: Group, known: Mapping[UUID, Known]) -> CustomerOut:
    """The customer as he stands."""
    customer = cast("Customer", stored.document)
    return CustomerOut(
        id=stored.id,
        revision=stored.revision,
        source=customer.party.source,
        external_id=customer.party.external_id,
        company_name=customer.company_name,
        owner=customer.owner,
        confirmed=customer.confirmed,
        registered_at=customer.registered_at,
        root=group.root,
        linked=_linked(group.members - {stored.id}, known),
        live=customer.live,
        recorded_at=stored.recorded_at,
    )


def show_link(stored: Stored, known: Mapping[UUID, Known]) -> LinkOut:
    """The link as it stands."""
    link = cast("CustomerLink", stored.document)
    return LinkOut(
        id=stored.id,
        revision=stored.revision,
        survivor=customer_ref(link.survivor, known),
        absorbed=customer_ref(link.absorbed, known),
        linked_at=link.linked_at,
        live=link.live,
        recorded_at=stored.recorded_at,
    )


def _linked(members: Iterable[UUID], known: Mapping[UUID, Known]) -> list[CustomerRef]:
    parties = sorted((known[member].party for member in members if member in known), key=lambda one: one.natural_key)
    return [customer_ref(party, known) for party in parties]
