# convolab: two commands are enough, `make run` and `make test`. Each does its own set-up, once.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
  command -v $$p >/dev/null 2>&1 && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)
BIN := .venv/bin

.PHONY: run test check bench clean

run: .venv/installed
	@$(BIN)/convolab

test: .venv/installed .venv/browser
	@PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

check: .venv/installed
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy

bench: .venv/installed .venv/browser
	@for script in $(filter-out %/machine.py %/lite_worker.py %/work.py %/shipped_together.py,$(wildcard benchmarks/*.py)); do echo "== $$script"; $(BIN)/python $$script || exit 1; done

.venv/installed: pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "convolab needs Python 3.11 or newer: install it, or say where it is with 'make run PYTHON=/path/to/python3'"; exit 2; }
	@echo "Setting up convolab in .venv (once; a minute or two) …"
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv || { echo "Python's venv module is missing; on Debian and Ubuntu: apt-get install python3-venv"; exit 2; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev,notebook]'
	@touch $@

# The page tests drive a Chromium that is there already; else one is installed, if that is possible without asking.
.venv/browser: .venv/installed
	@sh tests/browser/install.sh $(BIN) && touch $@

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache
