"""JSON Schemas of the kinds: what a reader outside can rely on."""

from datetime import datetime
from typing import ClassVar

import pytest
from jsonschema import Draft202012Validator

from shared.events import KINDS
from shared.events.document import Currency, Document, Instant, Minor, Party
from shared.events.schemas import Schema, components, schemas


class Sale(Document, frozen=True, kw_only=True, omit_defaults=True):
    """A document of this test's own."""

    kind: ClassVar[str] = "sale"
    reasons: ClassVar[frozenset[str]] = frozenset({"made"})

    buyer: Party
    """Who buys."""
    payer: Party | None = None
    currency: Currency
    amount: Minor
    """Never negative."""
    sold_at: Instant

    @property
    def at(self) -> datetime:
        return self.sold_at


@pytest.fixture
def sale() -> Schema:
    return components([Sale], "#/{name}")["Sale"]


class TestComponents:
    def test_a_docstring_below_a_field_describes_it(self, sale: Schema) -> None:
        assert sale["properties"]["buyer"] == {"description": "Who buys.", "allOf": [{"$ref": "#/Party"}]}

    def test_what_a_type_says_stands_behind_it(self, sale: Schema) -> None:
        own, of_the_type = (sale["properties"][name]["description"] for name in ("amount", "currency"))
        assert own.startswith("Never negative. ")
        assert "Never" not in of_the_type

    def test_inherited_fields_are_described_too(self, sale: Schema) -> None:
        assert sale["properties"]["live"]["description"]

    def test_structures_inside_are_there_and_described(self) -> None:
        party = components([Sale], "#/{name}")["Party"]
        assert party["properties"]["id"]["description"]

    def test_fields_with_a_default_are_not_required(self, sale: Schema) -> None:
        assert sale["required"] == ["buyer", "currency", "amount", "sold_at"]


class TestSchemas:
    @pytest.mark.parametrize("kind", KINDS)
    def test_is_json_schema(self, kind: str) -> None:
        Draft202012Validator.check_schema(schemas()[kind])

    @pytest.mark.parametrize("kind", KINDS)
    def test_every_amount_says_what_it_counts(self, kind: str) -> None:
        """INVARIANT: breaks when an amount becomes a bare integer; readers would take minor units for yuan."""
        fields = schemas()[kind]["properties"]
        assert "description" in fields.get("amount", {"description": "has none"})

    def test_lets_fields_pass_that_are_not_known_yet(self) -> None:
        assert "additionalProperties" not in schemas()["order"]
