# `make run` shows everything; `make test` proves it. Both install what is missing and can be repeated at will.

.DEFAULT_GOAL := help
.PHONY: help run test quick bench bench-check curves soak chaos fuzz evolution-suite secrets-report compose-test deny mcpb install

# Cargo's folder, wherever the person has it.
TARGET := $(abspath $(or $(CARGO_TARGET_DIR),target))
VENV   := $(TARGET)/venv
NODE   := $(TARGET)/node
CLAUDE := $(TARGET)/claude
# What to measure or to break; all figures, and the checkpoint panel, if left out.
AREA   ?=
PANEL  ?= checkpoint
ROUNDS ?=
# Figures whose name holds this; curves whose name holds this.
ONLY   ?=
UPDATE ?=
LARGEST ?= 1000000
MINUTES ?= 60
SEED   ?= 1
# What is fuzzed, and for how long each.
FUZZ   ?= frames stream_json token_file plans archives globs schedules transcripts redactor
FUZZ_SECONDS ?= 1200

help: ## Say what can be made
	@sed -n 's/^\([a-z-]*\):.*## /  make \1	/p' Makefile | expand -t 22

run: ## Bring up the local stack, play the demo against it, and stay with a live view
	@deploy/local/setup.sh run
	@cargo build --profile demo --quiet --package shim
	@deploy/local/run.sh $(TARGET)/demo/shim

# Built once for all: `build --all-targets` has the features that the tests have, so that nextest compiles nothing again.
# The same command with `--package` would unite fewer features and compile the dependencies a second time.
BUILD   := cargo build --quiet --workspace --all-targets
NEXTEST := SHIM_BIN=$(TARGET)/debug/shim SHIM_PYTHON=$(VENV)/bin/python SHIM_NODE=$(NODE) \
	cargo nextest run --workspace --status-level slow --final-status-level fail

test: ## Check the format, the lints and every test
	@deploy/local/setup.sh test $(VENV) $(NODE) $(CLAUDE)
	cargo fmt --check
	cargo clippy --quiet --workspace --all-targets -- --deny warnings
	$(BUILD)
	$(NEXTEST)

quick: ## Run what takes under a minute: unit tests and fast stories
	@deploy/local/setup.sh test $(VENV) $(NODE) $(CLAUDE)
	$(BUILD)
	$(NEXTEST) --profile quick

MEASURE := SHIM_BIN=$(TARGET)/release/shim SHIM_PYTHON=$(VENV)/bin/python SHIM_NODE=$(NODE) $(TARGET)/release

bench: ## Measure against the peers of each promise; results in target/bench: AREA=coordination ONLY="PutState, compare"
	@deploy/local/setup.sh test $(VENV) $(NODE) $(CLAUDE)
	@cargo build --release --quiet --package shim --package shim-tests
	@$(MEASURE)/bench $(AREA) --only "$(ONLY)"

bench-check: ## Measure, and say what slipped by more than 10 % beside its peer; UPDATE=1 keeps the figures instead
	@deploy/local/setup.sh test $(VENV) $(NODE) $(CLAUDE)
	@cargo build --release --quiet --package shim --package shim-tests
	@$(MEASURE)/bench $(or $(AREA),checkpoint gateway coordination tasks idle) $(if $(UPDATE),--update,--check)

curves: ## Measure cost against size; tables, and pictures in target/bench/curves: ONLY=saves LARGEST=10000
	@deploy/local/setup.sh test $(VENV) $(NODE) $(CLAUDE)
	@cargo build --release --quiet --package shim --package shim-tests
	@$(MEASURE)/curves --only "$(ONLY)" --largest $(LARGEST)

soak: ## Load a stack for an hour and fail if something grows; target/bench/soak.json: MINUTES=60
	@deploy/local/setup.sh test $(VENV) $(NODE) $(CLAUDE)
	@cargo build --release --quiet --package shim --package shim-tests
	@$(MEASURE)/soak --minutes $(MINUTES)

evolution-suite: ## Evolve real packages from npm and run their own tests; figures in target/evolution-suite: ONLY=qs,avvio
	@deploy/local/setup.sh test $(VENV) $(NODE) $(CLAUDE)
	$(BUILD)
	ONLY=$(ONLY) $(NEXTEST) --run-ignored ignored-only --no-capture -E 'package(shim-evolution) & test(evolution_suite)'
	@cat $(TARGET)/evolution-suite/figures.md

chaos: ## Kill, freeze and race what is promised: PANEL=checkpoint|races|locks|outages|coordination|tasks|claims|claude|evolution|overload ROUNDS=200 SEED=1
	@deploy/local/setup.sh $(if $(filter claude,$(PANEL)),test $(VENV) $(NODE) $(CLAUDE),run)
	@cargo build --release --quiet --package shim --package shim-tests
	@SHIM_BIN=$(TARGET)/release/shim $(TARGET)/release/chaos $(PANEL) \
		$(if $(ROUNDS),--rounds $(ROUNDS)) --seed $(SEED)

fuzz: ## Feed damaged and hostile input to all that reads it, 20 minutes each: FUZZ="frames redactor" FUZZ_SECONDS=60
	@command -v cargo-fuzz > /dev/null || cargo install --locked cargo-fuzz
	@for target in $(FUZZ); do \
		mkdir -p $(TARGET)/fuzz/corpus/$$target $(TARGET)/fuzz/found/$$target && \
		RUSTC_BOOTSTRAP=1 cargo fuzz run --fuzz-dir fuzz --target-dir $(TARGET)/fuzz --sanitizer none $$target \
			$(TARGET)/fuzz/corpus/$$target fuzz/seeds/$$target -- -max_total_time=$(FUZZ_SECONDS) -timeout=1 \
			-rss_limit_mb=256 -max_len=65536 -artifact_prefix=$(TARGET)/fuzz/found/$$target/ || exit 1; \
	done

secrets-report: ## Print how many secrets the redaction finds, and how much harmless text it destroys
	@cargo test --quiet --package shim-runtime --test secrets_report -- --nocapture --test-threads 1

compose-test: ## Bring up docker-compose.yml with a Docker engine of its own, kill each container, and check: BIN=target/debug/shim
	@[ -n "$(BIN)" ] || cargo build --release --quiet --package shim
	@PYTHONDONTWRITEBYTECODE=1 python3 deploy/compose-test/run.py $(or $(BIN),$(TARGET)/release/shim) $(TARGET)/compose-test

deny: ## Check licences, sources and known flaws of all dependencies (cargo install cargo-deny; fetches the advisories)
	cargo deny check

mcpb: ## Pack a bundle for Claude Desktop of this machine's platform, target/mcpb/shim.mcpb; open it with Claude Desktop
	@deploy/local/setup.sh test $(VENV) $(NODE) $(CLAUDE)
	@cargo build --release --quiet --package shim
	@deploy/mcpb/build.sh $(TARGET)/release/shim $(TARGET)/mcpb $(NODE)/node_modules/.bin/mcpb

install: ## Put the command `shim` into Cargo's bin folder
	@cargo install --quiet --locked --path .
