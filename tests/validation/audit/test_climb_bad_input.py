"""What an audit says of broken tables and numbers."""

import numpy as np
import pandas as pd
import pytest

from tests.validation.toys import cohort
from voicerisk.errors import ValidationError
from voicerisk.validation import ValidationSettings
from voicerisk.validation.audit.checks import caller_columns, channel_table, one_class_cells
from voicerisk.validation.audit.climb import audit_ladder
from voicerisk.validation.audit.controls import BesideMarkers, negative_controls
from voicerisk.validation.audit.permutation import permutation_test
from voicerisk.validation.protocols.whole_procedure import full_procedure

SETTINGS = ValidationSettings(inner_folds=3, bootstraps=30, seed=3)

BROKEN = [
    (lambda t, fit: audit_ladder(t.assign(n_frames=2.5), fit, SETTINGS), "row 0, call .*n_frames is 2.5"),
    (lambda t, fit: audit_ladder(t.assign(n_frames=np.inf), fit, SETTINGS), "n_frames is inf"),
    (lambda t, fit: audit_ladder(t, fit, SETTINGS, rungs=[]), "needs a rung or more"),
    (
        lambda t, fit: audit_ladder(t, fit, SETTINGS, n_permutations=-1),
        "0 permutations or more, not 13 and -1",
    ),
    (lambda t, fit: audit_ladder(t.assign(y=0), fit, SETTINGS), "only 0 callers have a call with outcome 1"),
    (lambda t, fit: permutation_test(t, fit, SETTINGS, n_permutations=0), "at least 1 permutation, not 0"),
    (
        lambda t, fit: permutation_test(t, fit, SETTINGS, 3, ["town"]),
        r"calls table lacks the column\(s\) town",
    ),
    (lambda t, fit: full_procedure(t, fit, SETTINGS, n_boot=0), "at least 1 bootstrap, not 0"),
    (lambda t, fit: caller_columns(t, ["town"]), r"lacks the column\(s\) town"),
    (lambda t, fit: one_class_cells(t, ["town"]), r"lacks the column\(s\) town"),
    (
        lambda t, fit: channel_table(pd.concat([t, t.head(1)]).assign(rms_dbfs=1.0), t),
        "holds call_id 'k0000' more than once",
    ),
    (
        lambda t, fit: channel_table(t.assign(rms_dbfs="loud"), t),
        "channel table's rms_dbfs holds 'loud'; it must hold numbers",
    ),
    (
        lambda t, fit: channel_table(t.assign(rms_dbfs=1.0, call_id=t["call_id"] + "x"), t),
        "holds none of the calls",
    ),
    (
        lambda t, fit: negative_controls(t, fit, SETTINGS, BesideMarkers(recording=t[["y"]])),
        r"recording table lacks the column\(s\) call_id",
    ),
    (
        lambda t, fit: negative_controls(t, fit, SETTINGS, BesideMarkers(segments=t, make_of_segments=fit)),
        r"segments table lacks the column\(s\) segment_id",
    ),
    (
        lambda t, fit: negative_controls(t, fit, SETTINGS, BesideMarkers("town")),
        r"lacks the column\(s\) town",
    ),
]


@pytest.mark.parametrize(("run", "message"), BROKEN)
def test_a_broken_table_or_number_is_named_before_anything_runs(run, message):
    def never(*_):
        raise AssertionError("nothing may be fitted on a broken table")

    with pytest.raises(ValidationError, match=message):
        run(cohort(5, 5)[0], never)
