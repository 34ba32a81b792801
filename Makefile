# Every step that a developer or CI takes. Each target does its own set-up, under .tools/, and may be run again at will.

.DEFAULT_GOAL := help
SHELL := bash
MAKEFLAGS += --no-builtin-rules
# Cargo keeps every core busy by itself; two set-ups at once would only get into each other's way.
.NOTPARALLEL:

CARGO_DENY_VERSION := 0.20.2
CARGO_MUTANTS_VERSION := 27.1.0

setup := tools/setup
module := cargo rustc --package gatepass --lib --crate-type cdylib --target wasm32-wasip1
# Built for size (Cargo.toml), LLVM puts hardly any function into its callers: a warm request takes a fifth longer.
inline := -- -C llvm-args=-inline-threshold=25
built := $(or $(CARGO_TARGET_DIR),target)/wasm32-wasip1
stack := cargo run --package gatepass-stack --

# Each of these can be set from outside, as in `ENVOY=/usr/local/bin/envoy make demo`.
export RUSTUP_TOOLCHAIN := $(shell $(setup)/rust.sh name)
export GATEPASS_MODULE ?= $(CURDIR)/target/gatepass.wasm
export VECTORS_DIR ?= $(CURDIR)/../shared/vectors

##@ To see it work

# The example that is shown: a folder below examples/. NAME means the same.
EXAMPLE ?= $(or $(NAME),protected-and-unprotected)

.PHONY: demo example up down
demo example: build ## Build the filter, start Envoy and the emulator, send the requests of an example (EXAMPLE=… or NAME=…)
	$(setup)/with-envoy.sh newest $(stack) demo $(EXAMPLE)

up: build ## Start the same and leave it running, for curl
	$(setup)/with-envoy.sh newest $(stack) up $(EXAMPLE)

down: rust ## Stop what `make up` started
	$(stack) down

##@ To work on it

.PHONY: render
render: rust ## Put the examples' Envoy configurations together, from examples/*/envoy.yaml.j2 and examples/parts.yaml.j2
	$(stack) render

.PHONY: build test-module test test-unit test-wasm test-envoy test-envoy-oldest test-bench
build: rust ## Build the modules that Envoy loads, and audit them: target/gatepass.wasm, target/gatepass-response-headers.wasm
	$(module) --profile module $(inline)
	$(setup)/wasm-opt.sh $(built)/module/gatepass.wasm $(built)/module/small.wasm
	cargo xtask module --input $(built)/module/small.wasm
	$(module) --profile module --features response_headers $(inline)
	$(setup)/wasm-opt.sh $(built)/module/gatepass.wasm $(built)/module/small.wasm
	cargo xtask module --input $(built)/module/small.wasm --variant response_headers --output target/gatepass-response-headers.wasm

# A module that tests can make fail. It is quick to build, and the audit must refuse it.
test-module: rust
	$(module) --profile module-test --features response_headers,test_only
	! cargo xtask module --variant response_headers --input $(built)/module-test/gatepass.wasm --output target/refused.wasm
	cp $(built)/module-test/gatepass.wasm target/gatepass-test-only.wasm

test: prerequisites ## All tests that need no Azure, with a summary: unit, wasm, envoy, bench, compose
	+@$(setup)/test.sh test-unit test-wasm test-envoy test-bench compose-test

test-unit: rust ## Unit tests, native
	$(setup)/with-python.sh cargo test --workspace --exclude gatepass-envoy-tests --no-fail-fast
	cargo test --package gatepass --features es512 --lib --test signatures -- jwt:: es512

test-wasm: rust ## The core's unit tests inside WebAssembly, under Node
	$(setup)/with-wasm-runner.sh cargo test --package gatepass --lib --target wasm32-unknown-unknown

test-envoy: build test-module ## The module in the real Envoy
	$(setup)/with-envoy.sh newest $(setup)/with-python.sh cargo test --package gatepass-envoy-tests --no-fail-fast

test-envoy-oldest: build test-module ## The same in the oldest Envoy that is supported
	$(setup)/with-envoy.sh oldest $(setup)/with-python.sh cargo test --package gatepass-envoy-tests --no-fail-fast

test-bench: build ## The benchmark, briefly: that it runs to its end. Without wrk it is skipped
	wrk=$$($(setup)/wrk.sh || true) && WRK=$$wrk $(setup)/with-envoy.sh newest \
		cargo test --package gatepass-bench --test smoke -- $${wrk:+--include-ignored}

.PHONY: compose-test
compose-test: ## Every example in containers; without a container engine it is skipped, and says so
	$(setup)/compose-test.sh

.PHONY: monitoring
monitoring: build test-module ## Alert rules and dashboard on a real Prometheus, Envoy under load and faults (WRITE=1 draws docs/monitoring)
	prometheus=$$($(setup)/prometheus.sh) && "$$prometheus/promtool" check rules envoy/monitoring/alerts.yaml && \
		"$$prometheus/promtool" test rules envoy/monitoring/alerts_test.yaml && \
		PROMETHEUS="$$prometheus/prometheus" $(setup)/with-envoy.sh newest cargo test --package gatepass-envoy-tests --test monitoring -- --ignored --nocapture

