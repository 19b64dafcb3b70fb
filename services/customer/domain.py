"""Registering, changing and linking customers: pure decisions, each the new snapshots with their reasons.

A batch is decided row by row against a book of what is held, which the decisions themselves keep up to date.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias
from uuid import UUID

import msgspec

from services.customer import errors
from shared.events import Customer, CustomerLink, Party

Decision: TypeAlias = tuple[Customer | CustomerLink, str]
"""A snapshot, and the reason for it; the one held, if nothing is to change."""


@dataclass(frozen=True, slots=True)
class Registration:
    """A customer somebody registers: by the names outside systems have for him, or by an id made by the client."""

    parties: tuple[Party, ...]
    """The first one's id is the customer's for ever; the others mean the same customer."""
    company_name: str
    owner: str | None


@dataclass(slots=True)
class Book:
    """What is held of the parties that are decided about."""

    customers: dict[UUID, Customer]
    links: dict[tuple[UUID, UUID], CustomerLink]
    """By survivor and absorbed; also those undone."""
    groups: dict[UUID, frozenset[UUID]]
    """Everyone linked with a party, himself included; a party that is not here is alone."""
    now: datetime

    def group(self, party: UUID) -> frozenset[UUID]:
        """The party and everyone linked with him."""
        return self.groups.get(party, frozenset({party}))

    def note(self, decisions: Iterable[Decision]) -> None:
        """Hold what was decided."""
        for document, _ in decisions:
            if isinstance(document, Customer):
                self.customers[document.party.id] = document
                continue
            survivor, absorbed = document.survivor.id, document.absorbed.id
            self.links[survivor, absorbed] = document
            members = self.group(survivor) | self.group(absorbed)
            self.groups |= dict.fromkeys(members, members)


def register(sent: Registration, book: Book) -> list[Decision]:
    """Register or confirm a customer; his own decision comes first.

    Raises `customer_exists`, and for a further external id `external_id_taken` or `link_undone`.
    """
    first, *further = sent.parties
    decisions = [_confirmed(sent, book)]
    for party in further:
        decisions += _claimed(first, party, book)
    book.note(decisions)
    return decisions


def claim(customer: Party, party: Party, book: Book) -> list[Decision]:
    """Give a customer a further external id that is nobody else's. Raises `external_id_taken`, `link_to_itself`."""
    _refuse_itself(customer, party)
    if party.id in book.group(customer.id):
        return []
    _refuse_taken(party, book)
    return link(customer, party, book)


def link(survivor: Party, absorbed: Party, book: Book) -> list[Decision]:
    """Say that two parties are one customer, whose name the survivor bears; also if that was undone before.

    The link's decision comes first. Raises `link_to_itself`.
    """
    _refuse_itself(survivor, absorbed)
    decisions = [_linked(survivor, absorbed, book), *_known(survivor, book), *_known(absorbed, book)]
    book.note(decisions)
    return decisions


def unlink(held: CustomerLink) -> tuple[CustomerLink, str]:
    """The two are not one customer after all. Repeating it changes nothing."""
    return msgspec.structs.replace(held, live=False), "unmerged"


def change(held: Customer, wanted: Customer, *, may_assign: bool) -> tuple[Customer, str]:
    """Change what is known of a customer. Raises `role_required` if that is another owner and may not be."""
    if wanted.owner == held.owner:
        return wanted, "updated"
    if not may_assign:
        raise errors.owner_protected()
    return wanted, "owner_changed"


def unconfirmed(party: Party, at: datetime) -> Customer:
    """A customer who is only known because somebody named him."""
    return Customer(party=party, registered_at=at)


def _confirmed(sent: Registration, book: Book) -> Decision:
    party = sent.parties[0]
    found = book.customers.get(party.id)
    held = found or Customer(party=party, registered_at=book.now)
    wanted = msgspec.structs.replace(
        held, company_name=sent.company_name, owner=sent.owner or held.owner, confirmed=True
    )
    # Whoever has an owner keeps him until a manager says otherwise, also while he is unconfirmed.
    if (held.confirmed and wanted != held) or held.owner not in (None, wanted.owner):
        raise errors.customer_exists(party.id)
    return wanted, "confirmed" if found else "registered"


def _claimed(customer: Party, party: Party, book: Book) -> Sequence[Decision]:
    if party.id in book.group(customer.id):
        return ()
    if (customer.id, party.id) in book.links:
        raise errors.link_undone()
    _refuse_taken(party, book)
    return _linked(customer, party, book), *_known(party, book)


def _linked(survivor: Party, absorbed: Party, book: Book) -> Decision:
    held = book.links.get((survivor.id, absorbed.id))
    if held is not None and held.live:
        return held, "merged"
    return CustomerLink(survivor=survivor, absorbed=absorbed, linked_at=book.now), "merged"


def _known(party: Party, book: Book) -> tuple[Decision, ...]:
    """Everyone whom a link names has a row of his own; he stays unconfirmed, for when the link is undone."""
    return () if party.id in book.customers else ((unconfirmed(party, book.now), "registered"),)


def _refuse_itself(one: Party, other: Party) -> None:
    if one.id == other.id:
        raise errors.link_to_itself()


def _refuse_taken(party: Party, book: Book) -> None:
    held = book.customers.get(party.id)
    if (held is not None and held.confirmed) or len(book.group(party.id)) > 1:
        raise errors.external_id_taken()
