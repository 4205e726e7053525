"""Report: publication tables from tidy ones, what carries them (CSV, HTML, LaTeX, Word), and the HTML report.

A table function takes tidy tables and returns a `PublicationTable` of text; a writer writes it. Whatever a
table holds (an id such as `<script>` or `=cmd()`) stays text in every format.
"""

from typing import TYPE_CHECKING

from voicerisk.lazy import attach

if TYPE_CHECKING:
    from voicerisk.report.calls import CallInReport
    from voicerisk.report.checklists.tripod_items import reporting_evidence
    from voicerisk.report.export import export_study
    from voicerisk.report.html import write_report
    from voicerisk.report.tables.audit import audit_table, findings_list, procedure_table
    from voicerisk.report.tables.cohort import cohort_characteristics
    from voicerisk.report.tables.comparisons import comparison_table
    from voicerisk.report.tables.formats import estimate, interval, p_value
    from voicerisk.report.tables.publication import (
        PublicationTable,
        biomarker_table,
        gamm_table,
        missed_calls,
        performance_table,
        thresholds_table,
    )
    from voicerisk.report.tables.writers import to_html, to_latex, write_docx, write_table
    from voicerisk.report.what_if import write_what_if


__all__ = [
    "PublicationTable",
    "cohort_characteristics",
    "estimate",
    "export_study",
    "interval",
    "p_value",
    "performance_table",
    "reporting_evidence",
    "to_html",
    "to_latex",
    "write_report",
    "write_table",
    "write_what_if",
]

__getattr__, __dir__ = attach(__name__, __file__)
