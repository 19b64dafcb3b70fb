"""Small files nobody else may read, replaced at once: keys, passwords, addresses."""

import os
from pathlib import Path


def write_private(path: Path, text: str) -> None:
    """Replace a file's content, mode 0600; a reader or a crash sees the old text or the new one, never a part."""
    unfinished = path.with_name(f"{path.name}.new")
    unfinished.unlink(missing_ok=True)
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    unfinished.rename(path)
