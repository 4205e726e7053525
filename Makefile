# Every target sets up what it needs; the second time that costs a fraction of a second.
.PHONY: help setup demo test test-deep lint vignettes rendered docs fuzz bench bench-all clean
PY := .venv/bin/python
JOBS ?= $(shell nproc)
export OMP_NUM_THREADS := 1
export OPENBLAS_NUM_THREADS := 1

help:            ## what the targets do
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/:.*## +/\t/' | expand -t 14

setup:           ## R, a virtual environment and the package (Debian or Ubuntu; root or sudo for R)
	@bash scripts/setup.sh

demo: setup      ## simulate a telephone cohort and run both protocols on it (demo/results)
	@test -f demo/cohort/study.toml || .venv/bin/voicerisk simulate demo/cohort
	@.venv/bin/voicerisk run demo/cohort/study.toml --out demo/results --jobs $(JOBS)

test: setup      ## all tests
	@bash scripts/browser.sh
	@$(PY) -m pytest -n $(JOBS) --dist worksteal --ignore=tests/deep $(PYTEST_ARGS)

test-deep: setup ## tests of the neural models; adds torch to .venv first, and says how large it is
	@bash scripts/setup_deep.sh
	@$(PY) -m pytest tests/deep $(PYTEST_ARGS)

lint: setup      ## style, types, who may import whom
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@.venv/bin/mypy
	@.venv/bin/lint-imports

vignettes: setup ## execute the vignettes and write HTML
	@bash scripts/vignettes.sh

rendered: setup  ## write vignettes/rendered anew, where code of a vignette changed
	@bash scripts/docs_extra.sh
	@$(PY) scripts/rendered.py

docs: setup      ## build the documentation site (docs/_build/html); executes the vignettes
	@bash scripts/docs.sh

# The others measure agreement and coverage, which takes hours: they are run by hand.
fuzz: setup      ## damage files and read them for some minutes (FUZZ_ARGS="--minutes 30 --seed 7 --reader labels")
	@$(PY) -m tests.fuzz.fuzz $(FUZZ_ARGS)

bench: setup     ## one table of what voicerisk costs beside the peers that are installed (minutes)
	@$(PY) benchmarks/speed/table.py

bench-all: setup ## measure each part closely (half an hour and more)
	@for file in extract boosting screening rbridge; do echo "# benchmarks/speed/$$file.py"; $(PY) benchmarks/speed/$$file.py; done
	@echo "# benchmarks/evidence/validation.py scale"; $(PY) benchmarks/evidence/validation.py scale

clean:           ## remove what was made, and the virtual environment
	rm -rf .venv demo .pytest_cache .mypy_cache .ruff_cache .hypothesis
