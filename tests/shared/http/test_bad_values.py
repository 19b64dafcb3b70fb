"""The bad-input matrix of values: what every route that takes documents refuses, with which code at which field."""

import httpx
import pytest

from tests.shared.http.orders import codes_of

GOOD = '"number": "A-1"'


def with_field(name: str, written: str) -> bytes:
    """An order with one more field, exactly as written."""
    return f'{{{GOOD}, "{name}": {written}}}'.encode()


def with_number(written: str) -> bytes:
    """An order with this number."""
    return f'{{"number": {written}}}'.encode()


VALUES = [
    ("V1", with_field("note", r'"a\u0000"'), 422, {"note": "char_not_allowed"}),
    ("V2", with_field("customer", r'{"\u0000": 1}'), 422, {"customer": "char_not_allowed"}),
    ("V3", with_field("note", r'"\ud800"'), 422, {"note": "char_not_allowed"}),
    (
        "V3 nested",
        with_field("customer", r'{"external_id": "\udfff"}'),
        422,
        {"customer.external_id": "char_not_allowed"},
    ),
    ("V4", with_field("note", r'"a\u0007b"'), 422, {"note": "char_not_allowed"}),
    ("V4 newline", with_field("note", r'"a\nb"'), 422, {"note": "char_not_allowed"}),
    ("V4 DEL", with_field("note", '"a\x7fb"'), 422, {"note": "char_not_allowed"}),
    ("V4 C1", with_field("note", '"a\x85b"'), 422, {"note": "char_not_allowed"}),
    ("V5 zero width", with_number('"A\u200b1"'), 422, {"number": "char_not_allowed"}),
    ("V5 direction", with_number('"A\u202e1"'), 422, {"number": "char_not_allowed"}),
    ("V5 mark", with_number('"\ufeffA1"'), 422, {"number": "char_not_allowed"}),
    (
        "V5 in a name",
        with_field("customer", '{"external_id": "A\u200b1"}'),
        422,
        {"customer.external_id": "char_not_allowed"},
    ),
    ("V6", with_number('"Caf\u00e9"'), 422, {"number": "pattern"}),
    ("V7", with_field("amount", '"１２"'), 422, {"amount": "amount_format"}),
    ("V7 arabic", with_field("amount", '"١٢"'), 422, {"amount": "amount_format"}),
    ("V8", with_field("amount", '"1_000"'), 422, {"amount": "amount_format"}),
    ("V8 integer", with_field("lines", '"1_000"'), 422, {"lines": "int_type"}),
    ("V9", with_number('" A-1"'), 422, {"number": "pattern"}),
    ("V9 two inside", with_number('"A  1"'), 422, {"number": "pattern"}),
    ("V10", with_field("note", '""'), 422, {"note": "required"}),
    ("V10 spaces", with_field("note", '" \u3000"'), 422, {"note": "required"}),
    ("V10 code", with_number('"  "'), 422, {"number": "required"}),
    ("V11", with_number('"' + "a" * 65 + '"'), 422, {"number": "too_long"}),
    ("V11 text", with_field("note", '"' + "é" * 201 + '"'), 422, {"note": "too_long"}),
    ("V12", with_field("note", '"' + "a" * 1_000_000 + '"'), 422, {"note": "too_long"}),
    ("V13", with_field("currency", '"😀"'), 422, {"currency": "currency_code"}),
    *(
        (f"V14 {code}", with_field("currency", f'"{code}"'), 422, {"currency": "currency_code"})
        for code in ("CNYX", "cny", "XXX", "", "CN")
    ),
    ("V16", with_field("lines", "2147483648"), 422, {"lines": "out_of_range"}),
    ("V17", with_field("lines", "9223372036854775808"), 422, {"lines": "out_of_range"}),
    ("V17 larger", with_field("lines", "100000000000000000000"), 422, {"lines": "out_of_range"}),
    ("V18", with_field("lines", "9" * 4301), 400, {"": "number_too_long"}),
    ("V18 amount", with_field("amount", "9" * 4301), 400, {"": "number_too_long"}),
    ("V18 decimals", with_field("amount", "0." + "9" * 4301), 400, {"": "number_too_long"}),
    ("V19", with_field("lines", "1.0"), 422, {"lines": "int_type"}),
    ("V19 half", with_field("lines", "1.5"), 422, {"lines": "int_type"}),
    ("V20", with_field("lines", "true"), 422, {"lines": "int_type"}),
    ("V21", with_field("lines", '"7"'), 422, {"lines": "int_type"}),
    ("V22", with_field("amount", "NaN"), 400, {"": "invalid_json"}),
    *(
        (f"V23 {text}", with_field("amount", f'"{text}"'), 422, {"amount": "amount_format"})
        for text in ("NaN", "Infinity", "-Infinity", "sNaN")
    ),
    ("V24", with_field("amount", "1e400"), 400, {"": "number_out_of_range"}),
    ("V24 small", with_field("amount", "1e-400"), 400, {"": "number_out_of_range"}),
    ("V24 beyond decimals", with_field("amount", "1e99999999999999999999"), 400, {"": "number_out_of_range"}),
    ("V25", with_field("amount", '"1E+999999"'), 422, {"amount": "amount_format"}),
    ("V25 small", with_field("amount", '"1E-999999"'), 422, {"amount": "amount_format"}),
    ("V26", with_field("amount", '"12345678901234567890"'), 422, {"amount": "amount_too_large"}),
    ("V26 number", with_field("amount", "12345678901234567890"), 422, {"amount": "amount_too_large"}),
    ("V26 exponent", with_field("amount", "1e300"), 422, {"amount": "amount_too_large"}),
    ("V27", with_field("amount", '"1.005"'), 422, {"amount": "too_many_decimals"}),
    ("V28", with_field("amount", "0.30000000000000004"), 422, {"amount": "too_many_decimals"}),
    ("V28 lost by floats", with_field("amount", "10.000000000000000001"), 422, {"amount": "too_many_decimals"}),
    ("V28 exponent", with_field("amount", "1e-300"), 422, {"amount": "too_many_decimals"}),
    ("V29", with_field("currency", '"JPY", "amount": 10.5'), 422, {"amount": "too_many_decimals"}),
    *(
        (f"V30 {text}", with_field("amount", f'"{text}"'), 422, {"amount": "amount_format"})
        for text in ("1,000.00", "1.000,00", "¥100", "(100)", "+5", " 5", "5.", ".5", "007", "0x10", "")
    ),
    ("V31", with_field("amount", "-5"), 422, {"amount": "amount_negative"}),
    ("V33", with_field("amount", '"1000000000000.01"'), 422, {"amount": "amount_too_large"}),
    *(
        (f"V34 {written}", with_field("amount", written), 422, {"amount": "amount_format"})
        for written in ("true", "null", "[]", "{}")
    ),
    ("V38", with_field("placed_at", '"2026-01-01T00:00:00"'), 422, {"placed_at": "timezone_required"}),
    ("V39", with_field("placed_at", '"2026-01-01"'), 422, {"placed_at": "timezone_required"}),
    *(
        (f"V40 {written}", with_field("placed_at", written), 422, {"placed_at": "datetime_format"})
        for written in ("0", '"1700000000"', "1700000000", "1.5", "true", "[]")
    ),
    ("V41", with_field("placed_at", '"0000-01-01T00:00:00Z"'), 422, {"placed_at": "datetime_format"}),
    *(
        (f"V42 {text}", with_field("placed_at", f'"{text}"'), 422, {"placed_at": "date_out_of_range"})
        for text in (
            "0001-01-01T00:00:00Z",
            "0001-01-01T00:00:00+14:00",
            "9999-12-31T23:59:59-14:00",
            "1999-12-31T23:59:59Z",
            "2101-01-01T00:00:00Z",
        )
    ),
    *(
        (f"V44 {text}", with_field("placed_at", f'"{text}"'), 422, {"placed_at": "datetime_format"})
        for text in (
            "2026-02-30T00:00:00Z",
            "2026-01-01T24:00:00Z",
            "2026-12-31T23:59:60Z",
            "2026-01-01T00:00:00+99:99",
            "2026-01-01T00:00:00.1234567Z",
            "2026-W01-1T00:00:00Z",
            "20260101T000000Z",
            "2026-01-01T00:00:00Z ",
            "２026-01-01T00:00:00Z",
            "2026-01-01T00:00Z",
        )
    ),
    ("V44 day", with_field("due", '"2026-02-30"'), 422, {"due": "date_format"}),
    ("V44 other day", with_field("due", '"1.3.2026"'), 422, {"due": "date_format"}),
    ("V42 day", with_field("due", '"1999-12-31"'), 422, {"due": "date_out_of_range"}),
    ("V47", with_field("state", '"SHIPPPED"'), 422, {"state": "enum"}),
    ("V55", with_field("amout", "1"), 422, {"amout": "unknown_field"}),
    ("V56", with_field("created_at", '"2026-01-01T00:00:00Z"'), 422, {"created_at": "unknown_field"}),
    ("V57", with_field("customer", '{"a":' * 900 + "1" + "}" * 900), 400, {"": "too_deep"}),
    ("V57 17", with_field("customer", "[" * 16 + "]" * 16), 400, {"": "too_deep"}),
    ("V63", with_field("note", r'"a@b.c\r\nBcc: x"'), 422, {"note": "char_not_allowed"}),
    ("null", b'{"number": null}', 422, {"number": "not_nullable"}),
    ("text for object", with_field("customer", '"C1"'), 422, {"customer": "object_expected"}),
    ("text for flag", with_field("express", '"yes"'), 422, {"express": "bool_type"}),
    ("number for flag", with_field("express", "1"), 422, {"express": "bool_type"}),
    ("no id", with_field("customer", '{"id": "1"}'), 422, {"customer.id": "id_format"}),
    ("number for text", with_field("note", "5"), 422, {"note": "string_type"}),
    ("missing", b"{}", 422, {"number": "required"}),
    ("H1", b"", 400, {"": "invalid_json"}),
    ("H1 blank", b" \n", 400, {"": "invalid_json"}),
    *((f"H2 {text!r}", text, 422, {"": "object_expected"}) for text in (b"null", b"[]", b'"x"', b"1", b"1.5")),
    *(
        (f"H3 {text!r}", text, 400, {"": "invalid_json"})
        for text in (
            b'{"number": "A",}',
            b"{'number': 'A'}",
            b"{} // x",
            b"{}{}",
            b"[",
            b'{"number": "A\n"}',
        )
    ),
    ("H5", b"\xef\xbb\xbf{}", 400, {"": "bom"}),
    ("H6", '{"number": "A"}'.encode("utf-16"), 400, {"": "not_utf8"}),
    ("H6 little", '{"number": "A"}'.encode("utf-16-le"), 400, {"": "not_utf8"}),
    ("H6 32", '{"number": "A"}'.encode("utf-32"), 400, {"": "not_utf8"}),
    ("H7", '{"note": "é"}'.encode("latin-1"), 400, {"": "not_utf8"}),
    ("H7 overlong", b'{"note": "\xc0\x80"}', 400, {"": "not_utf8"}),
    ("H7 surrogate", b'{"note": "\xed\xa0\x80"}', 400, {"": "not_utf8"}),
    ("H7 cut", b'{"note": "\xe4\xb8"}', 400, {"": "not_utf8"}),
    ("H19", b"[" * 100_000, 400, {"": "too_deep"}),
    ("H20", b'{"a":' * 50_000, 400, {"": "too_deep"}),
]

