//! The targets under libFuzzer, which is guided by code coverage: `make fuzz TARGET=ring
//! SECONDS=3600`.
#![cfg_attr(campaign, no_main)]

mod targets;

use std::{
    env, fs, slice,
    sync::{
        LazyLock,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use targets::Target;

/// Reports an error in a build without libFuzzer, whose `main` runs the targets.
#[cfg(not(campaign))]
fn main() -> std::process::ExitCode {
    eprintln!("cannot run without libFuzzer; see `make fuzz`");
    std::process::ExitCode::FAILURE
}

static TARGET: LazyLock<&Target> =
    LazyLock::new(|| targets::find(&env::var("TARGET").expect("TARGET is set")));

/// The inputs that the target was run on, and those of them that it accepted.
static RUN: AtomicU64 = AtomicU64::new(0);
static ACCEPTED: AtomicU64 = AtomicU64::new(0);

extern "C" fn report() {
    eprintln!("{} of {} inputs accepted", ACCEPTED.load(Relaxed), RUN.load(Relaxed));
}

/// Writes the first inputs to the folder `SEEDS`.
#[unsafe(no_mangle)]
extern "C" fn LLVMFuzzerInitialize(_: *mut i32, _: *mut *mut *mut u8) -> i32 {
    let folder = env::var("SEEDS").expect("SEEDS is set");
    fs::create_dir_all(&folder).expect("the folder of the seeds can be created");
    for (index, seed) in (TARGET.seeds)().iter().enumerate() {
        fs::write(format!("{folder}/{index}"), seed).expect("seeds can be written");
    }
    // SAFETY: the function is one, and has no state but the counters.
    unsafe { libc::atexit(report) }
}

/// Runs the target on one input. A panic aborts, since it must not unwind out of an `extern "C"`
/// function; libFuzzer then keeps the input.
#[unsafe(no_mangle)]
extern "C" fn LLVMFuzzerTestOneInput(data: *const u8, size: usize) -> i32 {
    // SAFETY: libFuzzer passes `size` bytes, which live through the call. The pointer is not used
    // if there are none, since it may be null then.
    let input = if size == 0 { &[] } else { unsafe { slice::from_raw_parts(data, size) } };
    if (TARGET.run)(input) {
        ACCEPTED.fetch_add(1, Relaxed);
    }
    RUN.fetch_add(1, Relaxed);
    0
}
