"""How often 90% sets of outcomes hold the true one on new callers, by sex and outcome, in simulated cohorts.

    python benchmarks/evidence/conformal.py 80:40 ... [--out conformal.csv] [--first 0]
    python benchmarks/evidence/conformal.py --show conformal.csv

Each argument is callers:cohorts. Cohorts are those of `refits.py`; half of the women's outcomes are drawn
anew with probability 0.4, so that the model tells nothing of them: a set that holds over all would be short
there. The nested protocol (grouped k-fold, one repeat, 5 inner folds) sets the cuts; its procedure, run once
on all callers, scores 400 new ones.
A row is a cohort, sex and outcome: share of new calls whose outcome is in the set by cuts of each sex
(`mondrian`) and by one for both (`shared`), and how many sets hold both outcomes. docs/coverage.md has the
results.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from refits import draw

from voicerisk.models.calls.features import CallFrames, with_spreads
from voicerisk.study.fitting.design import ModelTables
from voicerisk.study.fitting.family import FamilyFitter, level_of_calls, members_of
from voicerisk.validation import NESTED, ValidationSettings, run_nested
from voicerisk.validation.metrics.conformal import conformal_sets, cuts_of, sets_of
from voicerisk.validation.protocols.on_all_callers import learn_on_all

NEW = 400


def uneven(n: int, rng: np.random.Generator) -> ModelTables:
    """Draw calls of which half of the women's outcomes have nothing to do with the voice."""
    tables, _ = draw(n, rng)
    calls = tables.calls
    blind = ((calls["sex"] == "female") & (rng.random(n) < 0.5)).to_numpy()
    return replace(tables, calls=calls.assign(y=np.where(blind, rng.random(n) < 0.4, calls["y"]).astype(int)))


def measure(n: int, seed: int) -> list[dict[str, object]]:
    """Measure one cohort."""
    rng = np.random.default_rng([47, n, seed])
    tables, new = uneven(n, rng), uneven(NEW, rng)
    settings = ValidationSettings(
        designs=["grouped_kfold"], repeats=1, inner_folds=5, bootstraps=20, threshold="youden", seed=seed + 1
    )
    fitter = FamilyFitter(tables, members_of(settings.family, tables.moderator))
    predictions = run_nested(tables.calls, fitter, settings).predictions
    learned = learn_on_all(tables.calls, fitter, settings, NESTED)
    model = fitter.saved(learned.asked, learned.choice)
    assert model is not None and learned.calibration is not None
    call = np.repeat(np.arange(NEW), len(new.frames) // NEW)
    columns = {name: new.frames[name].to_numpy() for name in new.markers}
    frames = CallFrames(with_spreads(columns, call, NEW), call, NEW)
    score = 1.0 / (1.0 + np.exp(-model.call_link(frames, level_of_calls(new))))
    risk, sex, y = learned.calibration(score), new.calls["sex"].to_numpy(), new.calls["y"].to_numpy()
    sets = {}
    for how, by in (("mondrian", "sex"), ("shared", None)):
        cuts = cuts_of(conformal_sets(predictions, by), by)
        assert cuts is not None
        sets[how] = np.array(sets_of(risk, sex if by else np.full(NEW, "all"), cuts))
    found = []
    for level in ("female", "male"):
        for outcome in (0, 1):
            mine = (sex == level) & (y == outcome)
            row: dict[str, object] = {"sex": level, "outcome": outcome}
            for how, said in sets.items():
                row[how] = np.mean([str(outcome) in one for one in said[mine]])
                row[f"{how}_both"] = np.mean(said[mine] == "0 or 1")
            found.append(row)
    return found


def show(file: Path) -> pd.DataFrame:
    """Return means with Monte Carlo standard errors."""
    by = pd.read_csv(file).groupby(["callers", "sex", "outcome"], sort=False)
    columns = ["mondrian", "shared", "mondrian_both", "shared_both"]
    errors = by[columns[:2]].sem().add_suffix("_se")
    return by[columns].mean().join(errors).join(by.size().rename("cohorts"))


def main() -> None:
    """Measure the cells that are asked for; write each cohort as it is done."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("cells", nargs="*")
    parser.add_argument("--out", type=Path, default=Path("conformal.csv"))
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--show", type=Path)
    args = parser.parse_args()
    if args.show:
        with pd.option_context("display.width", 200, "display.max_columns", 30):
            print(show(args.show).round(3))
        return
    for cell in args.cells:
        n, cohorts = map(int, cell.split(":"))
        for seed in range(args.first, args.first + cohorts):
            rows = pd.DataFrame(measure(n, seed)).assign(callers=n, seed=seed)
            rows.to_csv(args.out, mode="a", header=not args.out.exists(), index=False)


if __name__ == "__main__":
    main()
