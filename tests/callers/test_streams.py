"""Each use of chance has a stream of its own, and a stream depends on nothing else."""

import re
from pathlib import Path

import numpy as np

import voicerisk.callers.streams as streams
from voicerisk.callers.streams import Stream, generator, seed_of

PACKAGE = Path(streams.__file__).parents[1]


def test_streams_of_one_seed_differ_and_come_back():
    drawn = {name: tuple(generator(name, 1).integers(0, 2**62, 4)) for name in Stream}
    assert len(set(drawn.values())) == len(Stream)
    assert drawn == {name: tuple(generator(name, 1).integers(0, 2**62, 4)) for name in Stream}
    assert tuple(generator(Stream.METRICS, 1, 0).integers(0, 2**62, 4)) != drawn[Stream.METRICS]


def test_numbers_that_studies_were_run_with_stay():
    # What seed 3 of the registry's first version drew: results of studies depend on it.
    assert generator(Stream.INNER_FOLDS, 3, 0, 1).permutation(6).tolist() == (
        np.random.default_rng(np.random.SeedSequence(3, spawn_key=(3, 0, 1))).permutation(6).tolist()
    )
    assert seed_of(Stream.WHOLE_PROCEDURE, 3, 2) == int(
        np.random.SeedSequence(3, spawn_key=(19, 2)).generate_state(1)[0]
    )
    assert [Stream.METRICS, Stream.PERMUTATION, Stream.BOOTSTRAP_CUTS, Stream.NESTED_ERROR] == [13, 17, 7, 23]


def test_no_number_of_a_stream_is_written_elsewhere():
    """Validation, the audit of a study and multitask studies draw from registered streams only."""
    for room in ("validation", "study", "deep/multitask"):
        for file in (PACKAGE / room).rglob("*.py"):
            text = file.read_text()
            assert not re.search(r"^\w*STREAM\w* = ", text, re.M), file
            assert not re.search(r"default_rng\(\[\d", text), file
