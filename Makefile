# What a contributor does, each in a word. All targets may be repeated; each installs what it needs and doesn't find.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: simulate faults soak help setup try check test e2e cluster cluster-down demo verify generate bench bench-planner bench-report lock

PYTHON := .venv/bin/python
# The cluster's binaries (kubectl and helm among them) come before whatever else the machine has.
WITH_CLUSTER := eval "$$(e2e/cluster env)" &&

help: ## Say what there is to make
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

setup: ## Make the virtual environment (.venv) from the lock file
	@scripts/setup

try: setup ## Run this project's own checks as a workflow, on this machine alone
	PATH="$(CURDIR)/.venv/bin:$$PATH" fairlead run --engine host .fairlead/checks.yaml

check: setup ## Lint, types, import rules, unit tests: before each commit, some 30 seconds
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy operator/fairlead tests e2e bench scripts
	.venv/bin/lint-imports --no-logo
	.venv/bin/pytest tests

test: ## Everything: build what the cluster needs, check, verify, e2e
	$(MAKE) setup
	e2e/cluster up
	$(WITH_CLUSTER) $(MAKE) check
	$(WITH_CLUSTER) $(MAKE) verify
	$(MAKE) simulate
	$(MAKE) e2e
	e2e/cluster down

e2e: setup ## Black-box tests on a real cluster, which is brought up if it isn't
	e2e/cluster up
	$(WITH_CLUSTER) $(PYTHON) -m e2e.run

cluster: ## Bring a real cluster up on this machine, and say how to use it
	e2e/cluster up
	@echo 'Use it:  eval "$$(e2e/cluster env)"'

cluster-down: ## End the cluster and all that belongs to it
	e2e/cluster down

simulate: setup ## The operator in a simulated cluster where all goes wrong: SEEDS=1000, FIRST=0; SEED=42 shows one
	$(PYTHON) -m tests.simulation $(if $(SEED),--seed $(SEED),--seeds $(or $(SEEDS),1000) --first $(or $(FIRST),0))

demo: setup ## A cluster, the operator, and this project's own CI workflow in it
	e2e/demo

verify: setup ## Fail where something generated is stale
	scripts/generate --check

generate: setup ## Write what is generated: the CRD, the chart's copy of it, manifests/install.yaml
	$(WITH_CLUSTER) scripts/generate

faults: setup ## Hurt the operator and its cluster in all ways, for 20 minutes; fills docs/reliability.md. SEED=1
	e2e/cluster up
	$(PYTHON) -m e2e.faults --seed $(or $(SEED),1) --write

soak: setup ## A mixed load under faults for MINUTES=20: does anything grow? SEED=1
	e2e/cluster up
	$(PYTHON) -m e2e.faults.soak --minutes $(or $(MINUTES),20) --seed $(or $(SEED),1) --write

bench: setup ## What it costs, beside plain Jobs: half an hour; ONLY=hop,live SCALE=0.1 LIMITS=raised LOAD=graph
	$(PYTHON) -m bench run --only "$(ONLY)" --scale $(or $(SCALE),1) --limits $(or $(LIMITS),both) --load "$(LOAD)"
	$(PYTHON) -m bench report

bench-planner: setup ## The same of the planner alone, which needs no cluster
	$(PYTHON) -m bench run --only planner
	$(PYTHON) -m bench report

bench-report: setup ## Write docs/performance.md's tables and figures from bench/results
	$(PYTHON) -m bench report

lock: setup ## Pin the dependencies anew
	scripts/lock
