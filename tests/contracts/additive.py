"""What would break readers between two versions of the AsyncAPI document. Additions do not.

Readers of the older version meet records of the newer one, and today's readers meet the whole history: so neither
may a field go or always be there all of a sudden, nor may its type, or the default it has when left out, change.
A value added to an enumeration passes: who does not know it stores a dead letter and replays it after his upgrade.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

Json = Mapping[str, Any]
Compare = Callable[[Json, Json, str], Iterator[str]]

_SAID_ONLY = frozenset({"title", "description"})
_ABSENT = object()


def breaks(released: Json, current: Json) -> list[str]:
    """Every change of topics, messages, headers and snapshots that is more than an addition, by its place."""
    then, now = released["components"], current["components"]
    return [
        *_taken_away(released["channels"], current["channels"], "channels", _channel),
        *_taken_away(then["messages"], now["messages"], "messages", _message),
        *_taken_away(then["schemas"], now["schemas"], "schemas", _schema),
    ]


def _taken_away(then: Json, now: Json, where: str, compare: Compare) -> Iterator[str]:
    for name in then:
        if name in now:
            yield from compare(then[name], now[name], f"{where}.{name}")
        else:
            yield f"{where}.{name} is gone"


def _channel(then: Json, now: Json, where: str) -> Iterator[str]:
    yield from _taken_away(then["messages"], now["messages"], where, _schema)
    yield from _schema({"address": then["address"]}, {"address": now["address"]}, where)
    partitions = [one["bindings"]["kafka"]["partitions"] for one in (then, now)]
    if partitions[0] != partitions[1]:
        yield f"{where}.partitions changed: keys move"


def _message(then: Json, now: Json, where: str) -> Iterator[str]:
    yield from _schema(then["headers"], now["headers"], where)
    yield from _schema(then["payload"], now["payload"], f"{where}.payload")
    yield from _schema(then["bindings"]["kafka"]["key"], now["bindings"]["kafka"]["key"], f"{where}.key")


def _schema(then: Json, now: Json, where: str) -> Iterator[str]:
    for word in sorted((then.keys() | now.keys()) - _SAID_ONLY):
        old, new = then.get(word, _ABSENT), now.get(word, _ABSENT)
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            yield from _taken_away(old, new, where, _schema) if word == "properties" else _schema(old, new, where)
        elif isinstance(old, list) and isinstance(new, list):
            yield from _lists(word, old, new, where)
        elif old != new:
            yield f"{where}.{word} changed"


def _lists(word: str, old: list[Any], new: list[Any], where: str) -> Iterator[str]:
    if word == "required":
        yield from (f"{where}.{name} is not always there" for name in sorted({*old} ^ {*new}))
    elif word == "enum":
        yield from (f"{where} is never {value!r} any more" for value in old if value not in new)
    elif len(old) != len(new):
        yield f"{where}.{word} changed"
    elif word in ("anyOf", "allOf"):
        for then, now in zip(old, new, strict=True):
            yield from _schema(then, now, where)
    elif old != new:
        yield f"{where}.{word} changed"
