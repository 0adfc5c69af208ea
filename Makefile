# The two commands are `make run` and `make test`. Both install what they need into .venv first.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Not the modules with most tests first, but those that conftest.py knows to take longest.
SIDE_BY_SIDE := --numprocesses 4 --dist loadfile --no-loadscope-reorder
MARKS := not slow
# Every process of the tests would compile all modules anew.
test test-slow trials: export PYTHONDONTWRITEBYTECODE :=

.PHONY: help run test test-slow test-all trials coverage check format docs pictures bench lock clean

help:
	@echo "make run      install, and serve the gateway on http://127.0.0.1:8888; PORT=9000 HOST=:: for another address"
	@echo "make test     install, and run the fast tests: under three minutes on two cores"
	@echo "make test-all the fast tests, then the slow ones (make test-slow), a few attempts of each trial among them"
	@echo "make trials   crashes and faults, many times over; prints attempts and violations"
	@echo "make coverage the tests once more, with their branch coverage: under 95 % fails"
	@echo "make mutants  small faults put into four modules; prints those that no test sees; MUTANTS='*urls*' for some"
	@echo "make check    ruff, mypy, import rules, an operation for each route, fresh tables and completions"
	@echo "make format   let ruff arrange the code"
	@echo "make docs     write the tables of the documentation, completions and man pages from the code"
	@echo "make pictures  make the pictures of the documentation from a real gateway; PICTURES=page.png for some"
	@echo "make bench    the measurements beside the peers, and a table; BENCH=crawl for some"
	@echo "make lock     resolve requirements/*.txt anew from pyproject.toml"
	@echo "make clean    remove what these commands made, but for data/"

run: $(VENV)/run.stamp
	exec $(BIN)/python -m gateway

test: $(VENV)/dev.stamp
	$(BIN)/pytest $(SIDE_BY_SIDE) -m "$(MARKS)"

test-slow: $(VENV)/dev.stamp
	$(BIN)/pytest $(SIDE_BY_SIDE) -m slow

test-all: test test-slow

trials: $(VENV)/dev.stamp
	TRIALS=full $(BIN)/pytest --timeout=0 tests/trials

coverage: $(VENV)/dev.stamp
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest $(SIDE_BY_SIDE) --ignore tests/trials
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

mutants: $(VENV)/mutants.stamp
	$(BIN)/python -m tests.mutation $(MUTANTS)

check: $(VENV)/dev.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest -q tests/test_imports.py tests/web/test_docs.py::test_every_route
	$(BIN)/python docs/tables.py --check
	$(BIN)/python docs/completions.py --check

format: $(VENV)/dev.stamp
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/bench.stamp
	$(BIN)/python bench $(BENCH)

docs: $(VENV)/dev.stamp
	$(BIN)/python docs/tables.py
	$(BIN)/python docs/completions.py

pictures: $(VENV)/dev.stamp
	$(BIN)/python docs/pictures.py $(PICTURES)

lock: $(VENV)/bin/python
	$(BIN)/pip install --quiet uv
	for group in run build dev bench mutants; do \
	    case $$group in run) flags=pyproject.toml;; build) flags="--group build";; \
	        *) flags="pyproject.toml --group $$group";; esac; \
	    $(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
	        --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" \
	        $$flags --output-file requirements/$$group.txt || exit 1; \
	done

clean:
	rm -rf $(VENV) .venv-* .mypy_cache .pytest_cache .ruff_cache .hypothesis .coverage .mutants

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed: make PYTHON=python3.11 …")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/%.stamp: requirements/%.txt | $(VENV)/bin/python
	@echo "Installing the packages of $< into $(VENV) (once)"
	$(BIN)/pip install --disable-pip-version-check --progress-bar off --require-hashes --requirement $<
	touch $@
