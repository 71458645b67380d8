# The commands of the project. Each sets up what it needs by itself, in .venv.

PYTHON ?= python3
BIN := .venv/bin
ifeq ($(YINLING_REQUIRE_ALL),1)
COVERAGE := --cov --cov-report=term:skip-covered
endif

# What is started a hundred times is compiled once, the tests themselves too, before four processes would do it at the
# same time; where several processes share the processors, each computes alone.
unexport PYTHONDONTWRITEBYTECODE
test: export OPENBLAS_NUM_THREADS := 1

.PHONY: demo test lint bench format clean

demo: .venv/ready
	$(BIN)/yinling demo

test: .venv/ready-dev
	@$(BIN)/pytest --collect-only --no-cov -qqq >/dev/null || true
	$(BIN)/pytest -n 4 --dist loadfile --no-loadscope-reorder $(COVERAGE) $(ARGS)

lint: .venv/ready-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: .venv/ready-dev
	$(BIN)/yinling bench $(ARGS)

format: .venv/ready-dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf .venv .cache .mypy_cache .ruff_cache .hypothesis

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv .venv

.venv/ready: .venv/bin/python pyproject.toml constraints.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	@touch $@

.venv/ready-dev: .venv/ready
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev,train]'
	@touch $@
