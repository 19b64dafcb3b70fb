"""What really happened, commit by commit, and which openings were false. Never read by a process of the model."""

from dataclasses import dataclass, field

from tests.protocol_model.snapshots import Rule, Snapshot, beat_id
from tests.protocol_model.store import EpisodeKey

Moment = int


@dataclass(frozen=True)
class Opening:
    """An episode the consumer committed, and when."""

    moment: Moment
    episode: EpisodeKey
    rule: Rule
    members: tuple[str, ...]

    def speaks(self, state: Snapshot, after: int, until: int) -> bool:
        return state.live and after < state.at <= until and any(party in self.members for party in state.parties)


@dataclass
class Truth:
    """The oracle's own memory; `found` collects what went wrong: kind of red -> first detail."""

    found: dict[str, str] = field(default_factory=dict)
    openings: list[Opening] = field(default_factory=list)
    withdrawals: int = 0
    _moment: Moment = 0
    _histories: dict[str, list[tuple[Moment, Snapshot]]] = field(default_factory=dict)
    _asked: dict[str, list[str]] = field(default_factory=dict)
    _answered: dict[str, Moment] = field(default_factory=dict)
    _promised: dict[Moment, list[str]] = field(default_factory=dict)
    _open: set[EpisodeKey] = field(default_factory=set)

    def red(self, kind: str, detail: str) -> None:
        self.found.setdefault(kind, detail)

    def asked(self, stream: str, command: str) -> None:
        """A source wants this; from here on its beats speak for it."""
        self._asked.setdefault(stream, []).append(command)

    def unchanged(self, command: str) -> None:
        """The command was answered and had nothing to write."""
        self._answered.setdefault(command, self._moment)

    def written(self, command: str, snapshot: Snapshot) -> None:
        """A producer committed a revision in answer to a command."""
        self._moment += 1
        if command in self._answered:
            self.red("command twice", command)
        self._answered.setdefault(command, self._moment)
        self._histories.setdefault(snapshot.id, []).append((self._moment, snapshot))
        if snapshot.kind == "beat":
            asked = self._asked.get(snapshot.id, ())
            self._promised[self._moment] = [key for key in asked if key not in self._answered]

    def opened(self, episode: EpisodeKey, rule: Rule, members: tuple[str, ...]) -> None:
        """The consumer committed an episode."""
        if episode in self._open:
            self.red("double episode", str(episode))
        self._open.add(episode)
        self.openings.append(Opening(self._moment, episode, rule, members))

    def withdrawn(self, episode: EpisodeKey) -> None:
        self.withdrawals += 1
        self._open.discard(episode)

    def judge_openings(self) -> None:
        """False is what no state of the documents had since the sources declared them complete.

        A consumer may see documents at different moments. So proof is only one document that speaks against the
        episode at every moment since then, or that none ever spoke for it.
        """
        for opening in self.openings:
            reason = self._why_false(opening)
            if reason:
                self.red("false alarm", f"{opening.episode} of {'+'.join(opening.members)}: {reason}")

    def _why_false(self, opening: Opening) -> str:
        started = opening.episode[2]
        due = started + opening.rule.patience
        for states in self._states(opening.rule.closes, due, opening.moment):
            if all(opening.speaks(state, started, due) for state in states):
                return f"{states[-1].id} was there all the time"
        beginnings = self._states(opening.rule.opens, due, opening.moment)
        if not any(opening.speaks(state, started - 1, started) for states in beginnings for state in states):
            return "nothing happened on that day"
        return ""

    def _states(self, kind: str, day: int, until: Moment) -> list[list[Snapshot]]:
        """Per document of the kind: what it was when its source had declared that day, and since then."""
        found = []
        for history in self._histories.values():
            first = history[0][1]
            if first.kind == kind:
                declared = self._declared(beat_id(first.source, kind), day, until)
                absent = Snapshot(kind, first.id, first.source, 0, live=False)
                before = [absent, *(snapshot for moment, snapshot in history if moment <= declared)]
                found.append([before[-1], *(snapshot for moment, snapshot in history if declared < moment <= until)])
        return found

    def _declared(self, beat: str, day: int, until: Moment) -> Moment:
        """When everything was in that the first beat of that day spoke for; `until`, if there was no such beat yet."""
        spoken = [moment for moment, state in self._histories.get(beat, ()) if state.at >= day and moment <= until]
        if not spoken:
            return until
        return max([spoken[0], *(self._answered.get(key, 0) for key in self._promised[spoken[0]])])
