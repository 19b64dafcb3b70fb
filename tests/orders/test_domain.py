"""States of orders and returns."""

from datetime import UTC, datetime

import pytest

from services.orders.domain import OPEN, cancel_order, cancel_return
from shared.errors import Conflict
from tests.support import builders as build

AT = datetime(2026, 3, 1, tzinfo=UTC)


class TestCancelOrder:
    @pytest.mark.parametrize("state", sorted(OPEN))
    def test_an_open_order_is_cancelled_at_its_time(self, state: str) -> None:
        cancelled, reason = cancel_order(build.order(state=state), AT)
        assert (cancelled.state, cancelled.cancelled_at, reason) == ("cancelled", AT, "cancelled")

    def test_the_first_time_stands(self) -> None:
        once, _ = cancel_order(build.order(), AT)
        assert cancel_order(once, AT.replace(year=2027))[0] == once

    def test_what_was_delivered_is_not_cancelled(self) -> None:
        with pytest.raises(Conflict):
            cancel_order(build.order(state="delivered"), AT)


class TestCancelReturn:
    def test_the_goods_did_not_come_back(self) -> None:
        assert cancel_return(build.returned())[0].state == "cancelled"
