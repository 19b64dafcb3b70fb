"""What commands print is whole, and says what stands in the data rather than what it might mean as markup."""

from datetime import timedelta

import pytest

from forewarn.terminal import ago, print_json, print_table


class TestTable:
    def test_nothing_is_cut_off_and_nothing_is_markup(self, capsys: pytest.CaptureFixture[str]) -> None:
        """INVARIANT: a reason that is cut off, or loses its brackets as markup, is no reason."""
        reason = f"[red]{'x' * 300}[/]"
        print_table(("code", "reason"), [("bad_snapshot", reason)])
        assert reason in capsys.readouterr().out.splitlines()[1]

    def test_what_is_not_there_is_a_dash(self, capsys: pytest.CaptureFixture[str]) -> None:
        print_table(("kind", "count"), [(None, 0)])
        assert capsys.readouterr().out.splitlines()[1].split() == ["-", "0"]


class TestJson:
    def test_characters_stay_as_they_are(self, capsys: pytest.CaptureFixture[str]) -> None:
        print_json({"name": "[b]上海[/b]"})
        assert '"[b]上海[/b]"' in capsys.readouterr().out


class TestAgo:
    @pytest.mark.parametrize(
        ("age", "said"),
        [
            (None, None),
            (timedelta(seconds=0.4), "0 s"),
            (timedelta(seconds=119), "119 s"),
            (timedelta(minutes=2), "2 min"),
            (timedelta(hours=30), "30 h"),
            (timedelta(days=9, hours=13), "10 d"),
        ],
    )
    def test_is_said_in_the_unit_that_tells_most(self, age: timedelta | None, said: str | None) -> None:
        assert ago(age) == said
