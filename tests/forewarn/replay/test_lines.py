"""Reading: plain and zipped files, exact numbers, and every way a line can be unreadable."""

import gzip
from decimal import Decimal
from pathlib import Path

import pytest

from forewarn.replay.lines import MAX_LINE, Line, Refused, ReplayRefused
from tests.forewarn.replay.support import order, parsed, write


class TestReadLines:
    @pytest.mark.parametrize("name", ["file.jsonl", "file.jsonl.gz"])
    def test_plain_and_zipped_files_read_alike(self, tmp_path: Path, name: str) -> None:
        path = write(tmp_path / name, [order(1), order(2)])
        assert [line.fields["order"] for line in parsed(path) if isinstance(line, Line)] == ["O1", "O2"]

    def test_a_zipped_file_needs_no_suffix(self, tmp_path: Path) -> None:
        path = tmp_path / "events"
        path.write_bytes(gzip.compress(b'{"a":1}\n'))
        assert parsed(path) == [Line(1, {"a": Decimal(1)})]

    def test_numbers_stay_exact(self, tmp_path: Path) -> None:
        path = write(tmp_path / "f", ['{"a":0.30000000000000004,"b":12345678901234567890123}'])
        assert parsed(path) == [Line(1, {"a": Decimal("0.30000000000000004"), "b": Decimal("12345678901234567890123")})]

    def test_blank_lines_are_left_out_and_still_counted(self, tmp_path: Path) -> None:
        path = write(tmp_path / "f", ['{"a":1}', "", "  ", '{"a":2}'])
        assert [line.line for line in parsed(path)] == [1, 4]

    def test_a_byte_order_mark_and_windows_line_ends_do_no_harm(self, tmp_path: Path) -> None:
        path = write(tmp_path / "f", [b'\xef\xbb\xbf{"a":1}\r', b'{"a":2}\r'])
        assert parsed(path) == [Line(1, {"a": Decimal(1)}), Line(2, {"a": Decimal(2)})]

    @pytest.mark.parametrize(
        ("raw", "code"),
        [
            (b"{", "invalid_json"),
            (b"[1]", "invalid_json"),
            (b'"text"', "invalid_json"),
            (b'{"a":NaN}', "invalid_json"),
            (b'{"a":-Infinity}', "invalid_json"),
            (b'{"a":1}{"a":2}', "invalid_json"),
            (b"[" * 100_000, "invalid_json"),
            (b'{"amount":1,"amount":2}', "duplicate_key"),
            (b'{"a":"\xff"}', "invalid_encoding"),
            (b'{"a":"' + b"x" * (2 * MAX_LINE) + b'"}', "line_too_long"),
        ],
    )
    def test_an_unreadable_line_is_refused_and_the_next_one_read(self, tmp_path: Path, raw: bytes, code: str) -> None:
        first, second = parsed(write(tmp_path / "f", [raw, '{"a":1}']))
        assert isinstance(first, Refused)
        assert (first.line, first.code) == (1, code)
        assert second == Line(2, {"a": Decimal(1)})

    def test_a_damaged_archive_refuses_the_run(self, tmp_path: Path) -> None:
        path = write(tmp_path / "f.gz", [order(number) for number in range(2000)])
        path.write_bytes(path.read_bytes()[:-40])
        with pytest.raises(ReplayRefused) as refused:
            parsed(path)
        assert refused.value.code == "file_unreadable"

    def test_a_missing_file_refuses_the_run(self, tmp_path: Path) -> None:
        with pytest.raises(ReplayRefused) as refused:
            parsed(tmp_path / "nowhere")
        assert refused.value.code == "file_not_found"
