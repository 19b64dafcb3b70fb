"""Reading JSON: exact numbers, and agreement with the standard library about what can be read."""

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from shared.errors import ForewarnError
from shared.http.inputs.json import decode, decode_elements

TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
LEAVES = st.none() | st.booleans() | st.integers() | TEXT
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4), max_leaves=12
)


def depth(value: Any) -> int:
    """How deep lists and objects lie in one another."""
    if isinstance(value, dict):
        return 1 + max((depth(inner) for inner in value.values()), default=0)
    if isinstance(value, list):
        return 1 + max(map(depth, value), default=0)
    return 0


class TestDecode:
    @given(VALUES, st.booleans())
    def test_what_was_written_is_read(self, value: Any, escaped: bool) -> None:
        assert decode(json.dumps(value, ensure_ascii=escaped).encode()) == value

    @given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**20), max_value=10**20, places=25))
    def test_numbers_are_exact(self, number: Decimal) -> None:
        """INVARIANT: a float on the way would turn 100000000000.07 into another amount, or hide its decimals."""
        assert decode(f"[{number:f}]".encode())[0] == number

    @given(
        st.binary(max_size=60) | st.text(alphabet='{}[]",:0123456789.eE+-\\u0aftrunl \n', max_size=40).map(str.encode)
    )
    @example(b'"\\ud800"')
    @example(b"-")
    @example(b"1e400")
    @example(b"[" * 10_000)
    @example(b"NaN")
    @example(b"1.e5")
    @example(b"01")
    def test_any_bytes_are_read_or_refused(self, body: bytes) -> None:
        try:
            value = decode(body)
        except ForewarnError as error:
            assert error.status in (400, 422)  # noqa: PT017
        else:
            assert value == json.loads(body, parse_float=Decimal)

    @given(st.integers(1, 40))
    def test_depth_is_bounded_exactly(self, levels: int) -> None:
        body = b"[" * levels + b"]" * levels

        if levels <= 16:
            assert depth(decode(body)) == levels
        else:
            with pytest.raises(ForewarnError) as refused:
                decode(body)
            assert refused.value.code == "too_deep"

    def test_place_of_a_syntax_error_is_told(self) -> None:
        with pytest.raises(ForewarnError, match="line 2, column 7"):
            decode(b'{"a": 1,\n "b": ,}')


class TestDecodeElements:
    def test_element_that_cannot_be_kept_is_an_error_in_its_place(self) -> None:
        elements = decode_elements(rb'[1, "\ud800", 1e400, "\u0000", 2]')

        codes = [element.code if isinstance(element, ForewarnError) else element for element in elements]
        assert codes == [1, "char_not_allowed", "number_out_of_range", "char_not_allowed", 2]
