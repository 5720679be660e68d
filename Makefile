# Needs python3 (3.11 or newer) and nothing else; another one: make test PYTHON=python3.12

PYTHON ?= python3
CLIENTS := examples/clients/javascript/node_modules/.installed
PYTEST := .venv/bin/python -m pytest -n 2 --dist loadfile -q

.PHONY: help demo test test-all test-lowest clean

help:
	@echo 'make demo      train a small language model, sample from it, export it'
	@echo 'make test      the tests that take minutes (what CI runs)'
	@echo 'make test-all  the long tests too'
	@echo 'make test-lowest  the command and the exports, with the oldest versions that pyproject.toml allows'
	@echo 'make clean     remove caches and build outputs (keeps .venv and runs/)'
	@echo 'The first three build .venv when it is missing, with the versions of constraints.txt (about 2 minutes).'

demo: .venv/.installed
	.venv/bin/python examples/demo.py

test: .venv/.installed $(CLIENTS)
	$(PYTEST) -m 'not slow and not network'

test-all: .venv/.installed $(CLIENTS)
	$(PYTEST)

# What meets other packages' interfaces: the command, layers in Keras, both exports and the runtime.
LOWEST_TESTS := tests/cli tests/cells tests/layers/rnn_test.py tests/export tests/models/generator_test.py tests/statistics/plot_test.py

test-lowest: .venv-lowest/.installed
	.venv-lowest/bin/python -m pytest -n 2 --dist loadfile -q -m 'not slow and not network' $(LOWEST_TESTS)

# "typer>=0.16" becomes "typer==0.16": a constraint, which nothing newer can meet.
.venv-lowest/.installed: pyproject.toml
	@echo 'Installing kerasrnn and the lowest versions that it declares into .venv-lowest ...'
	@$(PYTHON) -m venv --clear .venv-lowest
	@.venv-lowest/bin/python -c 'import re, tomllib; p = tomllib.load(open("pyproject.toml", "rb"))["project"]; \
		print(*(re.sub(">=([^,]+).*", r"==\1", r) for r in p["dependencies"] + p["optional-dependencies"]["subword"]), sep="\n")' \
		> .venv-lowest/constraints.txt
	@.venv-lowest/bin/python -m pip install --quiet --disable-pip-version-check -c .venv-lowest/constraints.txt \
		-e '.[subword]' pytest pytest-xdist hypothesis
	@touch $@

# The stamp comes last, so that an installation that stopped half-way is taken up again.
# setuptools goes first: with it in place the build needs no isolation, which would ignore the constraints.
.venv/.installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "kerasrnn needs Python 3.11 or newer; $(PYTHON) is: $$($(PYTHON) --version 2>&1)." \
		"Install one and name it: make $(MAKECMDGOALS) PYTHON=python3.12" >&2; exit 1; }
	@echo 'Installing kerasrnn and the versions of constraints.txt into .venv (TensorFlow is large: about 2 minutes) ...'
	@.venv/bin/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear .venv
	@.venv/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt setuptools wheel
	@.venv/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt --no-build-isolation -e '.[dev]'
	@touch $@

# Without Node's npm the tests of the JavaScript clients say so and are skipped.
$(CLIENTS): examples/clients/javascript/package.json
	@if command -v npm >/dev/null; then cd $(<D) && npm install --silent --no-audit --no-fund && touch node_modules/.installed; fi

clean:
	rm -rf build dist *.egg-info .pytest_cache .hypothesis .mypy_cache .ruff_cache .coverage
	find kerasrnn export tests examples benchmarks -name __pycache__ -prune -exec rm -rf {} + 2>/dev/null || true
