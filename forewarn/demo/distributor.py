"""The simulated distributor: all customers, numbered documents in order of time, stories and quiet customers.

A function of (seed, today): the same two give the same lines, byte for byte. Everything is past at `today`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from random import Random
from typing import Any, Final

from forewarn.demo.books import CURRENCY, Book, Credit, Entry, Frame, Invoice, Limit, Order, Payment
from forewarn.demo.churn_stories import CHURN_STORIES
from forewarn.demo.credit_stories import CREDIT_STORIES
from forewarn.demo.names import company_names
from forewarn.demo.ordinary import PAST_TROUBLE, SHARES, KindOfBuyer, ordinary
from forewarn.demo.quiet import QUIET
from forewarn.demo.story import Calm, Quiet, Story, Tale

CUSTOMERS: Final = 300

Line = dict[str, Any]
"""One document in the replay format; amounts are `Decimal`."""


@dataclass(frozen=True, slots=True)
class Customer:
    """Who a customer of the demo is."""

    external_id: str
    name_zh: str
    name_en: str
    kind: str
    """Kind of buyer, `story`, `quiet`, or what his trouble in the past was."""


@dataclass(frozen=True, slots=True)
class Distributor:
    """Two years of a distributor's trade."""

    seed: int
    today: date
    customers: tuple[Customer, ...]
    stories: tuple[Story, ...]
    quiet: tuple[Quiet, ...]
    books: dict[str, Book]
    """Per external id."""

    def lines(self) -> Iterator[Line]:
        """Every document, in order of time."""
        entries = [(entry.at, customer, entry) for customer, book in self.books.items() for entry in book.entries()]
        entries.sort(key=lambda found: (found[0], found[1], _ORDER[type(found[2])]))
        numbers = _numbers([entry for _, _, entry in entries])
        return (_line(customer, entry, numbers) for _, customer, entry in entries)


def simulate(seed: int, today: date) -> Distributor:
    """Make up the distributor as seen in the first minute of `today`."""
    frame, rng = Frame(today), Random(f"{seed}/{today}")
    cast = _cast(frame, rng)
    rng.shuffle(cast)
    names = company_names(rng, len(cast))
    ids = [f"C{number:04d}" for number in range(1, len(cast) + 1)]
    customers = tuple(
        Customer(*found) for found in zip(ids, *zip(*names, strict=True), [n for n, _ in cast], strict=True)
    )
    told = list(zip(ids, (role for _, role in cast), strict=True))
    stories = [
        Story(id_, tale.outcome, tale.title_en, tale.title_zh, tale.text)
        for id_, tale in told
        if isinstance(tale, Tale)
    ]
    quiet = [Quiet(id_, calm.title_en, calm.title_zh, calm.text) for id_, calm in told if isinstance(calm, Calm)]
    books = {id_: role if isinstance(role, Book) else role.book for id_, role in told}
    return Distributor(seed, today, customers, tuple(stories), tuple(quiet), books)


def _cast(frame: Frame, rng: Random) -> list[tuple[str, Book | Tale | Calm]]:
    """Everyone, with a generator of his own, so that a change to one customer leaves the others as they are."""

    def own() -> Random:
        return Random(rng.getrandbits(64))

    cast: list[tuple[str, Book | Tale | Calm]] = [
        ("story", tell(own(), frame)) for tell in (*CREDIT_STORIES, *CHURN_STORIES)
    ]
    cast += [("quiet", tell(own(), frame)) for tell in QUIET]
    cast += [(tell.__name__, tell(own(), frame)) for tell, count in PAST_TROUBLE for _ in range(count)]
    cast += [(kind.name, ordinary(own(), kind, frame)) for kind in _kinds(CUSTOMERS - len(cast))]
    return cast


def _kinds(count: int) -> list[KindOfBuyer]:
    kinds = [kind for kind, share in SHARES for _ in range(int(share * count))]
    return kinds + [SHARES[0][0]] * (count - len(kinds))


_ORDER: Final[dict[type, int]] = {Limit: 0, Order: 1, Credit: 2, Invoice: 3, Payment: 4}
_PREFIX: Final[dict[type, str]] = {Order: "SO", Credit: "RT", Invoice: "IN", Payment: "RC"}


def _numbers(entries: list[Entry]) -> dict[int, str]:
    """Numbers rise with time, per kind, as an ERP gives them."""
    counts = dict.fromkeys(_PREFIX, 0)
    numbers: dict[int, str] = {}
    for entry in entries:
        if not isinstance(entry, Limit):
            counts[type(entry)] += 1
            numbers[id(entry)] = f"{_PREFIX[type(entry)]}{counts[type(entry)]:06d}"
    return numbers


def _line(customer: str, entry: Entry, numbers: dict[int, str]) -> Line:
    common = {"ts": _text(entry.at), "customer": customer, "currency": CURRENCY}
    match entry:
        case Order():
            of = {
                "type": "order.placed",
                "order": numbers[id(entry)],
                "amount": _money(entry.amount),
                "lines": entry.lines,
            }
        case Credit():
            of = {"type": "order.credited", "order": numbers[id(entry)], "amount": _money(-entry.amount)}
        case Invoice():
            of = {
                "type": "invoice.posted",
                "invoice": numbers[id(entry)],
                "amount": _money(entry.amount),
                "due": entry.due.isoformat(),
                "order": numbers[id(entry.order)],
            }
        case Payment():
            of = {"type": "payment.received", "payment": numbers[id(entry)], "amount": _money(entry.amount)}
            of |= {"invoice": numbers[id(entry.invoice)]} if entry.invoice else {}
        case Limit():
            of = {"type": "credit_limit.set", "amount": _money(entry.amount)}
    return {"type": of.pop("type"), **common, **of}


def _money(cents: int) -> Decimal:
    return Decimal(cents).scaleb(-2)


def _text(at: datetime) -> str:
    return at.isoformat()
