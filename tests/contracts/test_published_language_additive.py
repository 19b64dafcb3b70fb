"""Only additive changes: the language as released, kept in `golden/asyncapi.json`, against the language as it is now.

A release that adds something replaces that file by `docs/asyncapi.json`; nothing else does.
"""

import json
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest

from shared.events.asyncapi import asyncapi_document
from tests.contracts.additive import breaks
from tests.support.published_language import GOLDEN

Json = dict[str, Any]

CURRENT = asyncapi_document()


def order(document: Json) -> Json:
    found: Json = document["components"]["schemas"]["Order"]
    return found


def headers(document: Json) -> Json:
    found: Json = document["components"]["messages"]["order"]["headers"]
    return found


def changed(change: Callable[[Json], object]) -> list[str]:
    later = deepcopy(CURRENT)
    change(later)
    return breaks(CURRENT, later)


class TestReleased:
    def test_readers_of_then_and_now_understand_each_other(self) -> None:
        """INVARIANT: breaks when a field, a type, a default, a topic or a header of the release is changed."""
        released = json.loads((GOLDEN / "asyncapi.json").read_text(encoding="utf-8"))
        assert breaks(released, CURRENT) == []


class TestBreaks:
    @pytest.mark.parametrize(
        "change",
        [
            pytest.param(lambda one: order(one)["properties"].pop("bill_to"), id="field removed"),
            pytest.param(lambda one: order(one)["properties"]["amount"].update(type="string"), id="type changed"),
            pytest.param(lambda one: order(one)["properties"]["amount"].update(minimum=1), id="type narrowed"),
            pytest.param(lambda one: order(one)["properties"]["lines"]["anyOf"].pop(), id="no longer null"),
            pytest.param(lambda one: order(one)["properties"]["lines"]["anyOf"].reverse(), id="other alternatives"),
            pytest.param(lambda one: order(one)["properties"]["party"].update({"$ref": "#/x"}), id="other structure"),
            pytest.param(lambda one: order(one)["properties"]["state"]["enum"].remove("held"), id="value removed"),
            pytest.param(lambda one: order(one)["properties"]["state"].update(default="held"), id="default changed"),
            pytest.param(lambda one: order(one)["properties"]["state"].pop("default"), id="default removed"),
            pytest.param(lambda one: order(one)["required"].append("state"), id="optional became required"),
            pytest.param(lambda one: order(one)["required"].remove("amount"), id="required became optional"),
            pytest.param(
                lambda one: (order(one)["properties"].update(new={}), order(one)["required"].append("new")),
                id="new and required",
            ),
            pytest.param(lambda one: headers(one)["properties"].pop("ce_epoch"), id="header removed"),
            pytest.param(lambda one: headers(one)["properties"]["ce_type"]["enum"].pop(), id="reason removed"),
            pytest.param(lambda one: one["components"]["messages"].pop("order"), id="kind removed"),
            pytest.param(lambda one: one["components"]["schemas"].pop("Party"), id="structure removed"),
            pytest.param(lambda one: one["channels"]["orders"]["messages"].pop("order"), id="kind moved"),
            pytest.param(lambda one: one["channels"].pop("orders"), id="topic removed"),
            pytest.param(lambda one: one["channels"]["orders"].update(address="x"), id="topic renamed"),
            pytest.param(
                lambda one: one["channels"]["orders"]["bindings"]["kafka"].update(partitions=24), id="partitions"
            ),
            pytest.param(
                lambda one: one["components"]["messages"]["order"]["bindings"]["kafka"].update(key={}), id="other key"
            ),
        ],
    )
    def test_refuses(self, change: Callable[[Json], object]) -> None:
        assert changed(change)

    @pytest.mark.parametrize(
        "change",
        [
            pytest.param(lambda one: order(one)["properties"].update(new={"default": 0}), id="field with a default"),
            pytest.param(lambda one: order(one)["properties"]["state"]["enum"].append("packed"), id="value"),
            pytest.param(lambda one: order(one).update(description="Clearer."), id="description"),
            pytest.param(lambda one: headers(one)["properties"]["ce_type"]["enum"].append("x"), id="reason"),
            pytest.param(lambda one: headers(one)["properties"].update(ce_traceparent={}), id="header"),
            pytest.param(lambda one: one["components"]["schemas"].update(New={}), id="structure"),
            pytest.param(lambda one: one["components"]["messages"].update(new={}), id="kind"),
            pytest.param(lambda one: one["channels"].update(new={}), id="topic"),
        ],
    )
    def test_lets_pass_a_new(self, change: Callable[[Json], object]) -> None:
        assert changed(change) == []
