"""What can be wrong with the bus itself: away, topics missing or not fit to hold documents, copies not in sync."""

from forewarn.doctor.findings import Finding
from forewarn.topics import topics_of
from shared.messaging.bus import Bus, BusError, BusRefused, TopicState

SUBJECT = "bus"


async def topics(bus: Bus) -> list[Finding]:
    """The bus answers, and its topics are as they should be."""
    try:
        states, _ = await topics_of(bus)
    except BusRefused as error:
        remedy = "give the user its rights: deploy/kafka/rights"
        return [Finding("bus_refuses", SUBJECT, f"it does not let this user look: {error}", remedy)]
    except BusError as error:
        return [Finding("bus_away", SUBJECT, f"it cannot be used: {error}", "start it, or correct how it is named")]
    return [_different(state, difference) for state in states for difference in state.differences]


def _different(state: TopicState, difference: str) -> Finding:
    problem, _, remedy = difference.partition("; ")
    code = "topic_differs" if state.partitions else "topic_missing"
    return Finding(code, SUBJECT, f"{state.topic}: {problem}", remedy or "see docs/operations.md")
