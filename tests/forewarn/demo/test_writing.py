"""What `demo --write` writes is a file that replay accepts, every line of it."""

from datetime import date
from itertools import islice
from pathlib import Path

import pytest

from forewarn.demo.distributor import simulate
from forewarn.demo.writing import write_lines
from forewarn.replay.lines import Line, read_lines
from forewarn.replay.plan import make_plan
from forewarn.replay.translate import Options, Translator

TODAY = date(2026, 8, 3)


class TestWriteLines:
    @pytest.mark.parametrize("name", ["demo.jsonl", "demo.jsonl.gz"])
    def test_reads_back_as_it_was(self, tmp_path: Path, name: str) -> None:
        lines = list(islice(simulate(1, TODAY).lines(), 2000))
        assert write_lines(lines, tmp_path / name) == 2000
        read = [line.fields for line in read_lines(tmp_path / name) if isinstance(line, Line)]
        assert read == lines

    def test_equal_lines_give_equal_bytes(self, tmp_path: Path) -> None:
        lines = list(islice(simulate(1, TODAY).lines(), 100))
        write_lines(lines, tmp_path / "one.gz")
        write_lines(lines, tmp_path / "other.gz")
        assert (tmp_path / "one.gz").read_bytes() == (tmp_path / "other.gz").read_bytes()

    def test_replay_takes_every_line_without_options(self, tmp_path: Path) -> None:
        count = write_lines(simulate(1, TODAY).lines(), tmp_path / "demo.jsonl")
        translator = Translator(Options())
        plan = make_plan(tmp_path / "demo.jsonl", translator, chunk=1000)
        assert plan.documents.total() == count
        assert not translator.ignored
