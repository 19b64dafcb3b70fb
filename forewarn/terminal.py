"""What commands print: tables for people, JSON for scripts, one line for what went wrong."""

import sys
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

_WIDE: Final = 4096
"""Columns of a file or a pipe, where nobody wants a table folded to 80."""

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]

out = Console(soft_wrap=True, highlight=False, width=None if sys.stdout.isatty() else _WIDE)
err = Console(stderr=True, soft_wrap=True, highlight=False)


def print_json(content: Any) -> None:
    """Content as JSON, as it is."""
    out.print_json(data=content)


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Rows below their columns' names; numbers to the right, None as a dash, nothing cut off."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    found = [list(row) for row in rows]
    for number, name in enumerate(columns):
        numeric = any(isinstance(row[number], int) for row in found)
        table.add_column(name, justify="right" if numeric else "left", overflow="fold")
    for row in found:
        # Texts come from documents and errors: a bracket in them is no markup.
        table.add_row(*(Text("-" if cell is None else str(cell)) for cell in row))
    out.print(table)


def say(message: str) -> None:
    """Something a person should know, beside what is printed: never into the output of a script."""
    err.print(message, markup=False)


def ago(age: timedelta | None) -> str | None:
    """A duration in the one unit that tells most."""
    if age is None:
        return None
    seconds = age.total_seconds()
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
