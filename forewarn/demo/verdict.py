"""Holds what the system said against what was planted: every story its one warning, nobody else any. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

from forewarn.demo.books import ZONE, Frame
from forewarn.demo.distributor import Distributor
from forewarn.demo.story import Outcome, Story

Warned = dict[str, Any]
"""A warning as the API shows it."""

_RANK: Final = {"info": 0, "warning": 1, "critical": 2}


@dataclass(frozen=True, slots=True)
class Told:
    """A story and the warnings its customer got in the live window."""

    story: Story
    warnings: tuple[Warned, ...]

    @property
    def right(self) -> bool:
        """Exactly one, of the right rule, tier and days."""
        return [seen(warning) for warning in self.warnings] == [self.story.outcome]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came out; `unexpected` are warnings of the live window about anybody without a story."""

    stories: tuple[Told, ...]
    unexpected: tuple[Warned, ...]
    quiet: int
    """Customers that look like a story and must get nothing."""

    @property
    def passed(self) -> bool:
        """Whether the demo shows what it promises."""
        return not self.unexpected and all(told.right for told in self.stories)


def judge(distributor: Distributor, source: str, warnings: Iterable[Warned]) -> Verdict:
    """Compare all warnings of the installation with the stories; those of the history before do not count."""
    live = Frame(distributor.today).live
    recent = [
        warning
        for warning in warnings
        if warning["customer"]["source"] == source and opened(warning) >= live and warning["condition"] != "retracted"
    ]
    stories = [Told(story, tuple(_about(story.customer, recent))) for story in distributor.stories]
    told = {story.customer for story in distributor.stories}
    unexpected = [warning for warning in recent if warning["customer"]["external_id"] not in told]
    return Verdict(tuple(stories), tuple(unexpected), len(distributor.quiet))


def seen(warning: Warned) -> Outcome:
    """A warning in the words of a story."""
    tier = max((span["tier"] for span in warning["spans"]), key=_RANK.__getitem__)
    ended = warning["ended_at"]
    return Outcome(warning["code"], tier, opened(warning), _day(ended) if ended else None)


def opened(warning: Warned) -> date:
    """The seller's day on which it began."""
    return _day(warning["started_at"])


def _about(customer: str, warnings: Sequence[Warned]) -> list[Warned]:
    return [warning for warning in warnings if warning["customer"]["external_id"] == customer]


def _day(instant: str) -> date:
    return datetime.fromisoformat(instant).astimezone(ZONE).date()
