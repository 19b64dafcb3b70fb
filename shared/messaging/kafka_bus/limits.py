"""How long the Kafka bus waits for what; Kafka's client waits for ever in many places."""

from typing import Final, NamedTuple


class Limits(NamedTuple):
    """Seconds. Tests of faults have shorter ones."""

    connect: float = 5.0
    """For a first answer of some broker."""
    request: float = 15.0
    """For the answer to one request, and how long a partition may lack a leader before a batch for it fails.

    Above the brokers' session time-out and an election (10 s), or each death of a broker would end the producers.
    """
    send: float = 20.0
    """For the acknowledgement of one batch: an idempotent producer has no limit of its own."""
    answer: float = 10.0
    """For questions of tools, and for a commit."""
    close: float = 2.0
    """For a farewell."""
    rebalance: float = 10.0
    """For the members of a group to come together. A killed member that has been replaced costs the group this."""
    stalled: float = 60.0
    """Without an answer about a partition for this long a member looks for itself whether it misses something."""


LIMITS: Final = Limits()

METADATA_MILLISECONDS: Final = 60_000
"""How old what a client knows about the cluster may be; whatever goes wrong makes it ask sooner."""
