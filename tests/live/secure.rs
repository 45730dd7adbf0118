//! A process with more rights than its parent (`AT_SECURE` of getauxval(3)) ignores the environment
//! variables.

use std::{
    env, fs,
    io::{BufRead as _, BufReader},
    os::unix::{
        fs::{PermissionsExt as _, chown},
        process::CommandExt as _,
    },
    path::Path,
    process::Stdio,
};

use eunomia_runtime::bpf::kernel_btf;
use eunomia_tests::built::bootstrap;
use libtest_mimic::Failed;

use super::{
    Outcome,
    child::{Answers, answer, command_of, tried},
};

/// A group without any rights.
const GROUP: u32 = 65533;
/// The user `nobody`.
const USER: u32 = 65534;

/// The part that reports the effect of the environment variables.
pub(crate) fn look(_: &str) -> Outcome {
    // SAFETY: the call takes an integer.
    answer("secure", unsafe { libc::getauxval(libc::AT_SECURE) });
    // The process still has the variables.
    for name in [BTF, TOKEN] {
        answer(name, env::var(name)?);
    }
    answer("BTF of the kernel", kernel_btf(None)?.is_some());
    // SAFETY: `geteuid` has no preconditions.
    if unsafe { libc::geteuid() } == 0 {
        let skel = bootstrap::open();
        tried("open", skel.as_ref().map(drop).map_err(|error| error.to_string().into()));
        tried("load", skel.and_then(|open| open.load()).map_err(Into::into));
    }
    Ok(())
}

const BTF: &str = "BTF_FILE_PATH";
const TOKEN: &str = "LIBBPF_BPF_TOKEN_PATH";

fn looked(program: &Path, user: u32) -> Result<Answers, Failed> {
    let mut command = command_of(program, "secure");
    // Both values are wrong: a process that uses them cannot load an object.
    command
        .envs([(BTF, "/proc/self/exe"), (TOKEN, "/proc")])
        .uid(user)
        .gid(user)
        .stdout(Stdio::piped());
    let mut process = command.spawn()?;
    let mut answers = Answers::new();
    for line in BufReader::new(process.stdout.take().ok_or("the stream is not piped")?).lines() {
        let (name, text) = serde_json::from_str(&line?)?;
        answers.insert(name, text);
    }
    assert!(process.wait()?.success(), "{answers:?}");
    assert_eq!((&*answers[BTF], &*answers[TOKEN]), ("/proc/self/exe", "/proc"));
    Ok(answers)
}

/// Runs the program without and with the set-group-ID bit, which gives it another group.
pub(crate) fn secure_process_ignores_environment() -> Outcome {
    let folder = tempfile::tempdir()?;
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o711))?;
    let program = folder.path().join("program");
    fs::copy(env::current_exe()?, &program)?;
    chown(&program, None, Some(GROUP))?;
    for (mode, secure) in [(0o755, false), (0o2755, true)] {
        fs::set_permissions(&program, fs::Permissions::from_mode(mode))?;
        for user in [0, USER] {
            let answers = looked(&program, user)?;
            assert_eq!(answers["secure"], u32::from(secure).to_string(), "{mode:o} {answers:?}");
            assert_eq!(answers["BTF of the kernel"], (!secure).to_string(), "{mode:o} {answers:?}");
            if user == 0 {
                assert_eq!(
                    [&*answers["open"], &answers["load"]].iter().all(|text| *text == "ok"),
                    secure,
                    "{mode:o} {answers:?}"
                );
            }
        }
    }
    Ok(())
}
