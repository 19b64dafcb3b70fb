"""Money: decimal strings to minor units and back, without losing or inventing any."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import InvalidInput
from shared.money import EXPONENTS, MAX_MINOR, exponent, to_decimal, to_minor

currencies = st.sampled_from(sorted(EXPONENTS))
amounts = st.integers(-MAX_MINOR, MAX_MINOR)


def refusal(amount: str, currency: str) -> str:
    with pytest.raises(InvalidInput) as refused:
        to_minor(amount, currency)
    return refused.value.code


class TestToDecimal:
    @given(amounts, currencies)
    def test_is_undone_by_to_minor(self, minor: int, currency: str) -> None:
        """INVARIANT: breaks when a sign, a leading zero or a digit is lost on the way out or in."""
        assert to_minor(to_decimal(minor, currency), currency) == minor

    @given(amounts, currencies)
    def test_has_the_value_and_exactly_the_decimals_of_the_currency(self, minor: int, currency: str) -> None:
        decimal = Decimal(to_decimal(minor, currency))
        assert decimal == Decimal(minor).scaleb(-EXPONENTS[currency])
        assert -int(decimal.as_tuple().exponent) == EXPONENTS[currency]

    @given(amounts, amounts, currencies)
    def test_keeps_sums(self, one: int, other: int, currency: str) -> None:
        added = Decimal(to_decimal(one, currency)) + Decimal(to_decimal(other, currency))
        assert added == Decimal(to_decimal(one + other, currency))

    @pytest.mark.parametrize(
        ("minor", "currency", "text"),
        [
            (0, "CNY", "0.00"),
            (5, "CNY", "0.05"),
            (-5, "CNY", "-0.05"),
            (125000, "CNY", "1250.00"),
            (-100, "CNY", "-1.00"),
            (0, "JPY", "0"),
            (-7, "JPY", "-7"),
            (1, "KWD", "0.001"),
            (1234567, "KWD", "1234.567"),
        ],
    )
    def test_looks_like(self, minor: int, currency: str, text: str) -> None:
        assert to_decimal(minor, currency) == text


class TestToMinor:
    @pytest.mark.parametrize(
        ("amount", "currency", "minor"),
        [
            ("1250", "CNY", 125000),
            ("1250.5", "CNY", 125050),
            ("1250.50", "CNY", 125050),
            ("0.10", "CNY", 10),
            ("-0", "CNY", 0),
            ("-0.01", "CNY", -1),
            ("1250.500000", "CNY", 125050),
            ("12.000", "JPY", 12),
            ("0.0010", "KWD", 1),
            ("1000000000000", "CNY", MAX_MINOR),
        ],
    )
    def test_reads(self, amount: str, currency: str, minor: int) -> None:
        assert to_minor(amount, currency) == minor

    @given(amounts, currencies, st.integers(0, 3))
    def test_zeros_behind_the_decimals_change_nothing(self, minor: int, currency: str, zeros: int) -> None:
        text = to_decimal(minor, currency)
        padded = text + ("." if "." not in text and zeros else "") + "0" * zeros
        assert to_minor(padded, currency) == minor

    @pytest.mark.parametrize(
        "amount",
        [
            *("", "-", "1.", ".5", "01", "+5", "--1", "1 250", " 1", "1\n", "1,250.00", "1_000", "1e3", "0x10", "١٢"),
            *("NaN", "Infinity", "1.0000000", "1" * 19),
        ],
    )
    def test_refuses_what_is_no_plain_decimal(self, amount: str) -> None:
        assert refusal(amount, "CNY") == "amount_format"

    @pytest.mark.parametrize(("amount", "currency"), [("0.001", "CNY"), ("0.5", "JPY"), ("1.0001", "KWD")])
    def test_never_rounds(self, amount: str, currency: str) -> None:
        assert refusal(amount, currency) == "too_many_decimals"

    @pytest.mark.parametrize("amount", ["1000000000000.01", "-1000000000000.01", "9" * 18])
    def test_has_a_ceiling(self, amount: str) -> None:
        assert refusal(amount, "CNY") == "amount_too_large"

    @pytest.mark.parametrize("currency", ["", "cny", "RMB", "XXX", "CNY ", "HRK"])
    def test_refuses_a_currency_nobody_pays_in(self, currency: str) -> None:
        assert refusal("1", currency) == "currency_code"


class TestExponent:
    @pytest.mark.parametrize(("currency", "decimals"), [("CNY", 2), ("JPY", 0), ("KWD", 3), ("ISK", 0), ("UYU", 2)])
    def test_is_that_of_iso_4217(self, currency: str, decimals: int) -> None:
        assert exponent(currency) == decimals

    def test_a_currency_stands_in_one_list_only(self) -> None:
        counts = {places: sum(one == places for one in EXPONENTS.values()) for places in (0, 2, 3)}
        assert counts[0] == 16
        assert counts[3] == 7
        assert sum(counts.values()) == len(EXPONENTS)
