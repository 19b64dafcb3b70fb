"""What the credit service refuses, with a stable code each."""

from shared.errors import Conflict, NotFound


def invalid_transition(document: str, state: str, wanted: str) -> Conflict:
    """A document in this state cannot be brought into that one."""
    return Conflict("invalid_transition", f"{document} that is {state} cannot be {wanted}.")


def customer_not_found() -> NotFound:
    """Nobody registered him and no document names him, or he is not the caller's to see."""
    return NotFound("customer_not_found", "There is no such customer.")
