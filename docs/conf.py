"""Sphinx configuration: `make docs` builds docs/_build/html, offline, with warnings as errors."""

from importlib.metadata import version as installed
from pathlib import Path
from typing import Any

project = "voicerisk"
author = "The voicerisk authors"
project_copyright = "the voicerisk authors, GPL-2.0-or-later"
version = release = installed("voicerisk")

# The sources are the project itself, so that a link between a page, a vignette and the changelog is the same
# in the repository and on the site.
root_doc = "docs/index"
include_patterns = ["docs/**", "vignettes/**", "CONTRIBUTING.md", "CHANGELOG.md"]
exclude_patterns = [
    ".*",
    "**/.*",
    "demo",
    "r",
    "tests",
    "voicerisk",
    "**/_build",
    "vignettes/notebooks",
    "vignettes/rendered",
    "vignettes/downloads",
    "docs/_templates",
]

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.autosummary", "numpydoc", "sphinx_design"]

# ---- pages and vignettes -------------------------------------------------------------------------
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
myst_title_to_header = True
nb_execution_mode = "cache"
nb_execution_cache_path = "docs/_build/executed"
nb_execution_raise_on_error = True
nb_execution_show_tb = True
nb_execution_timeout = 900
nb_merge_streams = True
nb_output_stderr = "remove"
# A header of knitr's notebooks is for rmarkdown.
# A page that stands in no list yet is found by the search. `%%R` cells are R inside Python, and CSV has
# no lexer: both are shown as plain text.
suppress_warnings = ["myst.topmatter", "misc.highlighting_failure", "toc.not_included"]

# ---- reference from docstrings -------------------------------------------------------------------
templates_path = ["docs/_templates"]  # from the root of the sources
autosummary_generate = True
autosummary_imported_members = True
autosummary_ignore_module_all = False
autodoc_typehints = "none"
numpydoc_show_class_members = False
numpydoc_xref_param_type = False
default_role = "literal"

# ---- look ----------------------------------------------------------------------------------------
html_theme = "pydata_sphinx_theme"
html_title = f"voicerisk {release}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {
    "navigation_with_keys": False,
    "show_prev_next": True,
    "footer_start": ["copyright"],
    "footer_end": [],
    "secondary_sidebar_items": ["page-toc"],
    "show_toc_level": 2,
}


def setup(app: Any) -> None:
    """Leave out methods that scikit-learn writes for its own routing, and offer vignettes as files."""
    app.connect("autodoc-skip-member", _is_of_scikit_learn)
    app.connect("source-read", _offer_downloads)


def _offer_downloads(app: Any, page: str, source: list[str]) -> None:
    """Below a vignette's heading: the same as a notebook and as a Quarto page."""
    name = page.removeprefix("vignettes/")
    if not (Path(app.srcdir) / "vignettes" / "downloads" / f"{name}.ipynb").is_file():
        return
    kinds = (("ipynb", "notebook"), ("qmd", "Quarto page"))
    links = " · ".join(f"{{download}}`{said} <downloads/{name}.{kind}>`" for kind, said in kinds)
    head, heading, rest = source[0].partition("\n# ")
    title, end, text = rest.partition("\n")
    source[0] = f"{head}{heading}{title}{end}\nDownload: {links}\n{text}"


def _is_of_scikit_learn(
    app: Any, what: str, name: str, found: object, skip: bool, options: object
) -> bool | None:
    routed = name.startswith("set_") and name.endswith("_request")
    return True if routed or name == "get_metadata_routing" else None
