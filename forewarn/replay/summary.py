"""What became of a replay: counts that account for every line, as JSON for scripts."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final

from forewarn.replay.effects import Effects
from forewarn.replay.lines import Refused

MAX_EXAMPLES: Final = 20
"""Refused lines that are named one by one; the rest is counted."""

STATUSES: Final = ("accepted", "amended", "duplicate", "superseded")


@dataclass
class Summary:
    """read = accepted + amended + duplicate + superseded + refused + not_yet_supported."""

    read: int = 0
    accepted: int = 0
    amended: int = 0
    duplicate: int = 0
    superseded: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    """Lines per code."""
    not_yet_supported: int = 0
    ignored_fields: dict[str, int] = field(default_factory=dict)
    """Lines per name of a field nobody reads."""
    examples: list[Refused] = field(default_factory=list)
    """The first refused lines."""
    retries: int = 0
    """Requests sent again; their rows may say `duplicate` for what the lost answer had accepted."""
    seconds: float = 0.0
    """Until the last answer."""
    effects: Effects | None = None
    """What the services made of it; None where their databases cannot be reached: with `--url`."""

    @property
    def accounted(self) -> int:
        """Lines with an answer; equal to `read` at the end."""
        answered = self.accepted + self.amended + self.duplicate + self.superseded
        return answered + self.refused.total() + self.not_yet_supported

    def refuse(self, refused: Refused) -> None:
        """A line that is not accepted."""
        if refused.code == "not_yet_supported":
            self.not_yet_supported += 1
            return
        self.refused[refused.code] += 1
        if len(self.examples) < MAX_EXAMPLES:
            self.examples.append(refused)

    def answer(self, status: str) -> None:
        """A row the API has taken."""
        setattr(self, status, getattr(self, status) + 1)

    def as_json(self) -> dict[str, Any]:
        """Ready for `json.dumps`."""
        return {
            "read": self.read,
            **{status: getattr(self, status) for status in STATUSES},
            "refused": dict(sorted(self.refused.items())),
            "not_yet_supported": self.not_yet_supported,
            "refused_lines": [{"line": one.line, "code": one.code, "message": one.message} for one in self.examples],
            "ignored_fields": dict(sorted(self.ignored_fields.items())),
            "retries": self.retries,
            "seconds": round(self.seconds, 3),
            "events_applied": self.effects and self.effects.events_applied,
            "warnings": self.effects and self.effects.warnings,
            "caught_up": self.effects and self.effects.unrest is None,
        }
