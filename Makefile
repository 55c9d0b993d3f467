# What a contributor does, each in a word. All targets may be repeated; each installs what it needs and doesn't find.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help setup try check test e2e cluster cluster-down demo verify generate bench lock

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
	$(MAKE) e2e
	e2e/cluster down

e2e: setup ## Black-box tests on a real cluster, which is brought up if it isn't
	e2e/cluster up
	$(WITH_CLUSTER) .venv/bin/pytest e2e

cluster: ## Bring a real cluster up on this machine, and say how to use it
	e2e/cluster up
	@echo 'Use it:  eval "$$(e2e/cluster env)"'

cluster-down: ## End the cluster and all that belongs to it
	e2e/cluster down

demo: setup ## A cluster, the operator, and this project's own CI workflow in it
	e2e/demo

verify: setup ## Fail where something generated is stale
	scripts/generate --check

generate: setup ## Write what is generated: the CRD, the chart's copy of it, manifests/install.yaml
	$(WITH_CLUSTER) scripts/generate

bench: setup ## What it costs, beside plain Jobs, in one run
	e2e/cluster up
	$(WITH_CLUSTER) $(PYTHON) bench/hop.py

lock: setup ## Pin the dependencies anew
	scripts/lock
