#!/usr/bin/env bash
# Readies what the tests of the HTML report need: Chromium from the distribution, and Playwright for Python to drive it.
# `make test` calls it; the demo does not. Where Chromium is not to be had those tests are skipped with the reason, unless
# VOICERISK_REQUIRE names browser.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf '\033[1m==> %s\033[0m\n' "$*"; }

found() { [ -n "${VOICERISK_CHROMIUM:-}" ] || command -v chromium >/dev/null || command -v chromium-browser >/dev/null; }

if ! found && command -v apt-get >/dev/null; then
  if [ "$(id -u)" -eq 0 ]; then as_root=(); else as_root=(sudo -n); fi
  say "Installing chromium from the distribution, for the tests of the report (about 100 MB)"
  export DEBIAN_FRONTEND=noninteractive
  { "${as_root[@]}" apt-get update -qq && "${as_root[@]}" apt-get install -y -qq --no-install-recommends chromium >/dev/null; } ||
    say "Chromium could not be installed: tests marked browser will be skipped"
fi
if found && ! .venv/bin/python -c 'import playwright' 2>/dev/null; then
  say "Installing Playwright into .venv (about 50 MB; it downloads no browser of its own)"
  .venv/bin/python -m pip install --quiet --disable-pip-version-check 'playwright>=1.49' ||
    say "Playwright could not be installed: tests marked browser will be skipped"
fi
