"""Logging: one line per event, the same fields from structlog and from the standard library."""

import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from shared.runtime.logging import Format, bind_log_context, configure_logging


@pytest.fixture(autouse=True)
def restore() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()
    logging.captureWarnings(False)
    root.handlers[:], root.level = handlers, level


class TestJson:
    def test_lines_of_both_libraries_carry_the_bound_context(self, capsys: pytest.CaptureFixture[str]) -> None:
        configure_logging("INFO", "json")
        bind_log_context(service="orders")
        structlog.get_logger("a").info("order_accepted", count=2, company="上海")
        logging.getLogger("b").warning("slow %s", "query")
        ours, theirs = (json.loads(line) for line in capsys.readouterr().err.splitlines())
        assert ours["message"] == "order_accepted"
        assert (ours["count"], ours["company"], ours["service"], ours["logger"]) == (2, "上海", "orders", "a")
        assert (theirs["message"], theirs["level"], theirs["service"]) == ("slow query", "warning", "orders")
        assert ours["timestamp"].endswith("Z")

    def test_an_exception_stays_on_one_line(self, capsys: pytest.CaptureFixture[str]) -> None:
        configure_logging("INFO", "json")
        try:
            raise ValueError("no luck")
        except ValueError:
            structlog.get_logger("a").exception("failed")
        (line,) = capsys.readouterr().err.splitlines()
        assert json.loads(line)["exception"][0]["exc_value"] == "no luck"

    def test_the_level_holds_for_both(self, capsys: pytest.CaptureFixture[str]) -> None:
        configure_logging("WARNING", "json")
        structlog.get_logger("a").info("not shown")
        logging.getLogger("b").info("not shown")
        assert capsys.readouterr().err == ""


class TestEveryStyle:
    @pytest.mark.parametrize("style", ["json", "console"])
    def test_local_variables_never_reach_a_line(self, style: Format, capsys: pytest.CaptureFixture[str]) -> None:
        """INVARIANT: frames of a traceback hold rows with personal data."""
        configure_logging("INFO", style)
        phone = "+86 138 0013 8000"
        try:
            raise ValueError(f"of length {len(phone)}")
        except ValueError:
            structlog.get_logger("a").exception("failed")
        written = capsys.readouterr().err
        assert "of length 17" in written
        assert "0013" not in written
