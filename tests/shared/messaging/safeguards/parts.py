"""What of the product a story runs on. A removal replaces one part, or one name of a module, and nothing else."""

from dataclasses import dataclass, field
from typing import Any

from shared.messaging.consumer import Consumer
from shared.messaging.document_store import DocumentStore
from shared.messaging.relay import Relay


@dataclass
class Parts:
    """Classes the story makes, and names it patches: (module, name, value). Empty, it is the product."""

    store: type[DocumentStore] = DocumentStore
    relay: type[Relay] = Relay
    consumer: type[Consumer] = Consumer
    patches: list[tuple[Any, str, Any]] = field(default_factory=list)
