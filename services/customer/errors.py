"""What the customer service refuses, with a stable code each."""

from uuid import UUID

from shared.errors import Conflict, Forbidden, InvalidInput


def customer_exists(id_: UUID) -> Conflict:
    """A confirmed customer is not registered anew with other particulars."""
    return Conflict(
        "customer_exists",
        f"This customer is registered with another name or owner; change him by PATCH /v1/customers/{id_}.",
    )


def external_id_taken() -> Conflict:
    """A further external id is a customer of his own, or of somebody else."""
    return Conflict(
        "external_id_taken",
        "One of the further external ids belongs to another customer; if both are one, link them: "
        "POST /v1/customer-links.",
    )


def link_undone() -> Conflict:
    """What a person has taken apart is not put together by a registration that is sent again."""
    return Conflict(
        "link_undone",
        "One of the further external ids was unlinked from this customer; leave it out, or link it again: "
        "POST /v1/customer-links.",
    )


def id_taken() -> Conflict:
    """An id made by the client is that of something else here."""
    return Conflict("id_taken", "This id is not free; make another UUIDv7.")


def link_to_itself() -> InvalidInput:
    """Both sides of a link are one party."""
    return InvalidInput("link_to_itself", "Name two customers; this is one and the same.")


def unknown_customer() -> InvalidInput:
    """An id of ours that was never given."""
    return InvalidInput(
        "unknown_customer", "No customer has this id. Register him first, or name him by source and external_id."
    )


def owner_protected() -> Forbidden:
    """Who looks after a customer is not for everybody to change."""
    return Forbidden("role_required", "Another owner needs one of the roles: admin, manager.")
