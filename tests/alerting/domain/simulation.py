"""Random scripts of documents, links, horizons and commands: one story per seed, told in two orders of arrival."""

import random
from collections.abc import Callable
from datetime import date, timedelta
from zoneinfo import ZoneInfo

from msgspec.structs import replace

from services.alerting.domain import RuleVersion
from shared.events import CreditLimit, Document, Invoice, Order, Payment
from tests.alerting.domain.world import KINDS, World
from tests.support import builders as build

LENGTH = 120
"""Days a script lasts."""

Step = tuple[float, Callable[[World], None]]


def script(seed: int, shuffled: bool) -> tuple[World, list[Step]]:
    """A world and its steps by time of arrival. Both orders of a seed tell the same story."""
    story, way = random.Random(seed), random.Random(seed * 2 + shuffled + 1)
    parties = [build.party(f"C{number}") for number in range(story.choice([1, 2, 3]))]
    zone = ZoneInfo(story.choice(["Asia/Shanghai", "Europe/Berlin", "America/New_York", "UTC"]))
    world = World(parties, zone, sparing=seed % 2 == 0)
    steps: list[Step] = []
    for revisions in _documents(story, len(parties)):
        at = story_time = min(max(0.0, (revisions[0].at - build.START) / timedelta(days=1)), LENGTH)
        early = way.random() < 0.1
        for revision, document in enumerate(revisions):
            arrival = at + revision * story.uniform(1, 12)
            if shuffled:
                arrival = (
                    story_time - 5 if early else arrival + way.choice([0, 0, way.uniform(0, 8), way.uniform(0, 60)])
                )
            steps.append((arrival, _arrives(revision, document)))
            if way.random() < 0.05:
                steps.append((arrival + 1, _arrives(revision, document)))
    steps += _links(story, way, len(parties))
    steps += _versions(story)
    steps += _horizons(way, len(parties), shuffled)
    steps += [(way.uniform(0, LENGTH), _commands(way.random())) for _ in range(8)]
    return world, sorted(steps, key=lambda step: step[0])


def run(seed: int, shuffled: bool) -> World:
    """Drive a script to its end, with the final horizon everywhere; raises `Broken`."""
    world, steps = script(seed, shuffled)
    for at, step in steps:
        world.pass_time(max(world.now, build.day(at)))
        step(world)
    world.pass_time(build.day(LENGTH + 80))
    for kind in KINDS:
        world.beat(kind, build.day(LENGTH + 70).date())
    world.touch({party.id for party in world.parties}, None)
    return world


def _arrives(revision: int, document: Document) -> Callable[[World], None]:
    return lambda world: world.document(revision, document)


def _commands(seed: float) -> Callable[[World], None]:
    return lambda world: world.command(random.Random(seed))


def _links(story: random.Random, way: random.Random, parties: int) -> list[Step]:
    """Links come and go at any time; how they end is the story's."""
    steps: list[Step] = []
    for low in range(parties):
        for high in range(low + 1, parties):
            toggles = story.randint(0, 3)
            steps += [(way.uniform(0, LENGTH), _links_up(low, high, n % 2 == 0)) for n in range(toggles)]
            if toggles:
                steps.append((LENGTH + 61.0, _links_up(low, high, story.random() < 0.5)))
    return steps


def _links_up(low: int, high: int, present: bool) -> Callable[[World], None]:
    return lambda world: world.link(low, high, present)


def _versions(story: random.Random) -> list[Step]:
    steps: list[Step] = []
    for code, name, least, most in (("churn", "floor_days", 4, 14), ("credit_limit", "overdue_warning_days", 0, 6)):
        if story.random() < 0.5:
            valid, saved = story.uniform(10, LENGTH), story.uniform(5, LENGTH)
            steps.append((saved, _saves(RuleVersion(code, 2, build.day(valid), {name: story.randint(least, most)}))))
    return steps


def _saves(version: RuleVersion) -> Callable[[World], None]:
    return lambda world: world.version(version)


