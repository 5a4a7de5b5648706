# The project's verbs. `make book` on a machine with only python3, make and git leaves the site in _build/html.

PYTHON ?= python3
PORT ?= 8000
PIP_ARGS ?=
BENCH_ARGS ?=
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
COMPETITORS := $(VENV)/.competitors
MEASURED := _build/.measured
SITE := _build/html/.built
PACKAGE := $(shell find mmcl -name '*.py')
PAGES := $(shell find book -type f -not -path '*/.*' -not -name '*.pyc' -not -name '*.ipynb') _config.yml _toc.yml CITATION.cff \
  $(wildcard _build/bench/*.json)

# An active virtual environment, a user's PYTHONPATH or PYTHONHOME must not leak into ours.
unexport VIRTUAL_ENV PYTHONPATH PYTHONHOME
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_REQUIRE_VIRTUALENV := 0
export PYTHONNOUSERSITE := 1

.DEFAULT_GOAL := help
.PHONY: help book test lint bench serve clean setup

help: ## list the verbs
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-6s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo "Options: PYTHON=python3.12 (which interpreter), PIP_ARGS='…' (extra words for pip), PORT=8000 (for serve), BENCH_ARGS=--quick (a trial)."

book: $(SITE) ## execute every chapter and leave the site in _build/html
	@echo "The book is in _build/html/index.html (make serve shows it)."

test: $(READY) ## run the tests, among them a strict build of the book
	-@$(BIN)/python -m mmcl verify --brief
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses auto --dist worksteal

lint: $(READY) ## check style and types
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

bench: $(COMPETITORS) ## time the package against others on this machine, for the chapter "Reproduce"
	@env -u OMP_NUM_THREADS $(BIN)/python -m benchmarks $(BENCH_ARGS)

serve: book ## build the book, then show it on this machine
	@port=$$($(BIN)/python -c 'import socket; free = lambda port: socket.socket().connect_ex(("127.0.0.1", port)); print(next(port for port in range($(PORT), $(PORT) + 100) if free(port)))'); \
	echo "The book is at http://127.0.0.1:$$port (Ctrl-C stops it)."; \
	$(BIN)/python -m http.server --bind 127.0.0.1 --directory _build/html $$port

clean: ## remove what was built (the environment stays; rm -r .venv removes it)
	rm -rf _build .pytest_cache .mypy_cache .ruff_cache .hypothesis

# The long runs behind the claims, once for this code, on all cores; a chapter that finds none would run them one by one.
$(MEASURED): $(READY) $(PACKAGE) requirements.txt
	@echo "Measuring the claims (several minutes, when the code is new)."
	@$(BIN)/python -m mmcl verify --brief
	@mkdir -p $(@D) && touch $@

# Stands among the pages, so that a site that was removed is built again.
$(SITE): $(MEASURED) $(PAGES)
	@echo "Building the book (the first time, every chapter is executed)."
	@$(BIN)/jupyter-book build . --quiet >/dev/null
	@touch $@

# Without their dependencies: none of them may bring a second torch.
$(COMPETITORS): $(READY) requirements-bench.txt
	@$(BIN)/python -m pip install --quiet --no-deps $(PIP_ARGS) --requirement requirements-bench.txt
	@touch $@

setup: $(READY)

$(READY): requirements.txt pyproject.toml
	@command -v $(PYTHON) >/dev/null || \
	  { echo "This book needs Python 3.11, 3.12 or 3.13, but there is no '$(PYTHON)' here: name one with 'make book PYTHON=…'." >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null || \
	  { echo "This book needs Python 3.11, 3.12 or 3.13, but '$(PYTHON)' is $$($(PYTHON) --version 2>&1 | tail -n 1): name another with 'make book PYTHON=python3.12'." >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || \
	  { echo "Python's venv module is incomplete here: on Debian and Ubuntu, install it with 'apt-get install python3-venv'." >&2; exit 1; }
	@echo "Setting up $(VENV) (about two minutes, the first time)."
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet $(PIP_ARGS) --requirement requirements.txt
	@$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation $(PIP_ARGS) --editable .
	@touch $@