KEPT = [
    ("V6 composed", with_field("note", '"Cafe\u0301"'), "note", "Caf\u00e9"),
    ("V9 name", with_field("note", '"  Hello \u3000"'), "note", "Hello"),
    ("V32", with_field("amount", '"-0.00"'), "amount", 0),
    ("V32 number", with_field("amount", "-0"), "amount", 0),
    ("string", with_field("amount", '"1250.5"'), "amount", 125050),
    ("number", with_field("amount", "1250.5"), "amount", 125050),
    ("zeros behind", with_field("amount", '"1.5000000000"'), "amount", 150),
    ("exponent", with_field("amount", "12e2"), "amount", 120000),
    ("largest", with_field("amount", "1000000000000.00"), "amount", 10**14),
    ("number beyond floats", with_field("amount", "100000000000.07"), "amount", 10_000_000_000_007),
    ("zone", with_field("placed_at", '"2026-03-01T09:30:00.123456+08:00"'), "placed_at", "2026-03-01T01:30:00.123456Z"),
    ("space", with_field("placed_at", '"2026-03-01 09:30:00Z"'), "placed_at", "2026-03-01T09:30:00Z"),
    ("V60", with_field("note", '"<script>{{7*7}}${jndi:x}"'), "note", "<script>{{7*7}}${jndi:x}"),
    ("V61", with_field("note", '"=cmd|x"'), "note", "=cmd|x"),
    ("V62", with_field("note", '"\'; DROP TABLE"'), "note", "'; DROP TABLE"),
    ("escaped, not U+0000", with_field("note", r'"a\\u0000"'), "note", r"a\u0000"),
    ("astral", with_field("note", r'"\ud83d\ude00"'), "note", "😀"),
    *(
        (f"number {code}", with_number(f'"{code}"'), "number", code)
        for code in ("C489449", "SO-2026/001", "A 1", "00012")
    ),
]


