"""What notify decides: whose business a warning is, what is said to each, whose inboxes a person reads. Pure."""

from services.notify.domain.recipients import MANAGER, concerned, inboxes
from services.notify.domain.telling import Line, Log, Said, Snapshot, Told, destination, is_seeded, tell

__all__ = [
    "MANAGER",
    "Line",
    "Log",
    "Said",
    "Snapshot",
    "Told",
    "concerned",
    "destination",
    "inboxes",
    "is_seeded",
    "tell",
]
