"""How often what goes wrong. Who consults it decides what going wrong means there."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Faults:
    """Probabilities, each per occasion."""

    crash: float = 0.006
    pause: float = 0.01
    slow_process: float = 0.2
    repeated_request: float = 0.06
    lost_answer: float = 0.08
    lost_batch: float = 0.05
    late_batch: float = 0.08
    lost_acknowledgement: float = 0.10
    offset_hole: float = 0.03
    swallowed_fetch: float = 0.02
    wrong_hint: float = 0.3
    second_consumer: float = 0.4
    partition_without_leader: float = 0.25
    poison: float = 0.025
    rewind: float = 0.7
    republish: float = 0.3
    restore: float = 0.0
    restored_twice: float = 0.3
    other_server: float = 0.5
    zombie: float = 0.7
    rebuild: float = 0.0
    days: int = 40
    """How long the story is; no probability."""


USUAL: Final = Faults()
RESTORES: Final = Faults(
    crash=0.004, partition_without_leader=0.0, republish=0.3, rewind=0.5, restore=0.85, rebuild=0.6, days=24
)
"""Producers are restored from older backups, consumers are emptied."""
NONE: Final = Faults(**dict.fromkeys(Faults.__dataclass_fields__, 0))
