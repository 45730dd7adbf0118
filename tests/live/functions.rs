//! Probes of kernel functions and replacement of a program's function. Probes affect every process,
//! so they run only in virtual machines, and count only the calls of this process.

use std::fs;

use eunomia_runtime::bpf::Functions;
use eunomia_tests::built::hooks;

use super::{Outcome, errno, hooks::runs};

/// Creates and removes a folder, then creates and removes a file.
fn touch() -> std::io::Result<()> {
    fs::create_dir("/tmp/eunomia-touched")?;
    fs::remove_dir("/tmp/eunomia-touched")?;
    fs::write("/tmp/eunomia-touched", "")?;
    fs::remove_file("/tmp/eunomia-touched")
}

/// Loads the object after `autoload` has enabled some programs.
fn load(
    autoload: impl FnOnce(&mut hooks::OpenProgs<'_>),
) -> eunomia_runtime::Result<hooks::Loaded> {
    let mut open = hooks::open()?;
    autoload(&mut open.progs()?);
    open.bss()?.wanted_tgid.set(std::process::id().cast_signed())?;
    open.load()
}

/// Returns the sum of the cookies of the runs since the last call.
fn cookies(skel: &hooks::Loaded) -> eunomia_runtime::Result<u64> {
    let bss = skel.bss()?;
    let cookies = bss.cookies.get()?;
    bss.cookies.set(0)?;
    Ok(cookies)
}

pub(crate) fn kprobe_counts_calls() -> Outcome {
    let skel = load(|progs| progs.on_function.set_autoload(true))?;
    let program = skel.progs()?.on_function;
    let link = program.attach_to("vfs_unlink", 7)?;
    touch()?;
    assert_eq!((runs(&skel)?, cookies(&skel)?), (1, 7));
    drop(link);
    touch()?;
    assert_eq!(runs(&skel)?, 0);
    let missing = program.attach_to("eunomia_none", 0).unwrap_err();
    assert_eq!(errno(&missing), Some(libc::ENOENT), "{missing}");
    Ok(())
}

pub(crate) fn kprobe_multi_counts_calls() -> Outcome {
    let skel = load(|progs| progs.on_functions.set_autoload(true))?;
    let program = skel.progs()?.on_functions;
    let link = program.attach_to(Functions::Named(&[
        ("vfs_unlink", 1),
        ("vfs_mkdir", 10),
        ("vfs_rmdir", 100),
    ]))?;
    touch()?;
    assert_eq!((runs(&skel)?, cookies(&skel)?), (3, 111));
    drop(link);
    let link = program.attach_to(Functions::Matching("vfs_?mdir"))?;
    touch()?;
    assert_eq!(runs(&skel)?, 1);
    drop(link);
    touch()?;
    assert_eq!(runs(&skel)?, 0);
    let missing = program.attach_to(Functions::Matching("eunomia_none_*")).unwrap_err();
    assert_eq!(errno(&missing), Some(libc::ENOENT), "{missing}");
    Ok(())
}

pub(crate) fn ksyscall_counts_calls() -> Outcome {
    let skel = load(|progs| progs.on_syscall.set_autoload(true))?;
    let program = skel.progs()?.on_syscall;
    let link = program.attach_to("rmdir", 5)?;
    touch()?;
    assert_eq!((runs(&skel)?, cookies(&skel)?), (1, 5));
    drop(link);
    touch()?;
    assert_eq!(runs(&skel)?, 0);
    let missing = program.attach_to("eunomia_none", 0).unwrap_err();
    assert_eq!(errno(&missing), Some(libc::ENOENT), "{missing}");
    Ok(())
}

pub(crate) fn freplace_replaces_function() -> Outcome {
    let whole = hooks::open()?.load()?;
    let classify = whole.progs()?.classify;
    let packet = [0; 64];
    let verdict =
        || classify.test_run(None, Some(&packet)).map(|run| run.return_value.cast_signed());
    assert_eq!((verdict()?, runs(&whole)?), (-1, 1));
    let mut open = hooks::open()?;
    let mut program = open.progs()?.other_verdict;
    program.set_autoload(true);
    program.set_attach_target("verdict", Some(classify.fd()?))?;
    let missing = program.set_attach_target("none", Some(classify.fd()?)).unwrap_err();
    assert_eq!(errno(&missing), Some(libc::ENOENT), "{missing}");
    program.set_attach_target("verdict", Some(classify.fd()?))?;
    let part = open.load()?;
    let link = part.progs()?.other_verdict.attach()?;
    assert_eq!((verdict()?, runs(&whole)?, runs(&part)?), (2, 0, 100));
    drop(link);
    assert_eq!((verdict()?, runs(&whole)?, runs(&part)?), (-1, 1, 0));
    Ok(())
}
