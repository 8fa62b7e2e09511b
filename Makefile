# Makefile - thin: every target is one or two calls of meson or of tools/.
BUILD ?= build
PREFIX ?= /usr/local
FUZZ_SECONDS ?= 60
# A DuckDB of the system's or your own, else the pinned one in deps/duckdb.
DUCKDB_PREFIX ?= $(shell pkg-config --variable=prefix duckdb 2>/dev/null)
export DUCKDB_PREFIX

SETUP = meson setup -Dduckdb=$(or $(DUCKDB_PREFIX),deps/duckdb) -Dprefix=$(PREFIX)

.PHONY: build run test check deps opendal interop bench bench-chains test-asan test-tsan fuzz install docs clean help
build: ## build/mayfly
	@tools/deps build duckdb
	@test -f $(BUILD)/build.ninja || $(SETUP) $(BUILD)
	@ninja -C $(BUILD) mayfly

run: build ## build, then serve on 127.0.0.1:8484 with sample data
	@tools/deps samples postgres || tools/deps samples
	@exec $(BUILD)/mayfly serve --samples deps/samples

test: build ## unit and HTTP tests; ends with the counts
	@tools/deps test samples interop postgres
	@tools/test $(BUILD)

check: build ## floors, sizes, headers, clang-tidy, spelling, generated documents
	@tools/deps check
	@tools/floors
	@tools/sizes
	@tools/headers $(BUILD)
	@tools/docs --check $(BUILD)
	@tools/spelling
	@tools/tidy $(BUILD)

opendal: ## build/libmayfly_opendal.so, for object stores; needs cargo
	@tools/deps build
	@tools/opendal $(BUILD)

interop: build ## what is tested together with crates, PyPI and npm; one line a part
	@tools/deps test samples postgres
	@tools/deps venv || true
	@tests/interop/run $(BUILD)

deps: ## install everything that build, run, test and check need
	@tools/deps build test check duckdb samples interop postgres

bench: build ## the table of docs/performance.md
	@tools/deps test samples
	@tools/deps postgres || echo "bench: PostgreSQL cannot be installed, its rows will be skipped" >&2
	@bench/run $(BUILD)

bench-chains: build ## SQL chains against tools that clone template databases; as root also on btrfs and xfs
	@tools/deps postgres
	@bench/chains.py $(BUILD)

test-asan: ## the tests under AddressSanitizer and UBSan
	@tools/deps build test duckdb samples interop postgres
	@test -f build-asan/build.ninja || $(SETUP) -Db_sanitize=address,undefined -Doptimization=1 -Dwerror=false build-asan
	@tools/test build-asan

test-tsan: ## the tests under ThreadSanitizer
	@tools/deps build test duckdb samples interop postgres
	@test -f build-tsan/build.ninja || $(SETUP) -Db_sanitize=thread -Doptimization=1 -Dwerror=false build-tsan
	@tools/test build-tsan

fuzz: ## every fuzz target for FUZZ_SECONDS
	@tools/deps build fuzz duckdb
	@test -f build-fuzz/build.ninja || CC=clang $(SETUP) -Dfuzz=true -Db_sanitize=address,undefined -Db_lundef=false -Dwerror=false build-fuzz
	@tools/fuzz build-fuzz $(FUZZ_SECONDS)

install: build ## into PREFIX (and DESTDIR)
	@meson configure $(BUILD) -Dprefix=$(PREFIX)
	@meson install -C $(BUILD)

docs: build ## documents that are generated from the tables
	@tools/docs $(BUILD)

clean: ## forget all builds; deps/ stays
	rm -rf build build-asan build-tsan build-fuzz

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 20
