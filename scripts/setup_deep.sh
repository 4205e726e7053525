#!/usr/bin/env bash
# Adds the extra `deep` to .venv: torch (a CPU build), transformers, safetensors, shap. A second run returns at once.
set -euo pipefail
cd "$(dirname "$0")/.."

stamp=.venv/.voicerisk-setup-deep
wanted=$(cat pyproject.toml scripts/setup_deep.sh | sha256sum | cut -d' ' -f1)
if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ]; then
  exit 0
fi

say() { printf '\033[1m==> %s\033[0m\n' "$*"; }
install() { .venv/bin/python -m pip install --quiet --disable-pip-version-check "$@"; }

if ! .venv/bin/python -c 'import torch' 2>/dev/null; then
  say "The extra 'deep' downloads about 250 MB and takes about 1.1 GB on disk where pip finds a CPU build of torch."
  # The suffix asks for the CPU build. Where pip's indexes have none, the plain one may bring CUDA along.
  if ! install 'torch==2.13.0+cpu' 2>/dev/null; then
    say "pip found no CPU build of torch; its default build may download 3 GB. To avoid that, stop here (Ctrl-C)"
    say "and give pip an index that has CPU builds (PIP_EXTRA_INDEX_URL), as the PyTorch site describes."
    install 'torch==2.13.0'
  fi
fi
install -e '.[deep]'
.venv/bin/python -c 'import torch, transformers, tokenizers, safetensors'
echo "$wanted" > "$stamp"
say "The extra 'deep' is ready."
