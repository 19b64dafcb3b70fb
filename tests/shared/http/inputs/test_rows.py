"""Bulk bodies: a bad row costs only itself, an unreadable body costs all."""

import json
from typing import Any

import pytest

from shared.errors import ForewarnError
from shared.http.inputs import Code, Currency, Input, Money, RowError, parse_rows

LINES = "application/x-ndjson; charset=utf-8"
ARRAY = "application/json"


class Row(Input):
    """A row."""

    number: Code
    currency: Currency = "CNY"
    amount: Money = 0


def outcomes(body: bytes, content_type: str, **options: Any) -> list[str | tuple[int, str]]:
    """Number of each good row, place and code of each bad one."""
    rows = parse_rows(Row, body, content_type, **options)
    return [(row.row, row.code) if isinstance(row, RowError) else row.number for row in rows]


def refusal(body: bytes, content_type: str, **options: Any) -> tuple[int, str]:
    """Status and code with which the whole body is refused."""
    with pytest.raises(ForewarnError) as refused:
        parse_rows(Row, body, content_type, **options)
    return refused.value.status, refused.value.code


class TestParseRows:
    def test_bad_row_costs_only_itself(self) -> None:
        """INVARIANT: one bad row of 10,000 must not keep the others out."""
        rows: list[Any] = [{"number": "A"}, {"number": "B", "amount": "x"}, None, "text", [], {}, {"number": "C"}]
        expected = [
            "A",
            (2, "amount_format"),
            (3, "object_expected"),
            (4, "object_expected"),
            (5, "object_expected"),
            (6, "required"),
            "C",
        ]

        assert outcomes(json.dumps(rows).encode(), ARRAY) == expected
        assert outcomes("\n".join(map(json.dumps, rows)).encode(), LINES) == expected

    def test_row_no_service_can_keep_costs_only_itself(self) -> None:
        rows = [
            r'{"number": "A"}',
            r'{"number": "\ud800"}',
            '{"amount": 1e400}',
            r'{"number": "\u0000"}',
            '{"number": "B"}',
        ]
        expected = ["A", (2, "char_not_allowed"), (3, "number_out_of_range"), (4, "char_not_allowed"), "B"]

        assert outcomes(f"[{','.join(rows)}]".encode(), ARRAY) == expected
        assert outcomes("\n".join(rows).encode(), LINES) == expected

    def test_bad_row_tells_its_fields(self) -> None:
        [row] = parse_rows(Row, b'[{"nmber": "A", "amount": "1.005"}]', ARRAY)

        assert isinstance(row, RowError)
        assert {error.field: error.code for error in row.fields} == {
            "number": "required",
            "amount": "too_many_decimals",
            "nmber": "unknown_field",
        }

    @pytest.mark.parametrize(
        ("body", "refused"),
        [
            (b"[]", (422, "no_rows")),
            (b"{}", (422, "array_expected")),
            (b"null", (422, "array_expected")),
            (b"", (400, "invalid_json")),
            (b'[{"number": "A"},', (400, "invalid_json")),
            (b'[{"amount": NaN}]', (400, "invalid_json")),
            (b"\xef\xbb\xbf[]", (400, "bom")),
            (b'[{"number": "\xff"}]', (400, "not_utf8")),
            (b"[" * 100_000, (400, "too_deep")),
        ],
    )
    def test_unreadable_array_costs_all(self, body: bytes, refused: tuple[int, str]) -> None:
        assert refusal(body, ARRAY) == refused

    @pytest.mark.parametrize(
        ("body", "refused"),
        [
            (b"", (422, "no_rows")),
            (b"\n \n", (422, "no_rows")),
            (b'{"number": "A"}\n{"numb', (400, "truncated")),
            (b'[{"number": "A"}]', (400, "invalid_json")),
            (b'\xef\xbb\xbf{"number": "A"}', (400, "bom")),
            (b'{"number": "A"}\n{"number": "' + b"a" * 2**20 + b'"}\n', (413, "row_too_large")),
        ],
    )
    def test_unreadable_lines_cost_all(self, body: bytes, refused: tuple[int, str]) -> None:
        assert refusal(body, LINES) == refused

    def test_too_many_rows_cost_all(self) -> None:
        assert refusal(b'[{"number": "A"},{"number": "B"},{"number": "C"}]', ARRAY, max_rows=2) == (
            413,
            "too_many_rows",
        )
        assert outcomes(b'[{"number": "A"},{"number": "B"}]', ARRAY, max_rows=2) == ["A", "B"]

    def test_blank_lines_are_skipped_and_counted(self) -> None:
        assert outcomes(b'\r\n{"number": "A"}\r\n\n{"number": ""}\r\n{"number": "B"}', LINES) == [
            "A",
            (4, "required"),
            "B",
        ]

    def test_unreadable_line_in_the_middle_costs_only_itself(self) -> None:
        assert outcomes(b'{"number": "A"}\n{"numb\n{"number": "B"}\n', LINES) == ["A", (2, "invalid_json"), "B"]

    def test_line_separator_inside_a_text_is_no_line_break(self) -> None:
        assert outcomes('{"number": "A\u2028B"}\n{"number": "B"}'.encode(), LINES) == [(1, "char_not_allowed"), "B"]
