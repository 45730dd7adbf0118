# What contributors and CI run: tests, generated tables, fuzzing, benches.
.PHONY: demo test test-vm kernels types layouts vmlinux fuzz fuzz-all asan soak bench skeletons

# Builds and runs the bootstrap example for five seconds.
demo:
	./setup.sh build
	./examples/demo.sh

# Runs everything that CI runs.
test:
	./setup.sh test
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets --all-features -- -D warnings
	./tests/dependencies.sh
	./tests/unsafe.sh
	./tests/package.sh
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --workspace --no-deps --all-features
	cargo test --locked --workspace --doc
	SOAK_SECONDS=120 VM_KERNELS=none cargo test --locked --workspace --lib --bins --tests
	$(MAKE) --no-print-directory fuzz-all SECONDS=5
	$(MAKE) --no-print-directory asan NAME="$(UNSAFE)"
	@if [ "$(KERNEL)" = none ] || $(MAKE) --no-print-directory kernels; then \
		$(MAKE) --no-print-directory test-vm LIVE="$(patsubst all,5.10 7.2,$(KERNEL))"; else \
		echo "THE KERNELS CANNOT BE DOWNLOADED: THE KERNEL MATRIX IS SKIPPED, the live tests ran only on this machine's kernel" >&2; fi

# Runs the live tests, and programs of every type, on other kernels: KERNEL=6.1, several, or all of
# the matrix. `make test` runs the live tests on the oldest and the newest of them, and programs of
# every type on all; `make test VM_KERNELS=none` skips both. A machine that has no kernels and cannot
# download them skips them with a warning.
KERNEL ?= $(or $(VM_KERNELS),all)
LIVE ?= $(KERNEL)
test-vm:
ifeq ($(KERNEL),none)
	@echo "VM_KERNELS=none: THE KERNEL MATRIX IS SKIPPED, the live tests ran only on this machine's kernel" >&2
else
	./setup.sh vm
	VM_KERNELS="$(LIVE)" cargo test --locked -p eunomia-tests --test live
	VM_KERNELS="$(KERNEL)" cargo test --locked -p eunomia-tests --test every
endif

# Downloads the kernels of the matrix to the cache; after that the tests need no network.
kernels:
	./setup.sh vm
	cargo run --locked --quiet -p eunomia-vm fetch

# Writes the table of program types and kernels.
types:
	./setup.sh vm
	cargo run --locked --quiet -p eunomia-build --features cli -- matrix --format markdown -o target/types.md -p eunomia-tests --test every
	cat tests/every/table.md target/types.md >docs/program-types.md

# Compares the layouts of CASES random structs, from SEED on, with the C compiler; `make test` runs
# 200.
layouts:
	./setup.sh test
	CASES=$(or $(CASES),2000) SEED=$(or $(SEED),1) cargo test --locked -p eunomia-tests --test layouts

# Generates and compiles the types for every struct and union of this machine's kernel; `make test`
# runs a few hundred.
vmlinux:
	./setup.sh test
	TYPES=$(or $(TYPES),all) cargo test --locked --release -p eunomia-tests --test vmlinux

# Runs a fuzz target (listed in tests/README.md) for SECONDS, guided by coverage, or repeats one
# INPUT that failed.
fuzz:
	./setup.sh fuzz
	./tests/fuzz/campaign.sh $(or $(TARGET),ring) $(if $(INPUT),0 $(INPUT),$(or $(SECONDS),300))

# Runs every fuzz target for SECONDS, guided by coverage; `make test` runs each for 5. The first
# build takes some minutes.
fuzz-all:
	./setup.sh fuzz
	./tests/fuzz/campaign.sh all $(or $(SECONDS),60)

# Runs the live tests with AddressSanitizer in Rust and in libbpf. NAME selects tests by parts of
# their names. Needs root.
asan:
	./setup.sh asan
	./tests/asan.sh $(NAME)

# The live tests that `make test` runs with AddressSanitizer: those of the modules that read, write
# or lend memory that they do not own (docs/unsafe.md).
UNSAFE = callbacks:: commands:: definitions:: given:: maps:: perf:: readers:: sampled:: samples:: set:: shared:: test_runs:: variables::

# Sends records at full rate to every kind of map for SECONDS and checks that losses are counted and
# memory does not grow; `make test` runs 120.
soak:
	./setup.sh test
	SECONDS=$(or $(SECONDS),3600) cargo test --locked --release -p eunomia-tests --test live -- soak

# Compares the readers with those of libbpf-rs and aya, the macro with its target time, and the
# compile time of generated modules with that of libbpf-cargo's. The last lines of each bench are
# `ratio NAME=VALUE`. Needs root and an idle machine.
bench:
	cargo bench --locked -p eunomia-tests --bench ring
	cargo bench --locked -p eunomia-tests --bench concurrent
	cargo bench --locked -p eunomia-tests --bench perf
	cargo bench --locked -p eunomia-tests --bench maps
	cargo bench --locked -p eunomia-tests --bench columns
	cargo bench --locked -p eunomia-tests --bench load
	cargo bench --locked -p eunomia-tests --bench decode
	cargo bench --locked -p eunomia-tests --bench compile
	cargo bench --locked -p eunomia-tests --bench expand
	cargo bench --locked --profile dev -p eunomia-tests --bench expand

# Compiles the C sources and rewrites the packages that differ.
skeletons:
	./setup.sh test
	cargo test --locked -p eunomia-tests --test packages || cargo test --locked -p eunomia-tests --test packages
