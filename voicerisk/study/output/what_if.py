"""The what-if page of a study, with its sliders where half of the calls lie above and half below."""

from voicerisk.pipeline.results_folder import ResultsFolder
from voicerisk.pipeline.tables import read_table
from voicerisk.report import write_what_if
from voicerisk.report.what_if import WHAT_IF
from voicerisk.study.output.figures import marker_labels
from voicerisk.study.saved_model.models import SUFFIX


def write_page(folder: ResultsFolder) -> list[str]:
    """Write the page of the model that was validated honestly, else of the published recipe's.

    Parameters
    ----------
    folder : ResultsFolder
        With `boost/`, `frames.parquet` and `calls.csv`.

    Returns
    -------
    list of str
        The file written; none where no protocol left a model.
    """
    found = [folder.file(f"boost/model{suffix}.json") for suffix in SUFFIX.values()]
    found = [path for path in found if path.is_file()]
    if not found:
        return []
    frames = read_table(folder.path, "frames")
    numbers = frames.select_dtypes("number").assign(call_id=frames["call_id"].to_numpy())
    start = numbers.groupby("call_id").mean().median().dropna().to_dict()  # a call in the middle
    write_what_if(
        found[0],
        folder.file(WHAT_IF),
        labels=marker_labels("both"),
        start={str(name): float(value) for name, value in start.items()},
    )
    return [WHAT_IF]
