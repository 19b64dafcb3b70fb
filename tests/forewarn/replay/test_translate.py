"""Translation: the request of each type, derived numbers, time zones, and the table of refusals."""

from collections import Counter
from dataclasses import replace
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from forewarn.replay.lines import Line, ReplayRefused
from forewarn.replay.translate import MAX_IGNORED, OTHER_FIELDS, Document, Options, Translator
from shared.errors import InvalidInput
from tests.forewarn.replay.support import OPTIONS, body, code, invoice, limit, order, payment, translate

LONDON = ZoneInfo("Europe/London")
COMMON = {"source": "replay", "customer": {"external_id": "C1"}, "currency": "CNY"}


class TestBodies:
    def test_order(self) -> None:
        assert body(order(lines=3)) == COMMON | {
            "number": "O1", "amount": "100.50", "placed_at": "2026-03-02T10:00:00+08:00", "lines": 3,
        }  # fmt: skip

    def test_credited_order_becomes_a_return_of_the_positive_amount(self) -> None:
        found = translate(order(type="order.credited", amount=-17.2))
        assert isinstance(found, Document)
        assert found.kind == "return"
        assert found.body == COMMON | {
            "number": "O1", "amount": "17.20", "returned_at": "2026-03-02T10:00:00+08:00",
        }  # fmt: skip

    def test_invoice(self) -> None:
        assert body(invoice(order="O1")) == COMMON | {
            "number": "I1", "amount": "100.00", "issued_at": "2026-03-03T10:00:00+08:00", "due": "2026-04-02",
            "orders": ["O1"],
        }  # fmt: skip

    def test_payment(self) -> None:
        assert body(payment(payment="P1", invoice="I1")) == COMMON | {
            "number": "P1", "amount": "100.00", "received_at": "2026-03-04T10:00:00+08:00", "invoice": "I1",
        }  # fmt: skip

    @pytest.mark.parametrize(
        ("amount", "expected"),
        [
            (5000, {"limit": "amount", "amount": "5000.00"}),
            (0, {"limit": "amount", "amount": "0.00"}),
            ("unlimited", {"limit": "unlimited"}),
            ("none", {"limit": "none"}),
        ],
    )
    def test_limit(self, amount: object, expected: dict[str, str]) -> None:
        found = body(limit(amount=amount))
        number = found.pop("number")
        assert number.startswith("limit-")
        assert found == COMMON | {"valid_from": "2026-03-01T10:00:00+08:00"} | expected

    def test_the_currency_of_the_line_goes_before_that_of_the_run(self) -> None:
        assert body(order(currency="JPY", amount=100))["amount"] == "100"

    @pytest.mark.parametrize("amount", [100, 100.0, "100", "100.000"])
    def test_equal_amounts_are_written_alike(self, amount: object) -> None:
        assert body(order(amount=amount))["amount"] == "100.00"

    def test_whole_numbers_are_taken_as_names(self) -> None:
        found = body(order(customer=13085, order=489434))
        assert (found["customer"]["external_id"], found["number"]) == ("13085", "489434")

    def test_fields_with_null_count_as_missing(self) -> None:
        assert "lines" not in body(order(lines=None))


class TestDerivedNumbers:
    def test_identical_lines_are_one_document(self) -> None:
        assert body(payment())["number"] == body(dict(reversed(payment(amount=100.0).items())))["number"]

    @pytest.mark.parametrize("change", [{"amount": 101}, {"invoice": "I1"}, {"bank_reference": "x"}])
    def test_lines_that_differ_anywhere_are_two(self, change: dict[str, Any]) -> None:
        assert body(payment())["number"] != body(payment(**change))["number"]

    def test_the_number_is_the_same_in_every_version(self) -> None:
        """INVARIANT: a released derivation never changes.

        A changed one would count every document without number twice when a file is replayed after an upgrade.
        """
        assert body(payment())["number"] == "line-241b55a34a8019f52ec132cb6e5396ad"
        assert body(limit())["number"] == "limit-9057cb99eb1f731f50741d24090f3731"

    def test_a_limit_is_known_by_customer_and_instant(self) -> None:
        same = body(limit(ts="2026-03-01T02:00:00Z", amount=7000))["number"]
        assert body(limit())["number"] == same
        assert body(limit(customer="C2"))["number"] != same
        assert body(limit(ts="2026-03-01T10:00:01"))["number"] != same


