# `make help` lists the targets. `make demo` and `make check` need Rust and a C compiler; `make test` installs what else its
# stages need (scripts/setup-test-tools.sh), and runs containers and a Kubernetes, which needs root.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

export CARGO_TERM_COLOR ?= auto
# Nodes of the release whose life the Kubernetes tests lead.
export BLOCKCHAT_KUBE_NODES ?= 5
TARGET_DIR := $(or $(CARGO_TARGET_DIR),target)
HOST := $(shell rustc -vV | sed -n 's/^host: //p')
# One optimised, statically linked build serves the demo, the system tests and the images.
RELEASE := --release --locked --target $(HOST) --config scripts/release.toml
BIN_DIR := $(abspath $(TARGET_DIR))/$(HOST)/release
STAGE := scripts/stage.sh
TOOLS := $(CURDIR)/target/tools/bin
PYTHON_BIN := $(CURDIR)/target/tools/python/bin
# Leaves no bytecode among the sources.
PYTHON := $(PYTHON_BIN)/python -B
SYSTEM := BLOCKCHAT_BIN_DIR=$(BIN_DIR) BLOCKCHAT_PYTHON_BIN=$(PYTHON_BIN) PATH="$(TOOLS):$$PATH"
# Seeds of the deterministic simulation; `make test-all` runs many more.
SIMULATION_SEEDS ?= 400

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build
build: export BLOCKCHAT_REVISION ?= $(shell git rev-parse HEAD 2>/dev/null || echo unknown)
build: ## Build the programs: optimised, static
	cargo build $(RELEASE) --workspace --bins
	@echo "built in $(BIN_DIR)"

.PHONY: demo
demo: build ## Run the experiment of the course on five nodes and show the result
	scripts/demo.sh $(BIN_DIR)

.PHONY: fmt
fmt: ## Format the code
	cargo fmt --all

.PHONY: lint
lint:
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings

.PHONY: unit
unit:
	cargo test --workspace --exclude blockchat-tests --locked

.PHONY: check
check: lint docs unit ## Format, lints, docs, unit and property tests: minutes

.PHONY: deny
deny:
	scripts/setup-test-tools.sh
	target/tools/bin/cargo-deny --all-features check --show-stats bans licenses sources

.PHONY: simulation
simulation: ## Deterministic simulation of whole networks
	RUST_BACKTRACE=0 BLOCKCHAT_SIMULATION_SEEDS=$(SIMULATION_SEEDS) cargo test -p blockchat-consensus --lib --locked simulation:: -- --nocapture

.PHONY: system
system: build ## System tests: real processes, killed, stopped and restarted
	scripts/setup-test-tools.sh
	$(SYSTEM) cargo test --locked -p blockchat-tests --lib --test system

.PHONY: images
images: build ## Container images of the node, the command line and the load generator
	scripts/with-docker.sh scripts/images.sh $(BIN_DIR)

.PHONY: containers
containers: build ## Tests: a network in containers, made and treated as containers are
	scripts/setup-test-tools.sh
	scripts/with-docker.sh bash -c 'scripts/images.sh $(BIN_DIR) && cargo test --locked -p blockchat-tests --test containers -- --nocapture'

.PHONY: chart
chart: ## Tests: what the Helm chart renders
	scripts/setup-test-tools.sh
	PATH="$(TOOLS):$$PATH" cargo test --locked -p blockchat-tests --test chart

.PHONY: dashboards
dashboards: ## Write dashboards and the chart's copies anew, from grafana/src and grafana/rules
	scripts/setup-test-tools.sh
	$(PYTHON) grafana/src/generate.py

.PHONY: rules
rules: ## Tests: Prometheus rules and alerts; dashboards are complete and up to date
	scripts/setup-test-tools.sh
	promtool check rules grafana/rules/blockchat.yaml
	promtool check config --syntax-only grafana/prometheus.yaml
	promtool test rules grafana/rules/tests.yaml
	$(PYTHON) -m unittest discover --start-directory grafana/src
	$(PYTHON) grafana/src/generate.py --check

.PHONY: kubernetes
kubernetes: build ## Tests: the chart on a real Kubernetes, started and stopped here
	scripts/setup-test-tools.sh
	scripts/with-docker.sh bash -c 'scripts/images.sh $(BIN_DIR) && tests/kubernetes/run.sh cargo test --locked -p blockchat-tests --test kubernetes -- --nocapture'

.PHONY: docs
docs:
	RUSTDOCFLAGS='-D warnings' cargo doc --workspace --no-deps --document-private-items --locked
	scripts/check-docs.sh

.PHONY: standalone
standalone:
	scripts/check-standalone.sh

.PHONY: test
test: ## Everything a change must pass, with the minutes of each stage
	@$(STAGE) --begin
	@trap '$(STAGE) --summary' EXIT; \
	$(STAGE) tools scripts/setup-test-tools.sh; \
	failed=; \
	for stage in standalone deny lint docs unit build simulation system rules chart containers kubernetes; do \
		$(STAGE) $$stage $(MAKE) --no-print-directory $$stage || failed+=" $$stage"; \
	done; \
	test -z "$$failed" || { echo "failed:$$failed"; exit 1; }

.PHONY: dockerfile
dockerfile: ## Tests: the images build from source, with a stand-in for the base image
	scripts/with-docker.sh scripts/prove-dockerfile.sh

.PHONY: test-all
test-all: ## `make test` with ten times as many simulated networks, ten nodes on Kubernetes, and images from source
	$(MAKE) test SIMULATION_SEEDS=4000 BLOCKCHAT_KUBE_NODES=10
	$(MAKE) dockerfile

.PHONY: clean
clean: ## Remove everything that was built or left behind by a run
	cargo clean
	rm -rf .demo artifacts target
