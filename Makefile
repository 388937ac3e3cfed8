# Everything a person or a CI machine does with this repository. `make` alone lists it.

CARGO ?= cargo
WASM := wasm32-unknown-unknown
GUESTS := $(notdir $(patsubst %/Cargo.toml,%,$(wildcard pipelines/*/Cargo.toml)))
# What is built for wasm alone.
MODULES := $(GUESTS) report-wasm
GUEST_PACKAGES := $(addprefix -p maxconn-,$(MODULES))
# Where cargo puts the command.
TARGET_DIR := $(or $(CARGO_TARGET_DIR),target)
FLOOD := testdata/dovecot/14_flood_servicecount0.log.gz

# What is packed, and where from: another target is built beside our own.
HOST = $(shell rustc -vV | sed -n 's/^host: //p')
TARGET ?= $(HOST)
BUILT = $(TARGET_DIR)$(if $(filter-out $(HOST),$(TARGET)),/$(TARGET))/release
PREFIX ?= /usr/local
# Debian's part of a version.
REVISION ?= 1
CARGO_DEB := $(TARGET_DIR)/tools/bin/cargo-deb

.DEFAULT_GOAL := help
.PHONY: help build guests npm npm-test playground playground-dist browser check format lint layers test sim fuzz deny package e2e flink e2e-flink wazero bench bench-js demo install dist deb clean target

help: ## List what there is to make.
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: target ## Build the command: target/release/maxconn, and the notices that go with it.
	$(CARGO) build --release -p maxconn
	$(CARGO) run --release --quiet -p guest-build --bin notices > $(TARGET_DIR)/release/THIRD-PARTY-NOTICES

guests: target ## Build the guests: target/guests/maxconn-NAME.wasm.
	$(CARGO) run --release --quiet -p guest-build

# The library behind wasm-bindgen's command, in a small program of its own: half a minute of building, where the
# command takes several and has to be looked for.
npm: target ## Build the npm package: target/npm/maxconn.
	$(CARGO) run --quiet --manifest-path pipelines/js/builder/Cargo.toml --target-dir $(TARGET_DIR)/npm-builder

npm-test: build npm ## Test the npm package in Node, Deno and Bun, by TypeScript and behind bundlers.
	npm ci --prefix pipelines/js/test --no-audit --no-fund --silent
	$(CARGO) run --release --quiet -p host-test --bin cases-json > target/npm/cases.json
	node --test pipelines/js/test/*.test.mjs

playground-dist: npm ## Write the playground as static files: target/playground, for any path of any server.
	$(CARGO) run --release --quiet -p guest-build --bin playground

playground: playground-dist ## Serve a page that finds the floods of a log you drop on it.
	node examples/playground/serve.mjs

browser: build playground-dist ## Try the pages in Debian's Chromium: the playground, and the page of a report.
	npm ci --prefix e2e/browser --no-audit --no-fund --silent
	node --test e2e/browser/*.test.mjs

bench-js: npm ## Measure the npm package beside plain JavaScript.
	node pipelines/js/bench.mjs

check: format lint layers ## Check formatting, lints and layers.

# The other workspaces are only checked for their format here: bench's peers take minutes to build.
format:
	$(CARGO) fmt --all --check
	$(CARGO) fmt --check --manifest-path bench/Cargo.toml
	$(CARGO) fmt --check --manifest-path pipelines/js/builder/Cargo.toml
	$(CARGO) fmt --check --manifest-path fuzz/libfuzzer/Cargo.toml

# In the release profile, so that build scripts find the wasmtime that `build` and `test` use. Guests
# are linted for the target they are made for.
lint: target
	$(CARGO) clippy --release --workspace $(addprefix --exclude maxconn-,$(MODULES)) --all-targets -- -D warnings
	$(CARGO) clippy --release -p maxconn-core --features patterns --all-targets -- -D warnings
	$(CARGO) clippy --release --target $(WASM) $(GUEST_PACKAGES) -- -D warnings
	RUSTDOCFLAGS='-D warnings' $(CARGO) doc --quiet --no-deps -p maxconn-core -p maxconn-records

# The core must build for a machine without an operating system, and nothing below it may bring `std`.
layers: target
	$(CARGO) check --release --quiet --target $(WASM) -p maxconn-core --no-default-features
	@if $(CARGO) tree -p maxconn-core --edges normal --format '{p} [{f}]' --prefix none | grep -E '[[,]std[],]'; then \
		echo 'layers: the packages above bring std into the core; take their feature "std" away in Cargo.toml' >&2; \
		exit 1; \
	fi
	@echo 'layers: the core builds for $(WASM) and brings no std'

test: target ## Run every test.
	$(CARGO) test -p maxconn-core -p maxconn-records
	$(CARGO) test -p maxconn-core --features patterns --lib
	$(CARGO) test --release --workspace --exclude maxconn-core --exclude maxconn-records $(addprefix --exclude maxconn-,$(MODULES))

# Coverage-guided where a C++ compiler is there to build libFuzzer, else by chance alone. It needs no nightly Rust.
fuzz: target ## Look for inputs that break a promise: make fuzz TARGET=name SECONDS=n (default: all, 60).
	@CARGO=$(CARGO) fuzz/run '$(or $(TARGET),all)' '$(or $(SECONDS),60)' '$(TARGET_DIR)'

# Not bench/, of which nothing is distributed. Advisories come from a database that is fetched; without the
# network: make deny DENY="licenses bans sources".
deny: ## Judge the packages that we build on: licences, sources, bans, advisories.
	@command -v cargo-deny >/dev/null || { \
		echo 'cargo-deny is missing; install it with `cargo install --locked cargo-deny`' >&2; exit 1; }
	@for manifest in Cargo.toml fuzz/libfuzzer/Cargo.toml pipelines/js/builder/Cargo.toml; do \
		echo "$$manifest" && $(CARGO) deny --workspace --manifest-path $$manifest --config $(CURDIR)/deny.toml check $(DENY) || exit 1; \
	done

package: ## Build the packages that are published from their own files alone.
	$(CARGO) package -p maxconn-records -p maxconn-core -p maxconn-host

e2e: target ## Set real servers against the plugin; installs them (Debian's packages, asks for root).
	e2e/run

# Many seeds, one after the other on each core; a single one prints all that happens in it.
SEEDS ?= 1000
sim: target ## Simulate maxconn run where everything fails: SEEDS=1000 of them, FIRST=0, or SEED=17 alone.
	SIM_SEEDS=$(SEEDS) SIM_FIRST=$(FIRST) SIM_SEED=$(SEED) $(CARGO) test --release -p maxconn --lib \
		sim::tests::whatever_fails -- --nocapture

flink: build guests ## Build and test the Flink job: pipelines/flink/target/maxconn-flink.jar (needs Maven, Java 17).
	mvn -q -B -f pipelines/flink/pom.xml package

e2e-flink: flink ## Kill a real Flink cluster and a real Kafka around the job, and count what comes out (SMALL=1: less).
	e2e/flink/run

wazero: guests ## Run the Redpanda guest under the engine of Redpanda Connect (needs Go).
	cd host-test/wazero && go run . $(CURDIR)/target/guests/maxconn-redpanda.wasm $(CURDIR)/$(FLOOD)

bench: build ## Measure everything BENCHMARKS.md reports (about 20 minutes, 2 GB of temporary files).
	$(CARGO) run --release --manifest-path bench/Cargo.toml -- --maxconn $(TARGET_DIR)/release/maxconn

# Not optimised, which takes less than half the time to build and is fast enough for a few thousand lines.
demo: target ## Replay a real Dovecot flood: its alerts, then a summary.
	@echo 'Building the command: three minutes the first time.'
	@$(CARGO) build --profile demo --quiet -p maxconn
	@echo '7,514 lines of a real Dovecot log, its alerts below, one JSON document a line:'
	@$(CARGO) run --profile demo --quiet -p maxconn -- replay --only alerts $(FLOOD)

install: ## Install what `make build guests` made, below PREFIX=/usr/local (and DESTDIR=).
	@PREFIX=$(PREFIX) DESTDIR=$(DESTDIR) dist/install $(TARGET_DIR)/release

# A static command for any Linux: TARGET=x86_64-unknown-linux-musl, which needs Debian's musl-tools.
dist: build guests ## Pack what is installed: target/dist/maxconn-VERSION-TARGET.tar.gz (TARGET=this machine's).
	@if [ '$(TARGET)' != '$(HOST)' ]; then \
		rustup target add $(TARGET) && $(CARGO) build --release -p maxconn --target $(TARGET) && \
			cp $(TARGET_DIR)/release/THIRD-PARTY-NOTICES $(BUILT); \
	fi
	@dist/tarball $(BUILT) $(TARGET)

deb: build guests $(CARGO_DEB) ## Make Debian's package of it: target/deb/maxconn_VERSION-REVISION_amd64.deb.
	rm -rf target/deb/root target/deb/units
	PREFIX=/usr DESTDIR=target/deb/root dist/install $(TARGET_DIR)/release
	mv target/deb/root/usr/lib/systemd/system target/deb/units
	$(CARGO_DEB) --quiet --no-build --package maxconn --deb-revision $(REVISION) --output target/deb

$(CARGO_DEB):
	$(CARGO) install --quiet --locked --root $(TARGET_DIR)/tools cargo-deb@3.8.0

clean: ## Remove what was built.
	$(CARGO) clean
	$(CARGO) clean --manifest-path bench/Cargo.toml

# Guests need the standard library of their target; rustup brings it, a distribution's Rust has a package.
target:
	@if [ ! -d "$$(rustc --print sysroot)/lib/rustlib/$(WASM)" ]; then \
		if command -v rustup >/dev/null; then rustup target add $(WASM); else \
			echo 'The target $(WASM) is missing. Install Rust with https://rustup.rs, or the package of your' \
				'distribution (Debian: libstd-rust-dev-wasm32).' >&2; \
			exit 1; \
		fi; \
	fi
