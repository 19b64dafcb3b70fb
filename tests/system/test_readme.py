"""The tour of the README does what it says, typed as it stands there."""

import re
import shutil
import subprocess

import pytest

from forewarn.up import PROGRAM
from tests.support.installation import ROOT, installation_in
from tests.support.postgres import temporary_data_dir

pytestmark = pytest.mark.system

TOUR = re.compile(r"```sh\n(export PATH=.*?)```", re.DOTALL)


class TestTour:
    def test_a_debt_warns_and_its_payment_ends_that(self) -> None:
        if shutil.which("curl") is None:
            pytest.skip("the tour is typed with curl, which is not on this machine")
        [tour] = TOUR.findall((ROOT / "README.md").read_text(encoding="utf-8"))
        with temporary_data_dir() as data_dir, installation_in(data_dir, PROGRAM) as installation:
            installation.up_and_ready()
            typed = tour.replace(".forewarn/demo", str(installation.data_dir))
            typed = typed.replace("http://127.0.0.1:8000", installation.address()["base_url"])
            done = subprocess.run(
                ["bash", "-euo", "pipefail", "-c", typed], cwd=ROOT, capture_output=True, text=True, timeout=120
            )
        assert done.returncode == 0, done.stderr
        first, _, rest = done.stdout.partition('"told": "firing"')
        assert '"status":"accepted"' in first
        assert '"pay": "1200.00"' in rest
        assert '"told": "resolved"' in rest
