"""Beats: what a source declares about a kind of document, and up to when everything of that kind has been answered.

Absence ("has not ordered", "has not paid") may be judged only up to a beat that came through the log.
"""

from datetime import datetime
from typing import ClassVar, Final, Literal

import msgspec

from shared.events.document import Document, Instant, Party, Source

SourceKind = Literal["order", "invoice", "payment", "expense"]
"""Kinds a source delivers; `order` covers returns, `invoice` credit notes."""

SOURCE_KINDS: Final[dict[str, SourceKind]] = {
    "order": "order",
    "return": "order",
    "invoice": "invoice",
    "payment": "payment",
}
"""The kind of beat that covers a kind of document; documents that are missing here come from no source."""

Coverage = Literal["all", "named"]


class Beat(Document, frozen=True, kw_only=True, omit_defaults=True):
    """State of one (source, kind): one row in every partition, behind the documents it covers."""

    kind: ClassVar[str] = "beat"
    reasons: ClassVar[frozenset[str]] = frozenset({"activated", "declared", "advanced", "retired"})

    source: Source
    of: SourceKind
    """Kind of document it speaks about; `order` covers returns, `invoice` credit notes."""
    coverage: Coverage = "all"
    """`all`: this source speaks for every customer; `named`: only for those it has delivered documents of."""
    rhythm_hours: int | None = 24
    """A beat is expected this often; None = the producing service writes beats by itself."""
    activated_at: Instant
    retired_at: Instant | None = None
    """From then on it delivers this kind no more and holds nothing back."""
    complete_until: Instant | None = None
    """Everything with a business time before this was answered; None = nothing promised yet."""

    @property
    def natural_key(self) -> str:
        return f"{self.source}/{self.of}"

    @property
    def at(self) -> datetime:
        return self.activated_at

    def canonical(self) -> bytes:
        facts = (self.natural_key, self.coverage, self.rhythm_hours, self.retired_at is None, self.complete_until)
        return msgspec.json.encode(facts)

    def parties(self) -> tuple[Party, ...]:
        return ()
