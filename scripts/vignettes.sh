#!/usr/bin/env bash
# Executes every vignette (any failing cell, asserted numbers included, fails) and writes each as a notebook with its output to
# vignettes/notebooks, and what R knits as HTML. With numbers, only those: scripts/vignettes.sh 01 08
set -euo pipefail
cd "$(dirname "$0")/.."
bash scripts/docs_extra.sh
export PATH="$PWD/.venv/bin:$PATH"
out=vignettes/notebooks
mkdir -p "$out"
[ $# -gt 0 ] || set -- ''
for wanted in "$@"; do
  for file in vignettes/"$wanted"*.md; do
    [ -e "$file" ] || continue
    name=$(basename "$file" .md)
    started=$SECONDS
    # The kernel works in vignettes/, as it does when a reader opens the file there.
    jupytext --quiet --to ipynb --execute --run-path vignettes "$file" --output "$out/$name.ipynb"
    echo "$name: $((SECONDS - started)) s"
  done
  for file in vignettes/"$wanted"*.Rmd; do
    [ -e "$file" ] || continue
    name=$(basename "$file" .Rmd)
    started=$SECONDS
    Rscript --vanilla -e 'rmarkdown::render(commandArgs(TRUE)[1], output_dir = commandArgs(TRUE)[2], quiet = TRUE)' \
      "$file" "$out" >/dev/null
    echo "$name: $((SECONDS - started)) s"
  done
done
