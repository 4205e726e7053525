#!/usr/bin/env bash
# Sets everything up on Debian 12 (or another Debian-like system with apt), idempotently:
# R and its packages from the distribution, a virtual environment in .venv, voicerisk with the extras it needs, and an
# attempt at mboost, which is only on CRAN. A second run finds the stamp and returns at once.
set -euo pipefail
cd "$(dirname "$0")/.."

stamp=.venv/.voicerisk-setup
wanted=$(cat pyproject.toml scripts/setup.sh | sha256sum | cut -d' ' -f1)
if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ] && command -v Rscript >/dev/null; then
  exit 0
fi

say() { printf '\033[1m==> %s\033[0m\n' "$*"; }
fail() { printf 'setup: %s\n' "$*" >&2; exit 1; }

# ---- system packages -------------------------------------------------------------------------------------------------
apt_packages=(r-base-core r-cran-mgcv r-cran-glmnet r-cran-testthat r-cran-knitr r-cran-rmarkdown r-cran-jsonlite
              r-cran-cutpointr r-cran-proc r-cran-ggplot2 r-cran-generics make python3 python3-venv)
missing=()
for package in "${apt_packages[@]}"; do
  dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || missing+=("$package")
done
if [ "${#missing[@]}" -gt 0 ]; then
  command -v apt-get >/dev/null || fail "these packages are missing and apt-get is not here: ${missing[*]}"
  if [ "$(id -u)" -eq 0 ]; then as_root=(); elif command -v sudo >/dev/null; then as_root=(sudo); else
    fail "run as root or with sudo once, to install: ${missing[*]}"
  fi
  say "Installing from the distribution: ${missing[*]}"
  export DEBIAN_FRONTEND=noninteractive
  "${as_root[@]}" apt-get update -qq
  "${as_root[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi

# ---- Python ----------------------------------------------------------------------------------------------------------
python=$(command -v python3.11 || command -v python3) || fail "Python 3.11 or newer is missing"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || fail "$python is older than Python 3.11"
if ! .venv/bin/python -c 'import pip' 2>/dev/null; then
  say "Making the virtual environment .venv with $("$python" --version)"
  rm -rf .venv
  "$python" -m venv .venv
fi

# Which rpy2-rinterface fits depends on R; pip cannot see R, so the choice is made here.
r_version=$(Rscript --vanilla -e 'cat(paste(R.version$major, R.version$minor, sep="."))')
if dpkg --compare-versions "$r_version" lt 4.5; then rpy2='rpy2-rinterface>=3.6.3,<=3.6.5'; else rpy2='rpy2-rinterface>=3.6.7'; fi
say "Installing voicerisk into .venv (R $r_version, so $rpy2)"
.venv/bin/python -m pip install --quiet --disable-pip-version-check "$rpy2" -e '.[r,report,vad,codecs,test]'

# ---- mboost, which no Debian package has ---------------------------------------------------------------------------------
if ! Rscript --vanilla -e 'quit(status = !requireNamespace("mboost", quietly = TRUE))' 2>/dev/null; then
  say "Trying to install the R package mboost from CRAN (optional)"
  library=$(Rscript --vanilla -e 'cat(path.expand(Sys.getenv("R_LIBS_USER")))')
  mkdir -p "$library"
  if ! timeout 600 Rscript -e 'install.packages("mboost", lib = commandArgs(TRUE)[1], quiet = TRUE)' "$library" \
      >/dev/null 2>&1 ||
     ! Rscript --vanilla -e 'quit(status = !requireNamespace("mboost", quietly = TRUE))' 2>/dev/null; then
    say 'mboost is not to be had here (CRAN out of reach, or no compiler). Everything works but engine = "mboost";'
    say 'to add it later: Rscript -e '\''install.packages("mboost")'\'
  fi
fi

echo "$wanted" > "$stamp"
say "Ready. Try: .venv/bin/voicerisk doctor"
