"""Prices of a compute unit, and units as text and numbers."""

from decimal import Decimal

import pytest

from pipeline.cli.console.money import CuPrice, parse_cu_price, units_text
from pipeline.errors import UsageError
from pipeline.units import units_number


@pytest.mark.parametrize(
    ("text", "amount", "currency"),
    [
        ("0.012", "0.012", ""),
        ("0.012EUR", "0.012", "EUR"),
        ("EUR 0.012", "0.012", "EUR"),
        ("0.012 EUR", "0.012", "EUR"),
        ("$0.012", "0.012", "$"),
        ("0.012 €", "0.012", "€"),
        ("US$0.5", "0.5", "US$"),
        (" 3 ", "3", ""),
        ("0.000000000001", "0.000000000001", ""),
        ("1000000", "1000000", ""),
    ],
)
def test_a_price_is_an_amount_and_a_currency_on_either_side(text, amount, currency):
    assert parse_cu_price(text) == CuPrice(amount=Decimal(amount), currency=currency)


@pytest.mark.parametrize(
    "text",
    [
        *("", "EUR", "abc", "nan", "NaN", "inf", "Infinity", "1e-2", "1_000", "0x1"),
        *("-0.012", "-$1", "$-1", "+1", "0", "0.000", "0EUR", "0.0000000000001"),
        *("1000000.01", "9" * 19, "9" * 400, "0,012", "1,000", ".5", "5.", "1 2"),
        *("EUR 1 EUR", "$1 EUR", "EUROPE 1", "1 EUR\x1b[2J", "\uff11", "1\n2"),
    ],
)
def test_what_is_no_price_above_zero_is_refused(text):
    with pytest.raises(UsageError, match="price of a compute unit"):
        parse_cu_price(text)


@pytest.mark.parametrize(
    ("price", "units", "shown"),
    [
        ("0.012 EUR", "99", "1.19 EUR"),
        ("$0.012", "99", "$1.19"),
        ("0.012", "99", "1.19"),
        ("1 EUR", "1234567.5", "1,234,567.50 EUR"),
        ("0.01 EUR", "12.5", "0.12 EUR"),  # half to even
        ("0.01 EUR", "13.5", "0.14 EUR"),
        ("0.012 EUR", "0.3", "0.0036 EUR"),  # below a cent
        ("0.012 EUR", "0.001", "0.000012 EUR"),
        ("0.0123456 EUR", "0.1", "0.0012 EUR"),
        ("0.0000001 EUR", "0.000004", "0.0000000000004 EUR"),
        ("0.00999999 EUR", "1", "0.01 EUR"),
        ("1 EUR", "0", "0.00 EUR"),
        ("1 EUR", "-2", "-2.00 EUR"),
        ("$1", "-2", "-$2.00"),
        ("1000000 EUR", "1E+30", "1" + ",000" * 12 + ".00 EUR"),
    ],
)
def test_money_has_two_decimals_and_below_a_cent_two_digits(price, units, shown):
    assert parse_cu_price(price).shown(Decimal(units)) == shown


def test_money_is_multiplied_exactly():
    price = parse_cu_price("0.01234567890123456789")

    money = price.amount_of(Decimal("98765432109876543210.5"))

    assert money == Decimal("1219326311370217952.243636640561880810845")


@pytest.mark.parametrize(
    ("units", "text"),
    [
        ("99", "99"),
        ("99.00", "99"),
        ("1234.50", "1,234.5"),
        ("1E+3", "1,000"),
        ("1000", "1,000"),
        ("0", "0"),
        ("-0.0", "0"),
        ("0E-9", "0"),
        ("-1234.5", "-1,234.5"),
        ("1E-9", "0.000000001"),
        ("0.1000000000000000055", "0.1000000000000000055"),
    ],
)
def test_units_are_shown_with_all_digits_that_count(units, text):
    assert units_text(Decimal(units)) == text


def test_units_can_be_cut_to_a_number_of_decimals():
    assert units_text(Decimal("1.00005"), decimals=4) == "1"
    assert units_text(Decimal("1.23456"), decimals=4) == "1.2346"
    assert units_text(Decimal("-0.00001"), decimals=4) == "0"


def test_whole_units_are_whole_numbers_of_json():
    assert repr(units_number(Decimal("3.00"))) == "3"
    assert repr(units_number(Decimal("7.25"))) == "7.25"
