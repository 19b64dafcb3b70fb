"""The error tree that every surface renders: a stable code, an HTTP status and what to do about it.

ForewarnError
├── InvalidInput        422  readable, but a field breaks a rule
├── Unreadable          400  not JSON, wrong encoding
├── Unauthenticated     401
├── Forbidden           403
├── NotFound            404
├── Conflict            409  state or content stands against it
├── PreconditionFailed  412  the ETag is not the current one
├── TooLarge            413
└── Unavailable         503  ours; retry later
"""

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class FieldError:
    """One broken rule: where, which, and how to put it right. Never carries the value itself."""

    field: str
    code: str
    message: str


class ForewarnError(Exception):
    """Base of all errors a client can be told about."""

    status: ClassVar[int] = 500

    def __init__(
        self,
        code: str,
        message: str,
        *,
        fields: tuple[FieldError, ...] = (),
        retry_after: int | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.fields = fields
        self.retry_after = retry_after


class InvalidInput(ForewarnError):
    status = 422


class Unreadable(ForewarnError):
    status = 400


class Unauthenticated(ForewarnError):
    status = 401


class Forbidden(ForewarnError):
    status = 403


class NotFound(ForewarnError):
    status = 404


class Conflict(ForewarnError):
    status = 409


class PreconditionFailed(ForewarnError):
    status = 412


class TooLarge(ForewarnError):
    status = 413


class Unavailable(ForewarnError):
    status = 503
