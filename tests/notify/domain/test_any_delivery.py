"""Whatever part of a story arrives, in whatever order and however often: in the end everyone believes what is so."""

from collections.abc import Collection, Iterable
from typing import Any, Final
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from services.notify.domain import Line, Log, Snapshot, concerned, destination, is_seeded, tell
from shared.events import Warning as WarningDocument
from tests.support.builders import day
from tests.support.warnings import warning

IDS: Final = [UUID(int=number) for number in (1, 2, 3)]
OWNERS: Final = st.sampled_from(["chen", "li", None])

_STRENGTH: Final = ("taken_back", "over", "firing")
_BELIEF: Final = {
    "firing": "firing",
    "raised": "firing",
    "lowered": "firing",
    "reopened": "firing",
    "resolved": "over",
    "passed": "over",
    "taken_back": "taken_back",
}
_BEFORE: Final[dict[str, tuple[str | None, ...]]] = {
    "firing": (None,),
    "passed": (None,),
    "raised": ("firing",),
    "lowered": ("firing",),
    "resolved": ("firing",),
    "reopened": ("over", "taken_back"),
    "taken_back": ("firing", "over"),
}
"""What somebody has to believe for a line to make sense to him."""

SNAPSHOTS: Final = st.builds(
    warning,
    code=st.sampled_from(["credit_limit", "churn"]),
    tier=st.sampled_from(["warning", "critical"]),
    condition=st.sampled_from(["firing", "firing", "resolved"]),
    suppression=st.sampled_from([(), (), ("history",), ("seeded",), ("history", "seeded"), ("unjudged",)]),
)
STORIES: Final = st.lists(SNAPSHOTS, min_size=1, max_size=5)
ENDS: Final = st.sampled_from(["stands", "stands", "wrong", "regrouped", "joined"])
STEPS: Final = st.lists(
    st.one_of(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 5)), max_size=3), OWNERS), max_size=25
)
"""A batch of (warning, revision), or another owner."""


class World:
    """What tables would hold, and what each recipient believes from the lines he got."""

    def __init__(self, stories: list[list[WarningDocument]]) -> None:
        self.stories = stories
        self.held: dict[UUID, Snapshot] = {}
        self.log: Log = {}
        self.owner: str | None = None
        self.beliefs: dict[tuple[UUID, str], str] = {}

    def take(self, deliveries: Iterable[tuple[int, int]]) -> list[Line]:
        """A batch as the consumer applies it: the highest revision of each, and only if it is higher than held."""
        changed = set()
        for index, number in deliveries:
            story = self.stories[index % len(self.stories)]
            revision = min(number, len(story) - 1)
            id_ = IDS[index % len(self.stories)]
            if id_ not in self.held or self.held[id_].revision < revision:
                self.held[id_] = Snapshot(id_, revision, day(revision), story[revision])
                changed.add(id_)
        return self.tell(changed)

    def hand_over(self, owner: str | None) -> list[Line]:
        self.owner = owner
        return self.tell({id_ for (id_, _), said in self.log.items() if said.state == "firing"})

    def tell(self, affected: Collection[UUID]) -> list[Line]:
        asked = {id_: self.held[id_] for id_ in affected if id_ in self.held}
        while more := {destination(id_, asked) for id_ in asked} & self.held.keys() - asked.keys():
            asked |= {id_: self.held[id_] for id_ in more}
        business = {id_: concerned(one.warning, self.owner) for id_, one in asked.items()}
        log = {key: said for key, said in self.log.items() if key[0] in asked}
        lines, after = tell(asked, log, business)
        self.log = {key: said for key, said in self.log.items() if key not in log} | after
        self._move_beliefs(asked)
        for line in lines:
            self._believe(line)
        return lines

    def _move_beliefs(self, asked: dict[UUID, Snapshot]) -> None:
        for (id_, recipient), belief in list(self.beliefs.items()):
            into = destination(id_, asked)
            if into != id_:
                del self.beliefs[id_, recipient]
                others = (belief, self.beliefs.get((into, recipient), belief))
                self.beliefs[into, recipient] = max(others, key=_STRENGTH.index)

    def _believe(self, line: Line) -> None:
        key = (line.snapshot.id, line.recipient)
        assert self.beliefs.get(key) in _BEFORE[line.told], f"{line.told} to who believed {self.beliefs.get(key)}"
        self.beliefs[key] = _BELIEF[line.told]

    def check(self) -> None:
        """Everyone who was told anything believes what is so, and whoever is concerned was told."""
        for id_, one in self.held.items():
            believed = {recipient: belief for (about, recipient), belief in self.beliefs.items() if about == id_}
            document = one.warning
            if "unjudged" in document.suppression:
                continue
            if document.condition == "retracted":
                assert set(believed.values()) <= {"taken_back"}
            elif document.condition == "resolved":
                assert "firing" not in believed.values()
            else:
                assert set(believed.values()) <= {"firing"}
                assert is_seeded(document) or believed.keys() >= concerned(document, self.owner)


class TestTell:
    @given(st.lists(st.tuples(STORIES, ENDS), min_size=1, max_size=3), STEPS, st.permutations(range(3)))
    def test_in_the_end_who_was_told_firing_is_who_should_be(
        self, stories: list[tuple[list[WarningDocument], str]], steps: list[Any], last: list[int]
    ) -> None:
        """INVARIANT: told firing <=> firing, for everyone on the log; nobody hears the end of what he never heard of;
        what comes twice says nothing."""
        world = World([[*story, *_end(end, index, len(stories))] for index, (story, end) in enumerate(stories)])
        for step in steps:
            if isinstance(step, list):
                world.take(step)
                assert world.take(step) == []
            else:
                world.hand_over(step)
        for index in last:
            world.take([(index, 99)])
        world.check()
        assert world.tell(world.held) == []


def _end(end: str, index: int, count: int) -> list[WarningDocument]:
    """Nothing, or a retraction; a warning is joined only into a later one, so that there is no circle."""
    if end == "stands":
        return []
    if end == "joined" and index + 1 < count:
        return [warning(condition="retracted", retraction="joined", into=str(IDS[index + 1]))]
    return [warning(condition="retracted", retraction="regrouped" if end == "regrouped" else "documents_changed")]