# Where the examples read their environment.
example_variables := API_AUDIENCE=api API_RESOURCE=api://api AZURE_CLIENT_ID=client \
	AZURE_TENANT_ID=00000000-0000-0000-0000-000000000001 AZURE_AUTHORITY_HOST=https://login.microsoftonline.com/

.PHONY: lint format advisories kubernetes
lint: rust kubernetes ## Formatting, the rules of the rooms, clippy, every configuration, licences and sources of dependencies, files for Kubernetes
	cargo fmt --all --check
	cargo xtask rooms
	cargo clippy --workspace --all-targets -- --deny warnings
	cargo run --quiet --package gatepass-cli -- check $(addprefix --env ,$(example_variables)) $$(git grep --files-with-matches --fixed-strings operations: -- 'envoy/*.yaml' 'examples/*.yaml')
	cargo clippy --package gatepass --lib --target wasm32-wasip1 -- --deny warnings
	cargo clippy --package gatepass --lib --tests --target wasm32-unknown-unknown -- --deny warnings
	deny=$$($(setup)/cargo-tool.sh cargo-deny $(CARGO_DENY_VERSION) cargo-deny --locked) && "$$deny" --log-level error check bans licenses sources

kubernetes: rust ## The files in envoy/kubernetes and envoy/docker-compose.yaml against their schemas
	$(setup)/manifests.sh

format: rust ## Format the code
	cargo fmt --all

.PHONY: docs
docs: rust ## Renew the pages that are generated: docs/gatepass.schema.json, docs/configuration.md
	cargo run --quiet --package gatepass-cli -- schema > target/schema.new && mv target/schema.new docs/gatepass.schema.json
	cargo run --quiet --package gatepass-cli -- schema --format markdown > target/schema.new && mv target/schema.new docs/configuration.md

advisories: rust ## Known vulnerabilities in dependencies (reads the RustSec database over the network)
	deny=$$($(setup)/cargo-tool.sh cargo-deny $(CARGO_DENY_VERSION) cargo-deny --locked) && "$$deny" check advisories

.PHONY: bench bench-growth bench-core
bench: build ## Gatepass beside Envoy's own filters, in one Envoy, in turns (twenty minutes; a quiet machine; BENCH=… adds options)
	wrk=$$($(setup)/wrk.sh) && WRK=$$wrk $(setup)/with-envoy.sh newest cargo run --release --package gatepass-bench -- envoy $(BENCH)

bench-growth: build ## What Gatepass costs with more operations, tokens, headers, waiting requests (ten minutes; BENCH=… adds options)
	wrk=$$($(setup)/wrk.sh) && WRK=$$wrk $(setup)/with-envoy.sh newest cargo run --release --package gatepass-bench -- growth $(BENCH)

bench-core: rust ## Instructions for a request in the core, against the figures that are checked in (WRITE=--write renews them)
	cargo run --release --package gatepass-bench -- core $(WRITE)

# What is broken, below src/; and further arguments, such as `--shard 0/8` for an eighth of it.
MUTANTS_OF ?= access/** config/** engine/** jwt/** keys/** json.rs
MUTANTS ?=
.PHONY: mutants
mutants: rust ## Break the core in a thousand ways and see which break no test (hours; .cargo/mutants.toml): target/mutants.out
	mutants=$$($(setup)/cargo-tool.sh cargo-mutants $(CARGO_MUTANTS_VERSION) cargo-mutants --locked) && "$$mutants" mutants --output target $(patsubst %,--file 'src/%',$(MUTANTS_OF)) $(MUTANTS)

##@ Set-up, which the targets above do by themselves

.PHONY: prerequisites rust envoy envoy-oldest
prerequisites: ## Name what this machine lacks, with the commands that install it
	@$(setup)/prerequisites.sh $(if $(filter $@,$(MAKECMDGOALS)),,--quiet)

rust: prerequisites ## Add the pinned toolchain's WebAssembly targets, rustfmt and clippy
	@$(setup)/rust.sh install

envoy: prerequisites ## Install the pinned Envoy and print where it is
	@$(setup)/envoy.sh newest

envoy-oldest: prerequisites ## Install the oldest supported Envoy and print where it is
	@$(setup)/envoy.sh oldest

.PHONY: clean distclean help
clean: ## Remove what was built
	rm -rf target

distclean: clean ## Remove what was built and what set-up installed
	rm -rf .tools

help: ## Print this list
	@awk -F ':.*## ' ' \
		/^##@ / { printf "\n%s\n", substr($$0, 5) } \
		/^[a-z-]+:.*## / { printf "  make %-19s %s\n", $$1, $$2 } \
	' $(MAKEFILE_LIST)
