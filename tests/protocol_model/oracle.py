"""The verdict on a run: has everything drained, and does the consumer hold what the producers' documents say?"""

from collections import Counter
from collections.abc import Iterable

from tests.protocol_model.bus import Place
from tests.protocol_model.snapshots import CUSTOMERS, PARTITIONS, RULES, SOURCES, Rule, Snapshot, beat_id
from tests.protocol_model.store import NEVER, EpisodeKey, Facts, contribution
from tests.protocol_model.world import World


def drained(world: World) -> bool:
    """Nothing is on its way any more."""
    return drained_but(world, None) and world.bus.leaderless is None


def drained_but(world: World, place: Place | None) -> bool:
    """Nothing is on its way any more but what waits for the leader of this partition."""
    return (
        not any(service.requests for service in world.services.values())
        and all(
            (service.topic, row.part) == place
            for service in world.services.values()
            for row in service.outbox.rows.values()
        )
        and world.bus.quiet
        and all(world.store.cursors.rows.get(each, 0) >= world.bus.end(each) for each in world.bus.logs)
        and all(service.settled for service in world.services.values())
        and not world.lost
        and not any(mark.closed for mark in world.store.marks.rows.values())
        and not world.zombies
        and all(letter.resolved for letter in world.store.letters.rows.values())
    )


def look_at_the_end(world: World, finished: bool) -> None:
    """Everything that must be equal at a quiet point; without a quiet point, why there is none."""
    world.truth.judge_openings()
    if not finished:
        world.truth.red(*_why_no_end(world))
        return
    _documents(world)
    groups = _groups(world)
    _facts(world, groups)
    _episodes(world, groups)


def look_at_a_commit(world: World, applied: list[Snapshot]) -> None:
    """What a consumer has just committed: nothing counts twice, nothing has gone that nobody gave up."""
    held = [*world.store.documents.rows.values(), *world.store.links.rows.values()]
    for snapshot in applied:
        world.owed.pop(snapshot.id, None)
        if snapshot.kind == "beat":
            continue
        others = [other for other in held if other.natural == snapshot.natural and other.id != snapshot.id]
        if snapshot.live and any(other.live for other in others):
            world.truth.red("counts twice", f"{snapshot.id} of epoch {snapshot.epoch}")
        if snapshot.revision == 0 and not any(other.epoch >= snapshot.epoch for other in others):
            _given_up(world, snapshot)


def _given_up(world: World, snapshot: Snapshot) -> None:
    """What a consumer retracts by itself must be gone at its producer, and a person must have said so."""
    if not any(said == snapshot.producer and epoch >= snapshot.epoch for said, epoch in world.truth.confirmed):
        world.truth.red("disappeared", f"{snapshot.id}: nobody has confirmed epoch {snapshot.epoch}")
    own = world.services[snapshot.producer].documents.rows.get(snapshot.natural)
    if own is not None and own.id == snapshot.id and own.live:
        world.truth.red("disappeared", f"{snapshot.id}: its producer still has it")


def look_at_a_verdict(world: World, episode: EpisodeKey, members: tuple[str, ...]) -> None:
    """While something is missing that was held before a rebuild, nobody whom it concerns may be judged."""
    if any(mark.closed for mark in world.store.marks.rows.values()):
        world.truth.red("judged while closed", str(episode))
    for name, snapshot in world.owed.items():
        if set(snapshot.parties) & set(members):
            world.truth.red("judged on half", f"{episode} without {name}")


def sizes(world: World) -> Counter[str]:
    return Counter(
        records=sum(world.bus.end(place) for place in world.bus.logs),
        episodes=len(world.truth.openings),
        withdrawn=world.truth.withdrawals,
    )


def _why_no_end(world: World) -> tuple[str, str]:
    rows = sum(len(service.outbox.rows) for service in world.services.values())
    behind = [place for place in world.bus.logs if world.store.cursors.rows.get(place, 0) < world.bus.end(place)]
    if rows and world.bus.leaderless is not None:
        return "starved", f"{rows} rows unsent, {world.bus.leaderless} without leader"
    unsettled = [service.topic for service in world.services.values() if not service.settled]
    if any(mark.closed for mark in world.store.marks.rows.values()):
        unsettled.append("gate")
    if unsettled:
        return "unsettled", f"{unsettled}: something was not sent again or not confirmed"
    if rows:
        return "stuck", f"{rows} rows unsent"
    return ("blocked", f"cursors of {behind}") if behind else ("no end", f"waiting for {sorted(world.unfinished)}")


