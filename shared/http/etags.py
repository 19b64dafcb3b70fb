"""ETags of revisions, and the check that an update changes the revision its caller has seen."""

import re
from dataclasses import dataclass
from typing import Final

from fastapi import Request

from shared.errors import PreconditionFailed
from shared.http.problems import PreconditionRequired

_ETAG: Final = re.compile(r'"(\d{1,18})\.(\d{1,18})"', re.ASCII)


def etag(epoch: int, revision: int) -> str:
    """The ETag of one revision, as it stands in the header."""
    return f'"{epoch}.{revision}"'


@dataclass(frozen=True, slots=True)
class IfMatch:
    """The revisions a caller is willing to change; None = any."""

    versions: frozenset[tuple[int, int]] | None

    def check(self, epoch: int, revision: int) -> None:
        """Raise `precondition_failed` (412) if the revision held is none of these."""
        if self.versions is not None and (epoch, revision) not in self.versions:
            raise PreconditionFailed(
                "precondition_failed", "It was changed in the meantime; read it again and repeat the change."
            )


def if_match(request: Request) -> IfMatch:
    """What the If-Match header allows. Raises `precondition_required` (428) without one."""
    header = ",".join(request.headers.getlist("if-match")).strip()
    if not header:
        raise PreconditionRequired("precondition_required", 'Send If-Match with the ETag you have read, such as "1.7".')
    if header == "*":
        return IfMatch(None)
    parts = (_ETAG.fullmatch(part.strip()) for part in header.split(","))
    # Foreign and weak tags match nothing.
    return IfMatch(frozenset((int(part[1]), int(part[2])) for part in parts if part is not None))
