#!/usr/bin/env bash
# Installs what vignettes and the documentation need beyond the set-up, once.
set -euo pipefail
cd "$(dirname "$0")/.."
# The R package's own site needs pkgdown; without it that site is left out.
if ! Rscript --vanilla -e 'quit(status = !requireNamespace("pkgdown", quietly = TRUE))' 2>/dev/null &&
   [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
  echo "==> Installing pkgdown from the distribution"
  { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends r-cran-pkgdown; } >/dev/null 2>&1 ||
    echo "pkgdown is not to be had here."
fi
.venv/bin/python -c 'import importlib.util as u, sys
names = "jupytext nbconvert ipykernel myst_nb sphinx pydata_sphinx_theme sphinx_design numpydoc rpy2.ipython".split()
sys.exit(any(u.find_spec(name) is None for name in names))' 2>/dev/null && exit 0
echo "==> Installing the tools for vignettes and documentation into .venv"
# The rpy2-rinterface that the set-up chose for this R must stay as it is.
pin=$(.venv/bin/python -c 'from importlib.metadata import version; print("rpy2-rinterface==" + version("rpy2-rinterface"))')
.venv/bin/python -m pip install --quiet --disable-pip-version-check "$pin" -e '.[docs]'
