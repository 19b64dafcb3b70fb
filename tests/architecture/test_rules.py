"""Every module keeps the rules that no linter knows."""

import ast

import pytest

from tests.architecture.rules import RULES, Rule
from tests.architecture.sources import ALL, APPLICATION, Module, modules

MAX_LINES = 350
"""Beyond this a module holds more than one idea."""


@pytest.fixture(params=RULES, ids=lambda rule: rule.name.replace(" ", "-"))
def rule(request: pytest.FixtureRequest) -> Rule:
    found: Rule = request.param
    return found


class TestRules:
    def test_hold_in_the_application(self, rule: Rule) -> None:
        """INVARIANT: a commit, a wall clock or a variable in a place of its own would escape the unit of work, the
        tests' clock and the settings."""
        assert [place for module in modules(*APPLICATION) for place in rule.broken_in(module)] == []

    def test_are_broken_by_what_they_forbid(self, rule: Rule) -> None:
        kept = [planted for planted in rule.planted if not rule.broken_in(Module("services/orders/api.py", planted))]
        assert kept == []

    def test_name_no_home_that_needs_none(self, rule: Rule) -> None:
        parsed = list(modules(*APPLICATION))
        needless = [home for home in rule.homes if not any(rule.lines(m.tree) for m in parsed if m.lies_in((home,)))]
        assert needless == []


class TestModules:
    def test_say_what_they_are_for(self) -> None:
        assert [module.path for module in modules(*ALL) if not ast.get_docstring(module.tree)] == []

    def test_hold_one_idea(self) -> None:
        assert [module.path for module in modules(*APPLICATION) if module.lines > MAX_LINES] == []

    def test_are_all_found(self) -> None:
        found = {module.path for module in modules(*ALL)}
        assert {"shared/clock.py", "forewarn/cli.py", "services/orders/api.py", "tests/conftest.py"} <= found
