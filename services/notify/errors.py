"""What the notify service refuses, with a stable code each."""

from shared.errors import NotFound


def line_not_found() -> NotFound:
    """There is no such line, or it stands in somebody else's inbox."""
    return NotFound("line_not_found", "There is no such line in your inbox.")
