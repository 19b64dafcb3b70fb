"""As much of Prometheus as our alert rules need: expressions over fixed series, and when a rule fires.

Whatever an expression uses beyond this is refused, so that no rule passes because half of it was not understood.
"""

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

STEP: Final = 30
"""Seconds between the samples of a series, and between the evaluations of a rule."""

Labels = frozenset[tuple[str, str]]
Vector = dict[Labels, float]

_TOKEN: Final = re.compile(r'\s*("[^"]*"|[A-Za-z_][A-Za-z0-9_]*|\d+[smhd]\b|[\d.]+|==|>=|<=|!=|[-+*/<>=(){}\[\],])')
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_COMPARE: Final[dict[str, Callable[[float, float], bool]]] = {
    ">": operator.gt,
    "<": operator.lt,
    ">=": operator.ge,
    "<=": operator.le,
    "==": operator.eq,
}
_COMPUTE: Final[dict[str, Callable[[float, float], float]]] = {
    "-": operator.sub,
    "+": operator.add,
    "*": operator.mul,
    "/": operator.truediv,
}
_AGGREGATE: Final[dict[str, Callable[[Sequence[float]], float]]] = {"max": max, "min": min, "sum": sum}


class Series(NamedTuple):
    """One series from time 0 on, a sample every `STEP` seconds; None: there is none at that time."""

    name: str
    labels: Mapping[str, str]
    samples: Sequence[float | None]


@dataclass
class Used:
    """What an expression asks for: labels it names, by metric."""

    labels: dict[str, set[str]] = field(default_factory=dict)


def used_by(expression: str) -> dict[str, set[str]]:
    """Every series an expression uses, with the labels by which it selects or groups it."""
    used = Used()
    _Parser(expression, [], 0, used).whole()
    return used.labels


def seconds(duration: str) -> int:
    """A duration as Prometheus writes it."""
    return int(duration[:-1]) * _SECONDS[duration[-1]]


def fires(rule: Mapping[str, Any], found: Sequence[Series], at: int) -> list[dict[str, str]]:
    """The labels for which a rule fires at that time: its expression has been true for as long as it asks."""
    pending = range(at - seconds(rule.get("for", "0s")), at + 1, STEP)
    true = [set(_Parser(rule["expr"], found, instant, Used()).whole()) for instant in pending]
    return [dict(labels) for labels in sorted(set.intersection(*true), key=sorted)]


class _Parser:
    """Evaluates while it reads; precedence: comparison, sum, product."""

    def __init__(self, expression: str, found: Sequence[Series], at: int, used: Used) -> None:
        self._tokens = _tokens(expression)
        self._found = found
        self._at = at
        self._used = used

    def whole(self) -> Vector:
        value = self._comparison()
        assert not self._tokens, f"not understood: {self._tokens}"
        assert isinstance(value, dict), "a rule has to name what it is about"
        return value

    def _comparison(self) -> float | Vector:
        left = self._chain(("-", "+"), lambda: self._chain(("*", "/"), self._atom))
        if self._tokens and self._tokens[0] in _COMPARE:
            compare = _COMPARE[self._tokens.pop(0)]
            right = self._chain(("-", "+"), self._atom)
            assert isinstance(left, dict)
            assert isinstance(right, float)
            return {labels: value for labels, value in left.items() if compare(value, right)}
        return left

    def _chain(self, signs: Sequence[str], part: Callable[[], float | Vector]) -> float | Vector:
        left = part()
        while self._tokens and self._tokens[0] in signs:
            left = _computed(_COMPUTE[self._tokens.pop(0)], left, part())
        return left

    def _atom(self) -> float | Vector:
        token = self._tokens.pop(0)
        if token == "(":
            value = self._comparison()
            self._expect(")")
            return value
        if token[0].isdigit():
            return float(token)
        if token == "time":
            self._expect("(", ")")
            return float(self._at)
        if token in _AGGREGATE:
            return self._aggregated(_AGGREGATE[token])
        if token == "increase":
            self._expect("(")
            selected = self._selected(self._tokens.pop(0))
            self._expect("[")
            since = self._at - seconds(self._tokens.pop(0))
            self._expect("]", ")")
            increases = {_labels(one): _increase(one, since, self._at) for one in selected}
            return {labels: grown for labels, grown in increases.items() if grown is not None}
        samples = {_labels(one): _sample(one, self._at) for one in self._selected(token)}
        return {labels: value for labels, value in samples.items() if value is not None}

    def _aggregated(self, aggregate: Callable[[Sequence[float]], float]) -> Vector:
        self._expect("by", "(")
        names = self._until(")")
        self._expect("(")
        before = set(self._used.labels)
        value = self._comparison()
        self._expect(")")
        assert isinstance(value, dict)
        for metric in self._used.labels.keys() - before or self._used.labels.keys():
            self._used.labels[metric].update(names)
        groups: dict[Labels, list[float]] = {}
        for labels, each in value.items():
            groups.setdefault(frozenset(pair for pair in labels if pair[0] in names), []).append(each)
        return {labels: aggregate(values) for labels, values in groups.items()}

    def _selected(self, name: str) -> list[Series]:
        assert name.isidentifier(), f"not understood: {name}"
        wanted: dict[str, str] = {}
        if self._tokens and self._tokens[0] == "{":
            self._tokens.pop(0)
            words = self._until("}")
            assert words[1::3] == ["="] * (len(words) // 3), f"not understood: {words}"
            wanted = dict(zip(words[0::3], (word.strip('"') for word in words[2::3]), strict=True))
        self._used.labels.setdefault(name, set()).update(wanted)
        return [one for one in self._found if one.name == name and wanted.items() <= one.labels.items()]

    def _until(self, end: str) -> list[str]:
        words = []
        while (word := self._tokens.pop(0)) != end:
            if word != ",":
                words.append(word)
        return words

    def _expect(self, *tokens: str) -> None:
        for token in tokens:
            found = self._tokens.pop(0)
            assert found == token, f"{found!r} instead of {token!r}"


def _tokens(expression: str) -> list[str]:
    tokens, end = [], 0
    while end < len(expression.rstrip()):
        found = _TOKEN.match(expression, end)
        assert found, f"not understood: {expression[end:]}"
        tokens.append(found[1])
        end = found.end()
    return tokens


def _computed(compute: Callable[[float, float], float], left: float | Vector, right: float | Vector) -> float | Vector:
    if isinstance(left, dict) and isinstance(right, dict):
        return {labels: compute(left[labels], right[labels]) for labels in left.keys() & right.keys()}
    if isinstance(left, dict):
        return {labels: compute(value, right) for labels, value in left.items()}  # type: ignore[arg-type]
    if isinstance(right, dict):
        return {labels: compute(left, value) for labels, value in right.items()}
    return compute(left, right)


def _labels(one: Series) -> Labels:
    return frozenset(one.labels.items())


def _sample(one: Series, at: int) -> float | None:
    place = at // STEP
    return one.samples[place] if 0 <= place < len(one.samples) else None


def _increase(one: Series, since: int, until: int) -> float | None:
    """What a series has gained between its first and its last sample of that time; a series that begins has not."""
    values = [value for at in range(max(since, 0), until + 1, STEP) if (value := _sample(one, at)) is not None]
    return values[-1] - values[0] if len(values) > 1 else None
