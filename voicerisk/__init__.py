"""voicerisk: interpretable, honestly validated risk models on voice biomarkers.

Take markers with `extract` and `extract_file` (`catalogue` says what they are), learn with `screen`,
`GamBoost` and `Gamm`, run a whole study with `load_study` and `run_study`, ask what it is worth with `audit`,
`validate` and `compute_metrics`, use it with `score`. `read_table` reads a table of a
study's results, `load_example` gives a table to try things on, `export_r` and `import_rds` go to R and back.
The rooms `figures`, `report` and `simulate` draw, write and make up.

Everything loads on first use. A research tool: a number it prints is never the sole basis of a clinical
decision.
"""

from voicerisk.lazy import TYPE_CHECKING, attach

if TYPE_CHECKING:
    from voicerisk import figures, report, simulate
    from voicerisk.biomarkers.catalogue import catalogue
    from voicerisk.biomarkers.extract import extract, extract_file
    from voicerisk.models.boosting.estimator import GamBoost
    from voicerisk.models.gamm.estimator import Gamm
    from voicerisk.pipeline.tables import read_table
    from voicerisk.rbridge.exchange import export_r, import_rds
    from voicerisk.screening.screen import screen
    from voicerisk.simulate.example import load_example
    from voicerisk.study.audit.run import run_audit as audit
    from voicerisk.study.external.validate import validate_externally as validate
    from voicerisk.study.saved_model.scoring import score
    from voicerisk.study.settings import load_study
    from voicerisk.study.whole_run import run_study
    from voicerisk.validation.metrics.compute import compute_metrics
    from voicerisk.version import __version__

__all__ = [
    "GamBoost",
    "Gamm",
    "__version__",
    "audit",
    "catalogue",
    "compute_metrics",
    "export_r",
    "extract",
    "extract_file",
    "figures",
    "import_rds",
    "load_example",
    "load_study",
    "read_table",
    "report",
    "run_study",
    "score",
    "screen",
    "simulate",
    "validate",
]

__getattr__, __dir__ = attach(__name__, __file__)
