"""The made-up study of the figures' tests."""

import json
import os
import shutil
from pathlib import Path
from types import ModuleType

import pandas as pd
import pytest

from tests.figures import synthetic_tables
from voicerisk.validation.metrics.paired import paired_differences

SALT = "5a17" * 16
PATIENCE_MS = 180_000  # a busy machine is slow, not broken
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def _missing(reason: str) -> None:
    """Skip with the reason, or fail where VOICERISK_REQUIRE asks for a browser."""
    if "browser" in os.environ.get("VOICERISK_REQUIRE", ""):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def browser():
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        _missing("playwright is not installed (pip install 'voicerisk[browser]')")
    named = os.environ.get("VOICERISK_CHROMIUM")
    path = named or shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        _missing("no Chromium found (Debian: apt install chromium; or name it in VOICERISK_CHROMIUM)")
    with sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=path, args=FLAGS, timeout=PATIENCE_MS)
        yield started
        started.close()


@pytest.fixture(scope="session")
def made() -> ModuleType:
    """Tables of a made-up study."""
    return synthetic_tables


def _provenance(callers: list[str]) -> dict:
    """Published: markers and cut saw everyone. Nested: nothing saw who was held out."""

    def folds(seen: list[str]) -> dict:
        return {
            "loco": {
                "0": {
                    str(number): {
                        "held_out": [caller],
                        "seen": {
                            "boost": {"all_but": [caller]},
                            **{name: {"all_but": []} for name in seen},
                        },
                    }
                    for number, caller in enumerate(callers)
                }
            }
        }

    return {
        "published": {
            "protocol": "published",
            "callers": callers,
            "folds": folds(["screening", "threshold"]),
        },
        "nested": {"protocol": "nested", "callers": callers, "folds": folds([])},
    }


def _listening(made: ModuleType) -> tuple[pd.DataFrame, dict[str, pd.DataFrame]]:
    from voicerisk import figures

    envelope, spectrogram = figures.sound_tables(*made.call_sound(), columns=120, bands=24)
    tracks, contributions, scores = made.call_frames()
    return envelope, {
        "spectrogram": spectrogram,
        "spans": made.call_spans(),
        "tracks": tracks,
        "contributions": contributions,
        "scores": scores.assign(protocol="nested"),
    }


@pytest.fixture(scope="session")
def heard(made):
    """One call as a report shows it, with its sound."""
    import io

    import soundfile

    from voicerisk.report import CallInReport

    buffer = io.BytesIO()
    soundfile.write(buffer, *made.call_sound(), format="FLAC", subtype="PCM_16")
    return CallInReport("call_030", *_listening(made), buffer.getvalue())


@pytest.fixture(scope="session")
def study(made, tmp_path_factory) -> Path:
    """The folder of a finished study with hostile ids."""
    from voicerisk import figures

    folder = tmp_path_factory.mktemp("study")
    place = folder / "figures"
    calls, predictions = made.calls(), made.predictions()
    predictions.loc[predictions["call_id"] == made.HOSTILE[0], "p_raw"] = 0.05  # a missed call
    calls.to_csv(folder / "calls.csv", index=False)
    segments = pd.DataFrame(
        {"call_id": calls["call_id"], "caller_id": calls["caller_id"], "segment": 0, "start_s": 0.0,
         "end_s": 2.0,
         "label": "sounds <b>flat</b>", "n_frames": 100, "n_silent": 3}
    )  # fmt: skip
    segments.to_parquet(folder / "segments.parquet")
    for protocol, rows in predictions.groupby("protocol"):
        rows.to_parquet(folder / f"predictions_{protocol}.parquet")
    made.flow().to_csv(folder / "flow.csv", index=False)
    made.metrics().to_csv(folder / "metrics.csv", index=False)
    paired_differences(predictions.assign(fold=0), n_boot=100).to_csv(folder / "comparisons.csv", index=False)
    made.thresholds().to_csv(folder / "thresholds.csv", index=False)
    (folder / "gamm").mkdir()
    made.smooths().assign(model="plain").to_csv(folder / "gamm" / "smooths.csv", index=False)
    made.terms().assign(model="plain").to_csv(folder / "gamm" / "terms.csv", index=False)
    notes = {
        "kept": ["dom"],
        "readable": "plain",
        "notes": ["Separation: read the other fit."],
        "warnings": [],
    }
    (folder / "gamm" / "notes.json").write_text(json.dumps(notes))
    callers = sorted(calls["caller_id"].unique())
    (folder / "provenance.json").write_text(json.dumps(_provenance(callers)))
    manifest = {
        "written": "2026-01-02T03:04:05+00:00", "study_file": {"name": "study.toml", "sha256": "ab"},
        "calls_table": {"name": "calls.csv", "sha256": SALT}, "recordings": {"call_030": "ef"},
        "settings": {"cohort": {"calls": "/home/someone/secret/calls.csv", "strata": ["service"],
                                "covariates": ["age"]},
                     "validation": {"repeats": 20, "fast": False},
                     "report": {"ethics": "Approved as <b>123</b>.", "own_key": "More of caller 30."}},
        "seed": 1, "protocols": ["published", "nested"],
        "protocol_notes": {"nested": {"folds": 48, "folds_without_cut": 2, "fast": False}},
        "versions": {"python": "3.11", "voicerisk": "0.1.0"},
        "stages": {"extract": {"notes": ["Call call_030 of caller 30 is short."]}},
    }  # fmt: skip
    (folder / "manifest.json").write_text(json.dumps(manifest))
    curve, strip = figures.calibration_points(predictions, bootstraps=20)
    two = made.curves().query("marker in ['dom', 'entropy']")
    for name, table, extra in (
        ("gamm_curves", two, {"observed": made.observed().groupby(["marker", "sex"]).head(20)}),
        ("gamm_curves--with_random_intercepts", two, {}),
        ("protocols_compared", made.metrics(), {}),
        ("roc", figures.curve_points(predictions), {"metrics": made.metrics()}),
        ("calibration", curve, {"strip": strip}),
        ("threshold_distribution", made.thresholds(), {}),
        ("score_dots", figures.call_scores(predictions), {}),
        ("exclusion_flow", made.flow(), {"groups": made.groups()}),
        ("listening--call_030", *_listening(made)),
    ):
        figures.make(name, table, place, parts=extra, labels=made.LABELS, formats=("svg",))
    return folder
