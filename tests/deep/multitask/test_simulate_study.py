"""A simulated study: its files, its truth in the voice, and that it runs as it is."""

import json

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr
from typer.testing import CliRunner

from voicerisk.cli import app
from voicerisk.deep.multitask.embeddings import voice_biomarkers
from voicerisk.deep.multitask.simulate_study import simulate_study
from voicerisk.errors import VoiceriskError
from voicerisk.pipeline.tables import read_table, schemas


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"relation": "friends"}, "one of shared, conflict, none, not 'friends'"),
        ({"cases": 5}, "cases = 5 is too small"),
    ],
)
def test_bad_numbers_are_refused(tmp_path, options, message):
    with pytest.raises(VoiceriskError, match=message):
        simulate_study(tmp_path / "study", **options)


def test_severity_is_in_the_voice_and_risk_follows_the_relation(tmp_path):
    areas = {}
    for relation in ("shared", "conflict", "none"):
        folder = tmp_path / relation
        table = simulate_study(folder, 40, relation, seed=2, speech_s=2.0)
        cases = table.assign(audio=[str(folder / name) for name in table["audio"]])
        flat = cases["transcript"].str.count("tired|empty|alone|nothing|heavy")
        areas[relation] = [
            abs(spearmanr(flat, table["hamd17"]).statistic),
            spearmanr(table["hamd17"], table["sad_persons"]).statistic,
        ]
        assert set(pd.cut(table["hamd17"], [-1, 7, 23, 52], labels=False)) == {0, 1, 2}
        assert {0, 1} == set(table["sad_persons"].ge(4).astype(int))
    assert areas["shared"][0] > 0.4 and areas["none"][0] < 0.35
    assert areas["shared"][1] > 0.5 > abs(areas["conflict"][1])
    markers = voice_biomarkers(cases.head(3), None, None)
    assert markers.shape == (3, 36) and np.isfinite(markers).any(axis=1).all()
    again = simulate_study(tmp_path / "again", 40, "none", seed=2, speech_s=2.0)
    pd.testing.assert_frame_equal(again, table)


def test_the_study_runs_as_it_is(tmp_path):
    folder = tmp_path / "demo"
    run = CliRunner().invoke
    said = run(app, ["multitask", "simulate", str(folder), "--cases", "30"])
    assert said.exit_code == 0 and "multitask run" in said.output
    file = folder / "study.toml"
    file.write_text(file.read_text() + "\n[multitask.network]\nhidden = [4]\nepochs = 2\n")
    done = run(app, ["multitask", "run", str(file), "--out", str(folder / "results")])
    assert done.exit_code == 0, done.output
    metrics = pd.read_csv(folder / "results" / "metrics.csv")
    assert {"stl:B", "mtl:B", "majority", "demographics"} <= set(metrics["model"])
    for name in ("cases", "demographics", "fold_means", "transfer", "against_demographics"):
        described = {column.name for column in schemas()[name].columns}
        table = read_table(folder / "results", name)
        assert described <= set(table) and (schemas()[name].others or described == set(table)), name
    manifest = json.loads((folder / "results" / "manifest.json").read_text())
    assert manifest["kind"] == "multitask" and manifest["inputs"].keys() == {"cases.csv"}
    assert manifest["settings"]["multitask"]["folds"] == 5
    assert str(tmp_path) not in json.dumps(manifest)
    # The report of voice studies would not know these tables.
    for command in (["report", str(folder / "results")], ["share", str(folder / "results"), "--out", "x"]):
        refused = run(app, command)
        assert refused.exit_code != 0 and "report of its own" in str(refused.exception)
