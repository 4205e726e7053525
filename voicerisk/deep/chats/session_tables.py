"""Who wrote, who left, and how far raters agree: the tables of the sessions of a study of text."""

from voicerisk.files import PRIVATE, write_csv
from voicerisk.pipeline.results_folder import ResultsFolder
from voicerisk.text.characteristics import characteristics, group_differences
from voicerisk.text.coding import rating_matrix
from voicerisk.text.sessions import TextCohort
from voicerisk.text.settings import TextSettings


def write_session_tables(
    cohort: TextCohort, folder: ResultsFolder, settings: TextSettings
) -> tuple[list[str], list[str]]:
    """Write the tables; return their names and the notes of reading.

    Agreement is measured on the sessions that all raters rated, where there are two or more.
    """
    file = folder.file
    write_csv(file("sessions.csv"), cohort.sessions, PRIVATE, exact=True)
    write_csv(file("flow.csv"), cohort.flow)
    write_csv(file("exclusions.csv"), cohort.exclusions, PRIVATE)
    write_csv(file("group_differences.csv"), group_differences(cohort.sessions, cohort.classes))
    described = characteristics(cohort.sessions, cohort.classes, cohort.users_known)
    write_csv(file("characteristics.csv"), described)
    written = ["sessions.csv", "flow.csv", "exclusions.csv", "group_differences.csv", "characteristics.csv"]
    notes = list(cohort.notes)
    if len(cohort.ratings):
        from voicerisk.validation.metrics.rater_agreement import agreement_table

        matrix = rating_matrix(cohort.ratings, cohort.classes)
        complete = matrix.dropna()
        if len(complete) < len(matrix):
            notes.append(
                f"Agreement is of the {len(complete)} of {len(matrix)} sessions that all raters rated."
            )
        if len(complete) > 1 and complete.shape[1] > 1:
            measured = agreement_table(complete, seed=settings.seed)
            measured.insert(0, "scale", settings.label)
            write_csv(file("agreement.csv"), measured)
            written.append("agreement.csv")
    return written, notes
