"""What really happened, commit by commit, and which openings were false. Never read by a process of the model."""

from collections.abc import Set
from dataclasses import dataclass, field, replace

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
    confirmed: set[tuple[str, int]] = field(default_factory=set)
    """Producers and the epochs of theirs that somebody has confirmed."""
    _moment: Moment = 0
    _histories: dict[str, list[tuple[Moment, Snapshot]]] = field(default_factory=dict)
    _asked: dict[str, list[str]] = field(default_factory=dict)
    _answered: dict[str, Moment] = field(default_factory=dict)
    _promised: dict[Moment, list[str]] = field(default_factory=dict)
    _open: set[EpisodeKey] = field(default_factory=set)
    _vanished: set[str] = field(default_factory=set)
    _raised: set[tuple[str, int]] = field(default_factory=set)

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

    def restored(self, before: dict[str, Snapshot], after: dict[str, Snapshot], commands: Set[str]) -> None:
        """A producer fell back to an older state: commands and documents are forgotten, others are as they were."""
        self._moment += 1
        for command in commands:
            self._answered.pop(command, None)
        self._asked = {stream: [key for key in asked if key not in commands] for stream, asked in self._asked.items()}
        for natural, snapshot in before.items():
            if natural not in after:
                self._vanished.add(snapshot.id)
            elif replace(after[natural], epoch=snapshot.epoch) != snapshot:
                self._histories.setdefault(snapshot.id, []).append((self._moment, after[natural]))

    def raised(self, topic: str, life: int) -> None:
        """A producer began a new epoch."""
        if (topic, life) in self._raised or not life:
            self.red("epoch for nothing", f"{topic} in its life {life}")
        self._raised.add((topic, life))

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
            # A lost document may be held or not, until somebody confirms that it is gone everywhere.
            if states[-1].id not in self._vanished and all(opening.speaks(state, started, due) for state in states):
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
                lasting = before if first.id in self._vanished else before[-1:]
                found.append([*lasting, *(snapshot for moment, snapshot in history if declared < moment <= until)])
        return found

    def _declared(self, beat: str, day: int, until: Moment) -> Moment:
        """When everything was in that the first beat of that day spoke for; `until`, if there was no such beat yet."""
        spoken = [moment for moment, state in self._histories.get(beat, ()) if state.at >= day and moment <= until]
        if not spoken:
            return until
        return max([spoken[0], *(self._answered.get(key, 0) for key in self._promised[spoken[0]])])
