"""The whole study with tiny encoders by path, from the study file to the report; resuming; bad input."""

import json

import numpy as np
import pandas as pd
import pytest
import torch

from tests.deep.multitask.small_encoders import build_speech, build_text, write_study
from voicerisk.deep.multitask.audio_encoder import AudioEncoder, embed_sounds
from voicerisk.deep.multitask.cases import load_cases
from voicerisk.deep.multitask.study import run_multitask
from voicerisk.deep.multitask.study_file import load_multitask_study
from voicerisk.errors import MultitaskError, VoiceriskError
from voicerisk.figures.wording import COVERAGE
from voicerisk.validation import check_predictions

INPUTS = ["W", "H", "L", "E", "W+E", "W+L", "H+E", "H+L", "B"]
# Float32 sums in another order.
ROUNDING = 1e-5


@pytest.fixture(scope="module")
def encoders(tmp_path_factory):
    root = tmp_path_factory.mktemp("multitask-encoders")
    return {
        "W": build_speech(root / "w", "wav2vec2"), "H": build_speech(root / "h", "hubert", mask=False),
        "L": build_text(root / "l", "longformer"), "E": build_text(root / "e", "ernie"),
    }  # fmt: skip


@pytest.fixture(scope="module")
def finished(tmp_path_factory, encoders):
    root = tmp_path_factory.mktemp("multitask-study")
    file = write_study(root / "study", encoders, extra=f"biomarkers = true\ninputs = {json.dumps(INPUTS)}")
    study = load_multitask_study(file)
    cases = load_cases(study.settings, file.parent).table
    ids, p = cases["case_id"], np.linspace(0.2, 0.8, len(cases))
    voice = pd.DataFrame(
        {
            "protocol": "nested", "model": "gamboost", "target": "outcome", "design": "loco", "repeat": 0,
            "fold": range(len(cases)), "unit": "call", "call_id": ids, "caller_id": cases["person_id"],
            "segment": np.nan, "frame": np.nan, "time_s": np.nan,
            "y": (cases["risk"] == study.settings.targets["risk"].classes[-1]).astype(int),
            "p_raw": p, "p": p, "threshold": 0.5, "weight": 1.0,
        }
    )  # fmt: skip
    voice.to_parquet(file.parent / "voice.parquet")
    file.write_text(file.read_text().replace("folds = 2", 'folds = 2\nvoice_scores = "voice.parquet"'))
    return file, run_multitask(load_multitask_study(file), root / "out")


def test_every_experiment_input_and_baseline_is_there(finished):
    _, result = finished
    for task, n_classes in (("severity", 3), ("risk", 2)):
        table = pd.read_parquet(result.folder / f"predictions_{task}.parquet")
        check_predictions(table)
        models = {f"{kind}:{one}" for kind in ("stl", "mtl") for one in INPUTS}
        assert set(table["model"]) == models | {"majority", "demographics"}
        assert (table.groupby(["protocol", "model"]).size() == 24).all()
        raw = table[[name for name in table if name.startswith("p_raw_")]]
        assert raw.shape[1] == n_classes
        np.testing.assert_allclose(raw.sum(axis=1), 1.0, atol=1e-9)
        folds = table.groupby(["protocol", "call_id"])["fold"].nunique()
        assert (folds == 1).all()  # the same folds for single- and multitask models and baselines
        constant = result.metrics.query(f"model == 'majority' and target == '{task}' and metric == 'auroc'")
        assert (constant["estimate"] == 0.5).all()
    assert len(result.transfer) == 2 * len(INPUTS)
    tested = result.transfer.dropna(subset=["p_value"])
    assert tested["p_holm"].ge(tested["p_value"]).all()
    assert len(result.sentences) == 2


def test_provenance_keeps_held_out_persons_apart(finished):
    _, result = finished
    table = pd.read_parquet(result.folder / "predictions_risk.parquet")
    rows = json.loads((result.folder / "provenance.json").read_text())
    assert len(rows) == 3 * len(INPUTS) * 2
    for row in rows:
        held = set(table.loc[table["fold"] == row["fold"], "caller_id"])
        assert not held & set(row["saw"]["weights"]) and not held & set(row["saw"]["scaling"])
        assert not held & set(row["saw"]["stopping"]) and not held & set(row["saw"]["recalibration"])


