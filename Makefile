.PHONY: demo test test-vm kernels types layouts vmlinux fuzz fuzz-all asan soak bench skeletons

# Builds and runs the bootstrap example for five seconds.
demo:
	./setup.sh build
	./examples/demo.sh

# Everything that CI runs.
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
	@if [ "$(KERNEL)" = none ] || $(MAKE) --no-print-directory kernels; then $(MAKE) --no-print-directory test-vm; else \
		echo "THE KERNELS CANNOT BE FETCHED: THE KERNEL MATRIX IS LEFT OUT, the live tests ran on this machine's kernel alone" >&2; fi

# The live tests, and programs of every type, on other kernels: KERNEL=6.1, several, or all of the matrix. `make test VM_KERNELS=none`
# leaves it out, and so does, with as many words, a machine that cannot fetch kernels and has none.
KERNEL ?= $(or $(VM_KERNELS),all)
test-vm:
ifeq ($(KERNEL),none)
	@echo "VM_KERNELS=none: THE KERNEL MATRIX IS LEFT OUT, the live tests ran on this machine's kernel alone" >&2
else
	./setup.sh vm
	VM_KERNELS="$(KERNEL)" cargo test --locked -p eunomia-tests --test live --test every
endif

# Puts the kernels of the matrix into the cache; the tests need no network then.
kernels:
	./setup.sh vm
	cargo run --locked --quiet -p eunomia-vm fetch

# Writes the table of program types and kernels.
types:
	./setup.sh vm
	cargo run --locked --quiet -p eunomia-build --features cli -- matrix --format markdown -o target/types.md -p eunomia-tests --test every
	cat tests/every/table.md target/types.md >docs/program-types.md

# Holds CASES random structs, from SEED on, against the C compiler; `make test` takes 200.
layouts:
	./setup.sh test
	CASES=$(or $(CASES),2000) SEED=$(or $(SEED),1) cargo test --locked -p eunomia-tests --test layouts

# Takes every struct and union of this machine's kernel through the generator and compiles them; `make test` takes a few hundred.
vmlinux:
	./setup.sh test
	TYPES=$(or $(TYPES),all) cargo test --locked --release -p eunomia-tests --test vmlinux

# A fuzz target (tests/README.md lists them) for SECONDS, led by coverage, or one INPUT that failed once more.
fuzz:
	./setup.sh fuzz
	./tests/fuzz/campaign.sh $(or $(TARGET),ring) $(if $(INPUT),0 $(INPUT),$(or $(SECONDS),300))

# Every fuzz target for SECONDS, led by coverage; `make test` takes 5. The build takes some minutes at first.
fuzz-all:
	./setup.sh fuzz
	./tests/fuzz/campaign.sh all $(or $(SECONDS),60)

# The live tests with AddressSanitizer, in Rust and in libbpf; NAME is one or more parts of their names. Needs root.
asan:
	./setup.sh asan
	./tests/asan.sh $(NAME)

# The live tests that `make test` takes: those of the modules that read, write or hand out memory of others (docs/unsafe.md).
UNSAFE = callbacks:: commands:: given:: maps:: perf:: readers:: sampled:: samples:: set:: variables::

# Full rate into every kind of map for SECONDS: losses are counted, memory stays flat; `make test` takes 120.
soak:
	./setup.sh test
	SECONDS=$(or $(SECONDS),3600) cargo test --locked --release -p eunomia-tests --test live -- soak

# The readers beside those of libbpf-rs and aya, the macro beside its target, and rustc for generated modules beside libbpf-cargo's. The
# last lines of each are `ratio NAME=VALUE`; needs root, and a machine that does nothing else.
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
