"""Generated documents: what is committed is what the code says now."""

from pathlib import Path

import pytest

from forewarn.documents import ROOT, documents, write

AS_THE_CODE_SAYS = documents()


class TestDocuments:
    @pytest.mark.parametrize("name", AS_THE_CODE_SAYS)
    def test_is_committed_as_generated(self, name: str) -> None:
        """INVARIANT: breaks when a change is not written down: run `python -m forewarn.documents`."""
        assert (ROOT / name).read_text(encoding="utf-8") == AS_THE_CODE_SAYS[name]

    def test_no_schema_is_left_of_a_kind_that_is_gone(self) -> None:
        there = {f"docs/schemas/{path.name}" for path in (ROOT / "docs" / "schemas").iterdir()}
        assert there == {name for name in AS_THE_CODE_SAYS if name.startswith("docs/schemas/")}


class TestWrite:
    def test_makes_all_of_them_in_a_new_folder(self, tmp_path: Path) -> None:
        write(tmp_path)
        written = {
            str(path.relative_to(tmp_path)): path.read_text(encoding="utf-8")
            for path in tmp_path.rglob("*")
            if path.is_file()
        }
        assert written == AS_THE_CODE_SAYS