def test_tables_figures_and_the_report_are_written(finished):
    _, result = finished
    names = {file.relative_to(result.folder).as_posix() for file in result.folder.rglob("*")}
    for name in (
        "tables/table2_severity.csv", "tables/table3_risk.html", "tables/table4_settings.tex",
        "tables/table5_transfer.csv", "tables/by_class.csv", "tables/modalities.csv",
        "tables/fusion.csv", "figures/figure3_single_task_nested.pdf", "figures/figure4_multitask_nested.svg",
        "fold_means.csv", "history.csv",
    ):  # fmt: skip
        assert name in names
    page = (result.folder / "report.html").read_text()
    assert "What multitask learning does" in page and "Warning" not in page
    # No coverage was measured for these models, and that of one outcome is not theirs.
    assert "bootstrap of persons" in page and "no coverage was measured" in page
    assert COVERAGE not in page and "callers" not in page
    table = pd.read_csv(result.folder / "tables" / "table5_transfer.csv")
    assert table["Input"].iloc[0] == "wav2vec 2.0"
    heat = pd.read_csv(result.folder / "figures" / "figure3_single_task_nested.csv")
    assert len(heat) == len(INPUTS) * 2 * 6
    mine = heat.query("target == 'risk' and input == 'E' and metric == 'ppv'")["estimate"].item()
    metrics = result.metrics.query(
        "protocol == 'nested' and model == 'stl:E' and target == 'risk' and metric == 'ppv' "
        "and `class` == 'raised'"
    )
    assert metrics["estimate"].iloc[0] == pytest.approx(mine, nan_ok=True)
    private = [*result.folder.glob("*.parquet"), *(result.folder / ".state" / "embeddings").rglob("*.json")]
    assert all(file.stat().st_mode & 0o077 == 0 for file in private)
    words = [file for file in result.folder.rglob("*.*") if file.suffix in (".csv", ".html", ".json")]
    assert not any("traurig" in file.read_text(errors="ignore") for file in words)


def test_a_second_run_keeps_everything_and_a_killed_one_goes_on_with_the_same_bits(
    finished, tmp_path, monkeypatch
):
    import voicerisk.deep.multitask.study as study_module

    file, result = finished
    stamp = (result.folder / "predictions_risk.parquet").stat().st_mtime_ns
    monkeypatch.setattr(study_module, "run_one", lambda *_: pytest.fail("trained again"))
    run_multitask(load_multitask_study(file), result.folder)
    assert (result.folder / "predictions_risk.parquet").stat().st_mtime_ns == stamp
    monkeypatch.undo()

    honest, count = study_module.run_one, []

    def stopped(run, *rest):
        if len(count) == 4:
            raise KeyboardInterrupt
        count.append(run.key)
        return honest(run, *rest)

    small = file.with_name("small.toml")
    small.write_text(file.read_text().replace(json.dumps(INPUTS), '["W+E"]\npreset = "both"'))
    monkeypatch.setattr("voicerisk.deep.multitask.report.curve_pictures", lambda *_: iter(()))
    monkeypatch.setattr(study_module, "run_one", stopped)
    with pytest.raises(KeyboardInterrupt):
        run_multitask(load_multitask_study(small), tmp_path / "out")
    before = list(count)
    count.clear()
    resumed = run_multitask(load_multitask_study(small), tmp_path / "out")
    assert len(before) == 4 and len(count) == 2 and not set(before) & set(count)
    page = (resumed.folder / "report.html").read_text()
    assert page.index("too good") < page.index("What multitask learning does")
    assert "stopped on the very fold" in resumed.notes[0]
    for row in json.loads((resumed.folder / "provenance.json").read_text()):
        assert ("recalibration" in row["saw"]) == (row["protocol"] == "nested")
    monkeypatch.setattr(study_module, "run_one", honest)
    whole = run_multitask(load_multitask_study(small), tmp_path / "again")
    for name in ("predictions_risk", "predictions_severity", "missing_modality_risk"):
        pd.testing.assert_frame_equal(
            pd.read_parquet(resumed.folder / f"{name}.parquet"),
            pd.read_parquet(whole.folder / f"{name}.parquet"),
        )


