//! The command: `eunomia-vm PROGRAM [ARGUMENT..]`, a runner for cargo, and `eunomia-vm fetch
//! [KERNEL..]`.

use std::{
    env, ffi::OsString, os::unix::process::CommandExt as _, path::Path, process::Command,
    process::ExitCode,
};

use eunomia_vm::{Error, Kernel, Run};

const USAGE: &str = "\
eunomia-vm PROGRAM [ARGUMENT..]  runs the program on each kernel of VM_KERNELS; on this one if that is unset or `none`
eunomia-vm fetch [KERNEL..]      fetches kernels into the cache; the whole matrix if none is named";

fn main() -> ExitCode {
    let mut words = env::args_os().skip(1);
    let result = match words.next() {
        None => Err(Error::Usage(USAGE.to_owned())),
        Some(word) if word == "fetch" => fetch(words),
        // Found in PATH, as shells do; cargo passes a path.
        Some(program) => run(Path::new(&program), words),
    };
    result.unwrap_or_else(|error| {
        eprintln!("{error}");
        ExitCode::from(125)
    })
}

fn fetch(words: impl Iterator<Item = OsString>) -> Result<ExitCode, Error> {
    let mut kernels =
        words.map(|word| word.to_string_lossy().parse()).collect::<Result<Vec<_>, _>>()?;
    if kernels.is_empty() {
        kernels = Kernel::all();
    }
    for kernel in kernels {
        println!("kernel {kernel}: {}", kernel.fetch()?);
    }
    Ok(ExitCode::SUCCESS)
}

fn run(program: &Path, args: impl Iterator<Item = OsString>) -> Result<ExitCode, Error> {
    let kernels = Kernel::requested()?;
    if kernels.is_empty() {
        let source = Command::new(program).args(args).exec();
        return Err(Error::Io { tried: format!("run {}", program.display()), source });
    }
    Run::new(program, args)?.on(&kernels).map(ExitCode::from)
}
