"""What can be done with customers and links: one function per intention, in a unit of work that others commit.

Whoever registers or links is alone with the groups of all customers (`customers.lock_alone`), so that what was read
still holds when the decision is written; consumers only add customers, and share that lock.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import cast
from uuid import UUID

from services.customer import domain, errors
from services.customer.domain import Book, Decision, Registration
from services.customer.repository import documents, find_taken
from shared.database.unit_of_work import UnitOfWork
from shared.errors import ForewarnError
from shared.events import Customer, CustomerLink, Party
from shared.messaging import customers
from shared.messaging.document_store import Draft, Outcome, Stored
from shared.messaging.ingest import Result
from shared.messaging.projection import Change


async def register(registrations: Sequence[Registration], unit: UnitOfWork) -> list[Result]:
    """Register or confirm customers under all their names: new, confirmed, duplicate or refused, one result each."""
    await customers.lock_alone(unit.connection)
    book = await _book(
        [party for sent in registrations for party in sent.parties],
        [(sent.parties[0], further) for sent in registrations for further in sent.parties[1:]],
        unit,
    )
    own = [sent.parties[0].id for sent in registrations if sent.parties[0].external_id is None]
    taken = await find_taken(own, unit.connection) if own else set()
    decided = [_decide(sent, book, taken) for sent in registrations]
    good = [decisions for decisions in decided if not isinstance(decisions, ForewarnError)]
    outcomes = iter(await _write([decision for decisions in good for decision in decisions], unit))
    return [
        decisions if isinstance(decisions, ForewarnError) else _sum_up([next(outcomes) for _ in decisions])
        for decisions in decided
    ]


async def register_unconfirmed(named: Iterable[Customer], unit: UnitOfWork) -> None:
    """Register parties whom documents name; whoever was registered meanwhile stays as he is."""
    await customers.lock_shared(unit.connection)
    drafts = [_draft(customer, "registered", decided=False) for customer in named]
    await _remember(_written(await documents.accept(drafts, unit)), unit)


async def change_customer(
    id_: UUID,
    unit: UnitOfWork,
    check: Callable[[Stored], None],
    amend: Callable[[Customer], Customer],
    *,
    may_assign: bool,
) -> Stored:
    """Change a customer; `check` refuses a revision the caller has not seen."""

    def change(held: Stored) -> tuple[Customer, str]:
        check(held)
        customer = cast("Customer", held.document)
        return domain.change(customer, amend(customer), may_assign=may_assign)

    stored = await documents.change(Customer.kind, id_, unit, change)
    await _remember([stored], unit)
    return stored


async def add_external_id(id_: UUID, party: Party, unit: UnitOfWork) -> None:
    """Give a customer a further external id. Raises `customer_not_found`."""
    await customers.lock_alone(unit.connection)
    stored = await documents.get(Customer.kind, id_, unit.connection)
    customer = cast("Customer", stored.document).party
    book = await _book([customer, party], [(customer, party)], unit)
    await _write(domain.claim(customer, party, book), unit)


async def link(survivor: Party, absorbed: Party, unit: UnitOfWork) -> Outcome:
    """Link two customers. A party without external id must be known. Raises `unknown_customer`."""
    await customers.lock_alone(unit.connection)
    survivor, absorbed = await _resolve([survivor, absorbed], unit)
    book = await _book([survivor, absorbed], [(survivor, absorbed)], unit)
    return (await _write(domain.link(survivor, absorbed, book), unit))[0]


async def unlink(id_: UUID, unit: UnitOfWork) -> Stored:
    """Undo a link."""
    await customers.lock_alone(unit.connection)
    stored = await documents.change(
        CustomerLink.kind, id_, unit, lambda held: domain.unlink(cast("CustomerLink", held.document))
    )
    await _remember([stored], unit)
    return stored


def _decide(sent: Registration, book: Book, taken: Collection[UUID]) -> list[Decision] | ForewarnError:
    try:
        if sent.parties[0].id in taken:
            raise errors.id_taken()
        return domain.register(sent, book)
    except ForewarnError as error:
        return error


def _sum_up(outcomes: Sequence[Outcome]) -> Outcome:
    """What became of a registration: that of the customer; a new link alone amends it."""
    first = outcomes[0]
    unchanged = all(outcome.status == "duplicate" for outcome in outcomes)
    return Outcome("amended", first.stored) if first.status == "duplicate" and not unchanged else first


async def _resolve(parties: Sequence[Party], unit: UnitOfWork) -> list[Party]:
    """Parties with all their names: who is given by an id of ours may have an external one as well."""
    ids = [party.id for party in parties if party.external_id is None]
    found = await documents.some(Customer.kind, ids, unit.connection)
    if len(found) < len(set(ids)):
        raise errors.unknown_customer()
    return [cast("Customer", found[party.id].document).party if party.id in found else party for party in parties]


async def _book(parties: Sequence[Party], pairs: Sequence[tuple[Party, Party]], unit: UnitOfWork) -> Book:
    """What is held of the parties, locked; groups only if links are asked for."""
    keys = {(Customer.kind, party.natural_key) for party in parties}
    keys |= {(CustomerLink.kind, _link_key(survivor, absorbed, unit)) for survivor, absorbed in pairs}
    held = [stored.document for stored in (await documents.lock(keys, unit)).values()]
    grouped = await customers.groups_of({party.id for party in parties}, unit.connection) if pairs else {}
    return Book(
        customers={one.party.id: one for one in held if isinstance(one, Customer)},
        links={(one.survivor.id, one.absorbed.id): one for one in held if isinstance(one, CustomerLink)},
        groups={party: group.members for party, group in grouped.items()},
        now=unit.now,
    )


def _link_key(survivor: Party, absorbed: Party, unit: UnitOfWork) -> str:
    return CustomerLink(survivor=survivor, absorbed=absorbed, linked_at=unit.now).natural_key


async def _write(decisions: Sequence[Decision], unit: UnitOfWork) -> list[Outcome]:
    if not decisions:
        return []
    outcomes = await documents.accept([_draft(*decision, decided=True) for decision in decisions], unit)
    await _remember(_written(outcomes), unit)
    return outcomes


def _draft(document: Customer | CustomerLink, reason: str, *, decided: bool) -> Draft:
    party = document.parties()[0]
    id_ = party.id if isinstance(document, Customer) else None
    return Draft(document, reason, reason, party.source or "forewarn", id=id_, decided=decided)


def _written(outcomes: Sequence[Outcome]) -> list[Stored]:
    return [outcome.stored for outcome in outcomes if outcome.status in ("accepted", "amended")]


async def _remember(written: Sequence[Stored], unit: UnitOfWork) -> None:
    """Names, owners and groups as of these documents, in the same transaction."""
    last = {stored.id: stored for stored in written}
    changes = [Change(stored.id, stored.document, None, stored.recorded_at) for stored in last.values()]
    await customers.apply(changes, unit.connection, side="document")
