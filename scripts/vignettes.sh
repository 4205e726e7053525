#!/usr/bin/env bash
# Executes every vignette (any failing cell, asserted numbers included, fails) and writes HTML to vignettes/html.
set -euo pipefail
cd "$(dirname "$0")/.."
.venv/bin/python -c 'import jupytext, nbclient, nbconvert, ipykernel' 2>/dev/null ||
  .venv/bin/python -m pip install --quiet --disable-pip-version-check -e '.[docs]'
mkdir -p vignettes/html
for file in vignettes/*.md; do
  name=$(basename "$file" .md)
  echo "== $name"
  .venv/bin/jupytext --quiet --to ipynb "$file" --output "vignettes/html/$name.ipynb"
  .venv/bin/jupyter nbconvert --log-level WARN --execute --to html --output "$name.html" \
    --ExecutePreprocessor.timeout=600 "vignettes/html/$name.ipynb"
done