class TestValues:
    @pytest.mark.parametrize(("body", "status", "codes"), [row[1:] for row in VALUES], ids=[row[0] for row in VALUES])
    async def test_bad_value_is_refused_with_its_field_and_code(
        self, client: httpx.AsyncClient, body: bytes, status: int, codes: dict[str, str]
    ) -> None:
        answer = await client.post("/v1/orders", content=body, headers={"content-type": "application/json"})

        assert (answer.status_code, codes_of(answer)) == (status, codes)
        assert answer.headers["content-type"] == "application/problem+json"

    @pytest.mark.parametrize(("body", "field", "kept"), [row[1:] for row in KEPT], ids=[row[0] for row in KEPT])
    async def test_good_value_is_kept_exactly(
        self, client: httpx.AsyncClient, body: bytes, field: str, kept: object
    ) -> None:
        answer = await client.post("/v1/orders", content=body, headers={"content-type": "application/json"})

        assert answer.status_code == 201, answer.text
        assert answer.json()[field] == kept

    async def test_misspelt_field_is_answered_with_the_likely_one(self, client: httpx.AsyncClient) -> None:
        answer = await client.post("/v1/orders", json={"number": "A", "amout": 1})

        assert "did you mean amount?" in answer.json()["errors"][0]["message"]

    async def test_no_value_is_ever_echoed(self, client: httpx.AsyncClient) -> None:
        """INVARIANT: an error that shows values puts phone numbers and secrets into the logs of every client."""
        canary = "canary-13800138000"
        fields = ("number", "currency", "amount", "placed_at", "due", "state", "customer", "lines", "express")
        sent = {name: [canary] for name in fields} | {"note": canary + "\0", f"{canary}€": canary}

        answers = [
            await client.post("/v1/orders", json=sent),
            await client.post("/v1/orders", json=dict.fromkeys(fields, f"{canary} ")),
            await client.post("/v1/orders", content=canary, headers={"content-type": "application/json"}),
            await client.get("/v1/orders", params={"limit": canary, "since": canary, "cursor": canary}),
            await client.get(f"/v1/orders/{canary}"),
        ]

        assert [answer.status_code for answer in answers] == [422, 422, 400, 422, 422]
        assert not [answer.text for answer in answers if canary in answer.text]

    async def test_at_most_fifty_errors_are_shown(self, client: httpx.AsyncClient) -> None:
        answer = await client.post("/v1/orders", json={f"x{number}": 1 for number in range(200)})

        assert len(answer.json()["errors"]) == 50
