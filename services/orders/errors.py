"""What the orders service refuses, with a stable code each."""

from shared.errors import Conflict


def invalid_transition(state: str, wanted: str) -> Conflict:
    """An order in this state cannot be brought into that one."""
    return Conflict("invalid_transition", f"An order that is {state} cannot be {wanted}.")
