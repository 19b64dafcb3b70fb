"""Documents of the customer service: customers and the links that say two names mean one and the same customer."""

from datetime import datetime
from typing import ClassVar

import msgspec

from shared.events.document import Document, Instant, Party


class Customer(Document, frozen=True, kw_only=True, omit_defaults=True):
    """A customer as the firm knows him. Company names only: a natural person's name never leaves the service."""

    kind: ClassVar[str] = "customer"
    reasons: ClassVar[frozenset[str]] = frozenset({"registered", "confirmed", "updated", "owner_changed"})

    party: Party
    company_name: str | None = None
    owner: str | None = None
    """Staff member in charge: the subject of his token."""
    confirmed: bool = False
    """False = known only from a document that named him; typing errors show up here."""
    registered_at: Instant

    @property
    def natural_key(self) -> str:
        return self.party.natural_key

    @property
    def at(self) -> datetime:
        return self.registered_at

    def canonical(self) -> bytes:
        facts = (self.natural_key, self.company_name, self.owner, self.confirmed, self.live)
        return msgspec.json.encode(facts)

    def parties(self) -> tuple[Party, ...]:
        return (self.party,)


class CustomerLink(Document, frozen=True, kw_only=True, omit_defaults=True):
    """`absorbed` and `survivor` are the same customer while the link is live. Sums stay where the documents are."""

    kind: ClassVar[str] = "customer_link"
    reasons: ClassVar[frozenset[str]] = frozenset({"merged", "unmerged"})

    survivor: Party
    """Whose name the group bears."""
    absorbed: Party
    linked_at: Instant

    @property
    def natural_key(self) -> str:
        # No name of a source begins with the sign, so doubled inside a name it is not taken for the one between two.
        survivor, absorbed = (party.natural_key.replace("<", "<<") for party in (self.survivor, self.absorbed))
        return f"{survivor}<{absorbed}"

    @property
    def at(self) -> datetime:
        return self.linked_at

    def canonical(self) -> bytes:
        return msgspec.json.encode((self.natural_key, self.live))

    def parties(self) -> tuple[Party, ...]:
        return (self.survivor, self.absorbed)
