"""Calls and names that have few homes: how each is recognised, and where it may stand."""

import ast
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from tests.architecture.sources import Module

Sign = Callable[[ast.AST], bool]
"""Tells whether a node of the syntax tree is what a rule is about."""


@dataclass(frozen=True)
class Rule:
    """What has few homes, and why each of them is one."""

    name: str
    sign: Sign
    homes: dict[str, str]
    planted: tuple[str, ...]
    """Sources that break the rule anywhere else: proof that it can fail."""

    def broken_in(self, module: Module) -> list[str]:
        """Where a module breaks the rule."""
        if module.lies_in(tuple(self.homes)):
            return []
        return [f"{module.path}:{line}" for line in sorted(self.lines(module.tree))]

    def lines(self, tree: ast.Module) -> set[int]:
        """Lines on which the sign stands, in whatever home."""
        return {getattr(node, "lineno", 0) for node in ast.walk(tree) if self.sign(node)}


def _attribute(node: ast.AST, owners: set[str], names: set[str]) -> bool:
    return isinstance(node, ast.Attribute) and node.attr in names and ast.unparse(node.value).split(".")[-1] in owners


def _imported(node: ast.AST, module: str, names: set[str]) -> bool:
    return (
        isinstance(node, ast.ImportFrom) and node.module == module and any(alias.name in names for alias in node.names)
    )


def _method(node: ast.AST, names: set[str]) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in names


def _wall_clock(node: ast.AST) -> bool:
    return (
        _attribute(node, {"datetime", "date"}, {"now", "utcnow", "today"})
        or _attribute(node, {"time"}, {"time", "time_ns", "localtime", "gmtime"})
        or _imported(node, "time", {"time", "time_ns", "localtime", "gmtime"})
    )


def _environment(node: ast.AST) -> bool:
    names = {"environ", "environb", "getenv", "putenv"}
    return _attribute(node, {"os"}, names) or _imported(node, "os", names)


def _print(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in {"print", "pprint"}


def _ends_transaction(node: ast.AST) -> bool:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value.strip().rstrip(";").upper() in {"COMMIT", "ROLLBACK", "BEGIN", "END"}
    return _method(node, {"commit", "rollback"})


def _opens_transaction(node: ast.AST) -> bool:
    return _method(node, {"transaction", "begin_transaction", "begin_nested"})


RULES: Final = (
    Rule(
        "the unit of work alone commits",
        _ends_transaction,
        {
            "shared/database/": "the unit of work, and migrations, which commit one by one",
            "shared/messaging/consumer.py": "the bus's own commit, a hint that no database sees",
            "shared/messaging/kafka_bus/consumer.py": "that commit itself",
        },
        ("session.commit()", "await unit.connection.rollback()", "connection.execute('commit;')"),
    ),
    Rule(
        "the unit of work alone opens transactions",
        _opens_transaction,
        {
            "shared/database/": "the unit of work",
            "shared/messaging/embedded_bus/": "the bus's database, which no unit of work reaches",
            "shared/messaging/document_store.py": "a savepoint, to begin again without holding what others wait for",
            "shared/messaging/facts.py": "reads every document through a cursor, and writes nothing",
        },
        ("async with connection.transaction(): pass", "session.begin_nested()"),
    ),
    Rule(
        "the clock alone reads the wall clock",
        _wall_clock,
        {
            "shared/clock.py": "the port's one adapter",
            "shared/ids.py": "UUIDv7 begins with the milliseconds of now",
        },
        (
            "from datetime import datetime\ndatetime.now(UTC)",
            "import datetime\ndatetime.date.today()",
            "from datetime import datetime\nfield(default_factory=datetime.utcnow)",
            "import time\ntime.time()",
            "from time import time_ns",
        ),
    ),
    Rule(
        "few read the environment",
        _environment,
        {
            "forewarn/cli.py": "tells its child processes where the data lie; finds the databases to migrate",
            "forewarn/demo/command.py": "tells its child processes the settings of the demo",
            "forewarn/doctor/environment.py": "says what is missing in it",
            "forewarn/platform.py": "URLs of databases and bus, a variable for each service",
            "shared/database/embedded_postgres/": "PostgreSQL's programs inherit ours, less what would mislead them",
        },
        ("import os\nos.environ['X']", "import os\nos.getenv('X')", "from os import environ"),
    ),
    Rule(
        "nobody prints",
        _print,
        {},
        ("print('here')", "from pprint import pprint\npprint(row)"),
    ),
)
