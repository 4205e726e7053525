"""A study is run from R through the command of this package, and R reads its results."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.study.small_study import SETTINGS
from voicerisk.rbridge.found import source_folder

pytestmark = [pytest.mark.r, pytest.mark.slow]
COMMAND = Path(sys.executable).parent / "voicerisk"


def test_r_runs_a_study_and_reads_it(write_study, tmp_path):
    if shutil.which("Rscript") is None or not COMMAND.exists():
        pytest.skip("no Rscript, or no command voicerisk beside this Python")
    study = write_study(settings=SETTINGS.replace("seed = 3", 'seed = 3\nprotocols = ["published"]'))
    script = tmp_path / "run.R"
    script.write_text(f"""
for (file in list.files("{source_folder()}", full.names = TRUE)) source(file)
options(voicerisk.command = "{COMMAND}")
run <- function(...) vr_run("{study}", "{tmp_path / "results"}", quiet = TRUE, ...)
cat("CALLS", summary(run(jobs = 1))$n[1], "\\n")
model <- "{tmp_path / "results" / "boost" / "model_published.json"}"
judged <- vr_validate(model, "{study}", "{tmp_path / "judged"}", jobs = 1, quiet = TRUE)
cat("JUDGED", unique(summary(judged)$design), summary(judged)$n[1], "\\n")
told <- tryCatch(run("other"), error = conditionMessage)
cat("REFUSED", grepl("ended with code", told), grepl("protocol", told), "\\n")
""")
    ran = subprocess.run(["Rscript", "--vanilla", script], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr[-2000:]
    assert "CALLS 12" in ran.stdout
    assert "JUDGED external 12" in ran.stdout
    assert "REFUSED TRUE TRUE" in ran.stdout
