#!/usr/bin/env bash
# Builds the documentation into docs/_build/html, without network and with warnings as errors. The vignettes are
# executed on the way; an executed one is kept until it, the code or the R functions change.
set -euo pipefail
cd "$(dirname "$0")/.."
bash scripts/docs_extra.sh
export PATH="$PWD/.venv/bin:$PATH"
build=docs/_build
mkdir -p "$build"

code=$({
  find voicerisk r/R -name '*.py' -o -name '*.R' -o -name '*.toml' | LC_ALL=C sort | xargs cat
  echo "real recordings: ${VOICERISK_REAL:-none}"
} | sha256sum)
if [ "$(cat "$build/code.sha256" 2>/dev/null)" != "$code" ]; then
  rm -rf "$build/executed" vignettes/knitted docs/reference/generated
  echo "$code" > "$build/code.sha256"
fi

# Pages that are written by the code itself: commands, R functions, and the vignettes that R knits.
typer voicerisk.cli utils docs --name voicerisk --title Commands --output docs/reference/cli.md >/dev/null
Rscript --vanilla scripts/r_reference.R docs/reference/r_functions.md
mkdir -p "$build/r_library"
R CMD INSTALL --no-test-load --library="$build/r_library" r >/dev/null 2>&1
export R_LIBS="$PWD/$build/r_library"
for file in vignettes/*.Rmd r/vignettes/*.Rmd; do
  name=$(basename "$file" .Rmd)
  page=vignettes/knitted/$name.md
  if [ ! -e "$page" ] || [ "$file" -nt "$page" ]; then
    mkdir -p vignettes/knitted
    (cd vignettes/knitted && Rscript --vanilla -e \
      'knitr::opts_knit$set(root.dir = dirname(getwd()))
       knitr::opts_chunk$set(fig.path = paste0("figure/", tools::file_path_sans_ext(basename(commandArgs(TRUE)[1])), "-"))
       knitr::knit(commandArgs(TRUE)[1], quiet = TRUE)' "../../$file" >/dev/null)
  fi
done

python scripts/downloads.py vignettes/downloads

# The R package's own site, where pkgdown is.
site=$build/html/r
if Rscript --vanilla -e 'quit(status = !requireNamespace("pkgdown", quietly = TRUE))' 2>/dev/null; then
  if [ ! -e "$site/index.html" ] || [ -n "$(find r scripts/r_site.R -newer "$site/index.html" -print -quit)" ]; then
    rm -rf "$site"
    Rscript --vanilla scripts/r_site.R "$site" >"$build/r_site.log" 2>&1 || { tail -30 "$build/r_site.log" >&2; exit 1; }
  fi
else
  echo "The site of the R package is left out: pkgdown is not installed (apt install r-cran-pkgdown)."
fi

sphinx-build --quiet --fail-on-warning --keep-going -b html -c docs -d "$build/doctrees" . "$build/html"
echo '<!doctype html><meta http-equiv="refresh" content="0; url=docs/index.html"><a href="docs/index.html">voicerisk</a>' \
  > "$build/html/index.html"
echo "Open $build/html/index.html"