def test_padding_neighbours_and_cache_change_no_audio_embedding(encoders, tmp_path, rng):
    encoder = AudioEncoder(encoders["W"], window_s=0.25)
    longer = AudioEncoder(encoders["W"], window_s=0.5)
    window = rng.normal(size=3000)
    np.testing.assert_allclose(encoder.encode(window), longer.encode(window), atol=ROUNDING)
    with torch.inference_mode():
        hidden = encoder.model(torch.zeros(1, 4000)).last_hidden_state
    assert encoder.frames(4000) == hidden.shape[1] == 13
    parts = [[window, rng.normal(size=1000)], [], [window]]
    first = embed_sounds(encoder, 3, parts.__getitem__, tmp_path)
    assert np.isnan(first[1]).all() and first.shape == (3, 16)
    expected = (3 * encoder.encode(window) + encoder.encode(parts[0][1])) / 4
    np.testing.assert_allclose(first[0], expected, atol=ROUNDING)
    again = AudioEncoder(encoders["W"], window_s=0.25)
    again.encode = lambda _: pytest.fail("encoded again")  # type: ignore[method-assign]
    np.testing.assert_array_equal(embed_sounds(again, 3, parts.__getitem__, tmp_path), first)
    with pytest.raises(MultitaskError, match="400 to 4000 can be encoded"):
        encoder.encode(np.ones(100))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("p1,c1.wav", "p1,c1.mp3", r"row 3: there is no file 'c1\.mp3'"),
        ("c2,p2", "c1,p2", r"row 4: case_id 'c1' stands there a second time"),
        ("c2,p2", "c2,", "row 4: person_id is empty"),
        ("hamd17", "hamd", r"lacks the column\(s\) hamd17"),
    ],
)
def test_bad_cases_are_named_by_row(tmp_path, encoders, old, new, message):
    file = write_study(tmp_path, encoders, n=6)
    table = file.parent / "cases.csv"
    table.write_text(table.read_text().replace(old, new, 1))
    with pytest.raises(MultitaskError, match=message):
        load_cases(load_multitask_study(file).settings, file.parent)


def test_missing_scores_and_modalities_leave_counted_or_stay(tmp_path, encoders):
    file = write_study(tmp_path, encoders, n=30)
    table = pd.read_csv(file.parent / "cases.csv", dtype=str)
    table.loc[0, "hamd17"] = ""
    table.loc[1, "audio"] = ""
    table.loc[2, "transcript"] = ""
    table.to_csv(file.parent / "cases.csv", index=False)
    settings = load_multitask_study(file).settings
    found = load_cases(settings, file.parent)
    assert found.flow["reason"].tolist() == ["", "no hamd17", "no recording", "no transcript", ""]
    assert found.flow["remaining"].tolist() == [30, 29, 28, 27, 27]
    file.write_text(file.read_text().replace("folds = 2", 'folds = 2\nmissing = "mean"'))
    kept = load_cases(load_multitask_study(file).settings, file.parent)
    assert len(kept.table) == 29
    assert sum("the training mean stands" in note for note in kept.notes) == 2
    table.loc[3, "hamd17"] = "53"
    table.to_csv(file.parent / "cases.csv", index=False)
    with pytest.raises(MultitaskError, match=r"row 5: hamd17 is '53'; it must be a number from 0 to 52"):
        load_cases(settings, file.parent)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("epochs = 2", "unknown key"), ("folds = 2", "whole number of at least 2"),
        ("cases = \"cases.csv\"", "known symbols are W, H, L, E"),
    ],
)  # fmt: skip
def test_a_bad_study_file_is_one_sentence(tmp_path, encoders, line, message):
    file = write_study(tmp_path, encoders, n=6)
    new = {"epochs = 2": "epoch = 2", "folds = 2": "folds = 1"}.get(line, f'{line}\ninputs = ["W+X"]')
    file.write_text(file.read_text().replace(line, new))
    with pytest.raises(VoiceriskError, match=message):
        load_multitask_study(file)