class TestTimes:
    @pytest.mark.parametrize(
        ("ts", "expected"),
        [
            ("2026-03-02T10:00:00Z", "2026-03-02T10:00:00+00:00"),
            ("2026-03-02t10:00:00.25z", "2026-03-02T10:00:00.250000+00:00"),
            ("2026-03-02 10:00+02:00", "2026-03-02T10:00:00+02:00"),
            ("2026-03-02T10:00:00", "2026-03-02T10:00:00+00:00"),
            ("2026-07-02T10:00:00", "2026-07-02T10:00:00+01:00"),
            ("2026-07-02", "2026-07-02T00:00:00+01:00"),
            ("2026-10-25T01:30:00", "2026-10-25T01:30:00+01:00"),
        ],
    )
    def test_read(self, ts: str, expected: str) -> None:
        assert body(order(ts=ts), Options(currency="GBP", zone=LONDON))["placed_at"] == expected

    def test_a_time_in_the_gap_is_refused(self) -> None:
        assert code(order(ts="2026-03-29T01:30:00"), Options(currency="GBP", zone=LONDON)) == "time_in_gap"

    @pytest.mark.parametrize("ts", ["2026-03-02T10:00:00", "2026-03-02"])
    def test_a_needed_zone_that_is_missing_refuses_the_run(self, ts: str) -> None:
        with pytest.raises(ReplayRefused) as refused:
            translate(order(ts=ts), Options(currency="CNY"))
        assert (refused.value.line, refused.value.code) == (1, "time_zone_required")

    def test_a_zone_nobody_needs_may_be_missing(self) -> None:
        assert body(order(ts="2026-03-02T10:00:00Z"), Options(currency="CNY"))


class TestRefusals:
    @pytest.mark.parametrize(
        ("line", "expected"),
        [
            (order(type="order.shipped"), "unknown_type"),
            (order(type=1), "unknown_type"),
            (order(type=...), "field_required"),
            (order(ts=...), "field_required"),
            (order(customer=...), "field_required"),
            (order(customer="  "), "field_required"),
            (order(customer=1.5), "text_type"),
            (order(customer=["C1"]), "text_type"),
            (order(customer="\ud800"), "char_not_allowed"),
            (order(order=""), "field_required"),
            (order(amount=...), "field_required"),
            (order(amount=True), "amount_format"),
            (order(amount="1,000"), "amount_format"),
            (order(amount="１２"), "amount_format"),
            (order(amount=1.005), "too_many_decimals"),
            (order(amount=-1), "amount_negative"),
            (order(amount=1e16), "amount_too_large"),
            (order(currency="XXX"), "currency_code"),
            (order(currency=7), "currency_code"),
            (order(lines=1.5), "int_type"),
            (order(lines="3"), "int_type"),
            (order(lines=-3), "int_type"),
            (order(ts=1700000000), "datetime_format"),
            (order(ts="2026-02-30T10:00:00Z"), "datetime_format"),
            (order(ts="20260302T100000Z"), "datetime_format"),
            (order(ts="2026-W10-1"), "datetime_format"),
            (order(ts="1999-12-31T10:00:00Z"), "date_out_of_range"),
            (order(type="order.credited", amount=5), "amount_not_negative"),
            (order(type="order.credited", amount=0), "amount_not_negative"),
            (invoice(due=...), "field_required"),
            (invoice(due="2026-02-30"), "date_format"),
            (invoice(due="2026-04-02T00:00:00"), "date_format"),
            (limit(amount="much"), "amount_format"),
            (limit(amount=-1), "amount_negative"),
            ({"type": "expense.recorded"}, "not_yet_supported"),
            ({"type": "expense_budget.set"}, "not_yet_supported"),
            ({"type": "major_change.reported"}, "not_yet_supported"),
        ],
    )
    def test_refused(self, line: dict[str, Any], expected: str) -> None:
        assert code(line) == expected

    @pytest.mark.parametrize("amount", [Decimal("1e999999999"), Decimal("1e-999999999")])
    def test_a_short_line_cannot_ask_for_gigabytes(self, amount: Decimal) -> None:
        found = Translator(OPTIONS).translate(Line(1, order(amount=amount)))
        assert getattr(found, "code", None) == "amount_too_large"

    def test_a_needed_currency_that_is_missing_refuses_the_run(self) -> None:
        with pytest.raises(ReplayRefused) as refused:
            translate(order(), replace(OPTIONS, currency=None))
        assert (refused.value.line, refused.value.code) == (1, "currency_required")

    def test_an_unknown_currency_of_the_run_is_refused_at_once(self) -> None:
        with pytest.raises(InvalidInput):
            Translator(Options(currency="XXX"))


class TestIgnoredFields:
    def test_unknown_fields_are_counted_by_name(self) -> None:
        translator = Translator(OPTIONS)
        translator.translate(Line(1, order(amount=Decimal(1), colour="red", shape="x")))
        translator.translate(Line(2, order(amount=Decimal(1), colour="red")))
        assert translator.ignored == Counter(colour=2, shape=1)

    def test_names_without_end_do_not_fill_the_memory(self) -> None:
        translator = Translator(OPTIONS)
        for number in range(3 * MAX_IGNORED):
            translator.translate(Line(number, order(amount=Decimal(1)) | {f"field{number}": 1}))
        assert len(translator.ignored) == MAX_IGNORED + 1
        assert translator.ignored[OTHER_FIELDS] == 2 * MAX_IGNORED
