# Everything from a fresh clone: `make demo` runs the whole loop, `make test` all tests.
.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
# Bytecode is written once, at install time; without it each run of a CDK app compiles 10 s.
unexport PYTHONDONTWRITEBYTECODE
unexport PYTHONPATH
export JSII_SILENCE_WARNING_UNTESTED_NODE_VERSION := 1
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export PATH := $(CURDIR)/$(BIN):$(CURDIR)/node_modules/.bin:$(PATH)

.PHONY: help setup demo test test-failed fidelity check bench format lock docs integ clean

help: ## what there is
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

$(VENV)/.ready: requirements/dev.txt requirements/frameworks.txt requirements/torch.txt pyproject.toml
	@echo "setting up $(VENV) (two minutes, once)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --require-hashes --no-deps -r requirements/dev.txt
	@$(BIN)/python -m pip install --quiet --require-hashes --no-deps -r requirements/frameworks.txt
	@$(BIN)/python -m pip install --quiet -r requirements/torch.txt
	@$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation \
	  --editable distributions/sageloop-local --editable .
	@$(BIN)/python -m compileall -q $(VENV)/lib >/dev/null || true
	@touch $@

node_modules/.ready: package-lock.json $(VENV)/.ready
	@echo "setting up the CDK command line"
	@npm ci --silent
	@touch $@

.venv-checkov/.ready: requirements/checkov.txt
	@echo "setting up checkov in an environment of its own"
	@test -x .venv-checkov/bin/python || $(PYTHON) -m venv .venv-checkov
	@.venv-checkov/bin/python -m pip install --quiet --require-hashes --no-deps -r requirements/checkov.txt
	@touch $@

.venv-fidelity/.ready: requirements/build.txt requirements/fidelity.txt
	@echo "setting up AWS's training toolkit in an environment of its own"
	@test -x .venv-fidelity/bin/python || $(PYTHON) -m venv .venv-fidelity
	@.venv-fidelity/bin/python -m pip install --quiet --require-hashes --no-deps -r requirements/build.txt
	@.venv-fidelity/bin/python -m pip install --quiet --require-hashes --no-deps --no-build-isolation -r requirements/fidelity.txt
	@touch $@

.venv-sdk/.ready: requirements/sdk.txt
	@echo "setting up the SageMaker SDK in an environment of its own"
	@test -x .venv-sdk/bin/python || $(PYTHON) -m venv .venv-sdk
	@.venv-sdk/bin/python -m pip install --quiet --require-hashes --no-deps -r requirements/sdk.txt
	@touch $@

.venv-aws/.ready: requirements/aws.txt
	@echo "setting up the AWS command line in an environment of its own"
	@test -x .venv-aws/bin/python || $(PYTHON) -m venv .venv-aws
	@.venv-aws/bin/python -m pip install --quiet --require-hashes --no-deps -r requirements/aws.txt
	@touch $@

setup: $(VENV)/.ready node_modules/.ready ## the environment, Node and the CDK CLI

demo: setup ## the whole loop on real data, without an account
	$(BIN)/sageloop demo $(DEMO)

test: setup .venv-checkov/.ready fidelity ## all tests
	$(BIN)/python -m pytest -n 2 --dist loadfile $(TESTS)

test-failed: setup ## only what failed in the last run, one after another
	$(BIN)/python -m pytest -v --last-failed --last-failed-no-failures none $(TESTS)

fidelity: .venv-fidelity/.ready .venv-sdk/.ready .venv-aws/.ready ## AWS's toolkit, SDK and command line, which meet our cloud

check: setup ## format, lint, types, imports, docs, structure
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy constructs_lib stacks sageloop scripts benchmarks app.py
	PYTHONPATH=lambda/layer/python $(BIN)/lint-imports --no-logo
	$(BIN)/python -m pytest -q -m "not slow" tests/docs

bench: setup ## the performance figures, as JSON and a table
	$(BIN)/python -m benchmarks $(BENCH)

format: setup ## format and fix what can be fixed
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: setup ## write the generated pages anew
	$(BIN)/python -m scripts.generate_docs

lock: ## pin requirements anew (needs uv on the PATH)
	uv pip compile -q pyproject.toml --extra local --extra dev --extra demo --generate-hashes \
	  --no-annotate --no-header --python-version 3.11 --no-emit-package sageloop-local \
	  -o requirements/dev.txt
	uv pip compile -q requirements/checkov.in --generate-hashes --no-annotate --no-header \
	  --python-version 3.11 -o requirements/checkov.txt
	for name in build fidelity sdk aws; do uv pip compile -q requirements/$$name.in --generate-hashes \
	  --no-annotate --no-header --python-version 3.11 -o requirements/$$name.txt; done
	uv pip compile -q requirements/frameworks.in -c requirements/dev.txt --generate-hashes \
	  --no-annotate --no-header --python-version 3.11 -o requirements/frameworks.txt

integ: setup ## deploy to YOUR account and destroy again (costs money; asks first)
	$(BIN)/python -m scripts.integ

clean: ## remove what was set up and written
	rm -rf $(VENV) .venv-checkov .venv-fidelity .venv-sdk .venv-aws node_modules cdk.out dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