def _horizons(way: random.Random, parties: int, shuffled: bool) -> list[Step]:
    steps: list[Step] = []
    apart = way.random() < 0.5
    for kind in KINDS:
        for only in range(parties) if apart else [None]:
            stuck = way.uniform(0, LENGTH) if way.random() < 0.5 else -LENGTH
            for at in range(way.randint(0, 3), LENGTH, way.choice([1, 3, 7])):
                if not stuck <= at <= stuck + 30:
                    back = way.choice([1, 1, 2, 20]) if shuffled else 1
                    steps.append((at + 0.3, _beats(kind, build.day(at - back).date(), only)))
    return steps


def _beats(kind: str, day: date, only: int | None) -> Callable[[World], None]:
    return lambda world: world.beat(kind, day, only)


def _documents(story: random.Random, parties: int) -> list[list[Document]]:
    mixed = story.randint(8, 24)
    found = [_revised(story, parties, _any(story, parties, number)) for number in range(mixed)]
    for customer in range(parties):
        at = 0.0
        for number in range(story.randint(0, 9)):
            at += story.choice([1, 3, 4, 5, 14, 25])
            order = build.order(f"R{customer}-{number}", f"C{customer}", _moment(story, at), 100)
            found.append(_revised(story, parties, order))
    return found


def _moment(story: random.Random, at: float) -> float:
    """Half the documents are date-only: midnight UTC, which in some zones is midnight."""
    at = min(at, LENGTH)
    return int(at) - 9 / 24 if story.random() < 0.5 else at


def _any(story: random.Random, parties: int, number: int) -> Document:
    customer, at = f"C{story.randrange(parties)}", _moment(story, story.uniform(0, LENGTH))
    currency = story.choice(["CNY", "CNY", "CNY", "EUR"])
    amount = story.choice([100, 200, 300, 500, 900])
    kind = story.choice(["invoice", "invoice", "payment", "payment", "limit", "order"])
    if kind == "invoice":
        orders = story.choice(
            [(), (f"N{story.randrange(24)}",), (f"N{story.randrange(24)}", f"N{story.randrange(24)}")]
        )
        due = build.day(at + story.choice([-8, 0, 3, 10])).date()
        return build.invoice(f"N{number}", customer, at, amount, currency=currency, due=due, orders=orders)
    if kind == "payment":
        names = story.choice([None, f"N{story.randrange(24)}"])
        return build.payment(f"N{number}", customer, at, amount, currency=currency, invoice=names)
    if kind == "limit":
        until = None if story.random() < 0.7 else build.day(at + story.uniform(-1, 30))
        word = story.choice(["amount", "amount", "amount", "none", "unlimited"])
        return build.limit(f"N{number}", customer, at, amount, currency=currency, limit=word, valid_to=until)
    return build.order(f"N{number}", customer, at, amount, currency=currency)


def _revised(story: random.Random, parties: int, document: Document) -> list[Document]:
    """The document and what becomes of it: corrections of time, amount, party and due; undoings; retraction."""
    found = [document]
    while story.random() < 0.35:
        found.append(_revision(story, parties, found[-1]))
    return found


def _revision(story: random.Random, parties: int, document: Document) -> Document:
    kind = story.choice(["time", "amount", "party", "undo", "undo", "live"])
    later = document.at + timedelta(days=story.uniform(0, 25))
    if kind == "live":
        return replace(document, live=not document.live)
    if kind == "party":
        return replace(document, party=build.party(f"C{story.randrange(parties)}"))
    if kind == "amount":
        return replace(document, amount=story.choice([100, 250, 400, 900]))
    match document:
        case Order():
            return replace(document, **({"state": "cancelled"} if kind == "undo" else {"placed_at": later}))
        case Invoice():
            moved = {"issued_at": later, "due": later.date()} if kind == "time" else {"cancelled_at": later}
            return replace(document, **moved)
        case Payment():
            return replace(document, **({"received_at": later} if kind == "time" else {"reversed_at": later}))
        case CreditLimit():
            return replace(document, **({"valid_from": later} if kind == "time" else {"valid_to": later}))
    return document
