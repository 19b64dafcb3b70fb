"""Whose business a warning is, and whose inboxes somebody reads."""

import pytest

from services.notify.domain import concerned, inboxes
from tests.support.warnings import warning


class TestConcerned:
    @pytest.mark.parametrize(
        ("code", "tier", "recipients"),
        [
            ("credit_limit", "warning", {"user:chen", "role:credit"}),
            ("credit_limit", "critical", {"user:chen", "role:credit", "role:manager"}),
            ("churn", "warning", {"user:chen"}),
            ("churn", "critical", {"user:chen", "role:manager"}),
            ("system_source_late", "warning", {"role:ops", "role:admin"}),
            ("system_source_late", "critical", {"role:ops", "role:admin"}),
            ("of_another_version", "warning", {"user:chen"}),
        ],
    )
    def test_follows_rule_and_tier(self, code: str, tier: str, recipients: set[str]) -> None:
        assert concerned(warning(code=code, tier=tier), "chen") == recipients

    @pytest.mark.parametrize(
        ("code", "recipients"), [("churn", {"role:manager"}), ("credit_limit", {"role:manager", "role:credit"})]
    )
    def test_a_customer_in_nobodys_charge_is_the_managers(self, code: str, recipients: set[str]) -> None:
        assert concerned(warning(code=code), None) == recipients


class TestInboxes:
    @pytest.mark.parametrize(
        ("roles", "expected"),
        [
            (set(), {"user:chen"}),
            ({"sales"}, {"user:chen"}),
            ({"manager", "credit"}, {"user:chen", "role:manager", "role:credit"}),
            ({"admin"}, {"user:chen", "role:admin", "role:manager", "role:credit", "role:ops"}),
        ],
    )
    def test_are_ones_own_and_those_of_ones_roles(self, roles: set[str], expected: set[str]) -> None:
        assert inboxes("chen", roles) == expected

    def test_of_a_subject_that_looks_like_a_role_are_his_own(self) -> None:
        """INVARIANT: whoever is called `role:manager` must not read the managers' inbox."""
        assert inboxes("role:manager", set()) == {"user:role:manager"}
