"""Input types: what the matrix of bad input does not say of them."""

import json
import unicodedata
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import model_validator

from shared.errors import ForewarnError, InvalidInput
from shared.http.inputs import (
    Amount,
    Currency,
    ExternalId,
    Input,
    Money,
    MoneyRule,
    Number,
    PositiveMoney,
    SignedMoney,
    minor_of,
    parse_body,
)
from shared.http.inputs.times import When
from shared.ids import canonical_external_id
from shared.money import EXPONENTS, to_decimal

BERLIN = ZoneInfo("Europe/Berlin")


class Timed(Input):
    """A time."""

    at: When


class Paid(Input):
    """One amount of each sort."""

    currency: Currency | None = None
    amount: Money | None = None
    paid: PositiveMoney | None = None
    change: SignedMoney | None = None


class Named(Input):
    """A name."""

    name: ExternalId


class Rated(Input):
    """A number."""

    rate: Number


def code_of(model: type[Input], zone: ZoneInfo | None = None, **fields: object) -> str:
    """The code with which these fields are refused."""
    with pytest.raises(ForewarnError) as refused:
        parse_body(model, json.dumps(fields).encode(), zone)
    return refused.value.code


class TestWhen:
    def at(self, text: str, zone: ZoneInfo | None = None) -> datetime:
        return parse_body(Timed, json.dumps({"at": text}).encode(), zone).at

    def test_local_time_is_read_in_the_zone_of_its_source(self) -> None:
        assert self.at("2026-07-01T12:00:00", BERLIN) == datetime(2026, 7, 1, 10, tzinfo=UTC)

    def test_offset_counts_more_than_the_zone_of_the_source(self) -> None:
        assert self.at("2026-07-01T12:00:00Z", BERLIN) == datetime(2026, 7, 1, 12, tzinfo=UTC)

    def test_time_that_was_skipped_is_refused(self) -> None:
        assert code_of(Timed, BERLIN, at="2026-03-29T02:30:00") == "dst_gap"

    def test_of_two_times_the_earlier_is_taken(self) -> None:
        assert self.at("2026-10-25T02:30:00", BERLIN) == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)

    def test_edges_of_the_range_are_counted_in_utc(self) -> None:
        assert self.at("2000-01-01T00:00:00Z").year == 2000
        assert code_of(Timed, at="2000-01-01T00:00:00+00:01") == "date_out_of_range"

    @given(st.datetimes(datetime(2000, 1, 2), datetime(2100, 12, 30), timezones=st.timezones()))  # noqa: DTZ001
    def test_what_was_written_is_read(self, at: datetime) -> None:
        assert self.at(at.astimezone(UTC).isoformat()) == at.astimezone(UTC)


class TestMoney:
    @given(st.integers(0, 10**14), st.sampled_from(sorted(EXPONENTS)), st.booleans())
    def test_minor_units_are_exact(self, minor: int, currency: str, quoted: bool) -> None:
        """INVARIANT: an amount sent as a number counts exactly as one sent as text."""
        text = to_decimal(minor, currency)
        written = f'"{text}"' if quoted else text

        paid = parse_body(Paid, f'{{"currency": "{currency}", "amount": {written}}}'.encode())

        assert paid.amount == minor

    def test_signs_are_the_models(self) -> None:
        assert code_of(Paid, currency="CNY", amount="-1") == "amount_negative"
        assert code_of(Paid, currency="CNY", paid=0) == "amount_zero"
        assert parse_body(Paid, b'{"currency": "CNY", "change": -1}').change == -100

    def test_amount_without_currency_is_refused(self) -> None:
        """INVARIANT: an amount whose currency is null must not silently become 0."""
        assert code_of(Paid, amount="1") == "currency_required"

    def test_bad_currency_is_reported_once(self) -> None:
        assert code_of(Paid, currency="XXX", amount="1") == "currency_code"

    def test_model_with_an_amount_before_its_currency_cannot_be_declared(self) -> None:
        """INVARIANT: fields are checked in order; before its currency an amount would be 0."""
        with pytest.raises(TypeError, match="declare currency before"):
            type("Wrong", (Input,), {"__annotations__": {"amount": Money | None, "currency": Currency}})
        with pytest.raises(TypeError, match="declare base before"):
            type("Wrong", (Input,), {"__annotations__": {"amount": Annotated[int, MoneyRule("base")]}})

    def test_amount_of_a_document_that_has_its_currency(self) -> None:
        class Change(Input):
            amount: Amount

        change = parse_body(Change, b'{"amount": 12.5}')

        assert minor_of("amount", change.amount, "CNY") == 1250
        with pytest.raises(InvalidInput) as refused:
            minor_of("amount", change.amount, "JPY")
        assert [(error.field, error.code) for error in refused.value.fields] == [("amount", "too_many_decimals")]

    @given(st.text(max_size=12) | st.floats().map(str) | st.decimals().map(str))
    def test_any_text_is_an_amount_or_refused(self, text: str) -> None:
        try:
            paid = parse_body(Paid, json.dumps({"currency": "CNY", "change": text}).encode())
        except ForewarnError as error:
            assert error.status == 422  # noqa: PT017
        else:
            assert paid.change == Decimal(text) * 100


class TestNumber:
    @pytest.mark.parametrize(("written", "kept"), [("0.125", "0.125"), ('"7.1234"', "7.1234"), ("1e-12", "1E-12")])
    def test_number_is_exact(self, written: str, kept: str) -> None:
        assert parse_body(Rated, f'{{"rate": {written}}}'.encode()).rate == Decimal(kept)

    def test_number_that_is_none_is_refused(self) -> None:
        assert code_of(Rated, rate="1,5") == "number_format"
        assert code_of(Rated, rate="0.1234567890123") == "too_many_decimals"


class TestText:
    @given(st.text(min_size=1, max_size=200))
    def test_name_is_what_its_party_is_called(self, text: str) -> None:
        """INVARIANT: a name kept in another form than `party_id` reads it would make two customers of one."""
        try:
            name = parse_body(Named, json.dumps({"name": text}).encode()).name
        except ForewarnError as error:
            assert error.code in ("char_not_allowed", "required", "too_long")  # noqa: PT017
        else:
            assert name == canonical_external_id(text) == unicodedata.normalize("NFC", name)
            assert 1 <= len(name) <= 128

    def test_case_and_leading_zeros_are_kept(self) -> None:
        assert parse_body(Named, b'{"name": "00aB"}').name == "00aB"


class TestModel:
    def test_rule_over_several_fields_names_the_field(self) -> None:
        class Ordered(Input):
            first: Number
            last: Number

            @model_validator(mode="after")
            def in_order(self) -> "Ordered":
                if self.first > self.last:
                    raise InvalidInput("order", "first is not above last")
                return self

        assert code_of(Ordered, first="2", last="1") == "order"

    def test_message_of_a_foreign_validator_is_not_shown(self) -> None:
        class Odd(Input):
            name: ExternalId

            @model_validator(mode="after")
            def fail(self) -> "Odd":
                raise ValueError(f"secret {self.name}")

        with pytest.raises(InvalidInput) as refused:
            parse_body(Odd, b'{"name": "canary"}')
        assert "canary" not in f"{refused.value} {refused.value.fields}"
        assert refused.value.code == "invalid_value"