def _true_documents(world: World) -> list[Snapshot]:
    every = [snapshot for service in world.services.values() for snapshot in service.documents.rows.values()]
    return [snapshot for snapshot in every if snapshot.kind != "marker"]


def _documents(world: World) -> None:
    """Equal revisions everywhere; a retracted document may as well be absent. Nothing else is live."""
    known = {snapshot.id for snapshot in _true_documents(world)}
    for held in [
        *world.store.documents.rows.values(),
        *world.store.links.rows.values(),
        *world.store.beats.rows.values(),
    ]:
        if held.live and held.id not in known:
            world.truth.red("documents", f"{held.id}: held, and nobody has it")
    for true in _true_documents(world):
        names = [f"{true.id}@{part}" for part in range(PARTITIONS)] if true.kind == "beat" else [true.id]
        if true.kind == "beat" and not world.safeguards.beat_in_every_partition:
            names = [true.id]
        for name in names:
            found = world.store.held(name)
            if found != true and not (found is None and not true.live):
                world.truth.red("documents", f"{name}: held {found}, true {true}")


def _groups(world: World) -> dict[str, tuple[str, ...]]:
    """Connected components by brute force: everybody takes the lowest label of his links until nothing changes."""
    links = [link for link in _true_documents(world) if link.kind == "link" and link.live]
    label = {customer: customer for customer in CUSTOMERS}
    for _ in CUSTOMERS:
        for link in links:
            lowest = min(label[link.sold], label[link.bill])
            label[link.sold] = label[link.bill] = lowest
    return {name: tuple(other for other in CUSTOMERS if label[other] == label[name]) for name in CUSTOMERS}


def _facts(world: World, groups: dict[str, tuple[str, ...]]) -> None:
    """Sums and extrema per group."""
    documents = [document for document in _true_documents(world) if document.live]
    for members in sorted(set(groups.values())):
        held, true = Facts(), Facts()
        for member in members:
            held = held.plus(world.store.facts.rows.get(member, Facts()))
            for document in documents:
                if member in document.parties and document.kind not in ("link", "beat"):
                    true = true.plus(contribution(document, member))
        if held != true:
            world.truth.red("sums", f"{'+'.join(members)}: held {held}, true {true}")
    for name in CUSTOMERS:
        orders = [d.at for d in documents if d.kind == "order" and name in d.parties]
        invoices = [d.at for d in documents if d.kind == "invoice" and name in d.parties]
        facts = world.store.facts.rows.get(name, Facts())
        if (facts.last_order, facts.oldest_invoice) != (max(orders, default=-1), min(invoices, default=-1)):
            world.truth.red("extrema", f"{name}: held {facts}, true {sorted(orders)} {sorted(invoices)}")


def _episodes(world: World, groups: dict[str, tuple[str, ...]]) -> None:
    """Computed from nothing but the producers' documents and beats."""
    documents = {document.id: document for document in _true_documents(world)}
    true: set[EpisodeKey] = set()
    for members in sorted(set(groups.values())):
        absorbed = [link.sold for link in documents.values() if link.kind == "link" and link.live]
        root = next((member for member in members if member not in absorbed), members[0])
        for rule in RULES:
            true |= {(rule.name, root, day) for day in _days(documents, members, rule)}
    held = {key for key, is_open in world.store.episodes.rows.items() if is_open}
    if held != true:
        world.truth.red("episodes", f"missing {sorted(true - held)}, too many {sorted(held - true)}")


def _days(documents: dict[str, Snapshot], members: tuple[str, ...], rule: Rule) -> Iterable[int]:
    concerned = [d for d in documents.values() if d.live and set(d.parties) & set(members)]
    beats = [beat_id(source, kind) for kind in (rule.opens, rule.closes) for source in SOURCES[kind]]
    through = min(documents[beat].at if beat in documents else NEVER for beat in beats)
    for opening in concerned:
        due = opening.at + rule.patience
        if opening.kind == rule.opens and due <= through:
            closing = [d for d in concerned if d.kind == rule.closes and opening.at < d.at <= due]
            if not closing:
                yield opening.at
