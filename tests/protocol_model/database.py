"""A database with read-committed transactions and row locks. A cycle of waiting transactions raises `Deadlock`."""

from collections.abc import Callable
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

from tests.protocol_model.snapshots import WAITING, Steps

K = TypeVar("K")
V = TypeVar("V")
Key = tuple[str, ...]


class Deadlock(Exception):
    """Transactions wait for each other."""


class Table(Generic[K, V]):
    """Committed rows."""

    def __init__(self) -> None:
        self.rows: dict[K, V] = {}


class Database:
    """Locks of one database; its tables belong to whoever owns it."""

    def __init__(self) -> None:
        self._held: dict[Key, dict[Transaction, bool]] = {}
        self._waiting: dict[Transaction, tuple[Key, bool]] = {}

    def begin(self) -> "Transaction":
        return Transaction(self)

    def take(self, transaction: "Transaction", key: Key, shared: bool) -> bool:
        """Grant the lock, or note who waits; raises `Deadlock` when the wait closes a circle."""
        if not self._blockers(transaction, key, shared):
            owners = self._held.setdefault(key, {})
            owners[transaction] = shared and owners.get(transaction, True)
            self._waiting.pop(transaction, None)
            return True
        self._waiting[transaction] = (key, shared)
        self._look_for_circle(transaction)
        return False

    def release(self, transaction: "Transaction", keys: list[Key]) -> None:
        self._waiting.pop(transaction, None)
        for key in keys:
            self._held[key].pop(transaction, None)

    def _blockers(self, transaction: "Transaction", key: Key, shared: bool) -> list["Transaction"]:
        """Owners that exclude the wish; a shared wish also queues behind an exclusive one, or that would starve."""
        owners = self._held.get(key, {})
        found = [owner for owner, theirs in owners.items() if owner is not transaction and not (shared and theirs)]
        if shared and transaction not in owners:
            wishes = self._waiting.items()
            found += [who for who, wish in wishes if wish == (key, False) and who is not transaction]
        return found

    def _look_for_circle(self, start: "Transaction") -> None:
        seen: list[Transaction] = []
        front = self._blockers(start, *self._waiting[start])
        while front:
            blocker = front.pop()
            if blocker is start:
                raise Deadlock(self._waiting[start][0])
            if blocker not in seen and blocker in self._waiting:
                seen.append(blocker)
                front += self._blockers(blocker, *self._waiting[blocker])


class Transaction:
    """Writes are seen by others at commit. Leaving the block without a commit, as a crash does, undoes everything."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._locks: list[Key] = []
        self._writes: dict[Table[Any, Any], dict[Any, Any]] = {}
        self._hooks: list[Callable[[], None]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._database.release(self, self._locks)

    def lock(self, *key: str, shared: bool = False) -> Steps:
        """Hold the lock until the end of the transaction."""
        while not self._database.take(self, key, shared):
            yield WAITING
        self._locks.append(key)
        yield f"{key[0]} locked"

    def get(self, table: Table[K, V], key: K) -> V | None:
        own = self._writes.get(table)
        if own is not None and key in own:
            found: V | None = own[key]
            return found
        return table.rows.get(key)

    def put(self, table: Table[K, V], key: K, value: V | None) -> None:
        """Write a row; None deletes it."""
        self._writes.setdefault(table, {})[key] = value

    def rows(self, table: Table[K, V], base: dict[K, V] | None = None) -> dict[K, V]:
        """Committed rows (or those of an older look at them) and the transaction's own."""
        own = self._writes.get(table)
        merged: dict[K, Any] = {**(table.rows if base is None else base), **(own or {})}
        return {key: value for key, value in merged.items() if value is not None} if own else merged

    def at_commit(self, hook: Callable[[], None]) -> None:
        """For the oracle, which sees commits and nothing else."""
        self._hooks.append(hook)

    def commit(self) -> None:
        for table, writes in self._writes.items():
            for key, value in writes.items():
                if value is None:
                    table.rows.pop(key, None)
                else:
                    table.rows[key] = value
        self._writes.clear()
        for hook in self._hooks:
            hook()
        self._hooks.clear()
