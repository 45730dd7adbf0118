//! Preflight: whether this process can use BPF on this kernel, and if not, why.

use std::{
    borrow::Cow,
    fmt, fs, io,
    os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd},
    path::{Path, PathBuf},
    ptr,
};

use libbpf_rs::{MapHandle, MapType, ProgramType, libbpf_sys};
use rustix::thread::CapabilitySet;

use crate::{
    Hint,
    host::{
        Advice,
        messages::listen,
        mount::OF_TRACEPOINTS,
        perf_event,
        privilege::{self, Need},
        token,
    },
    plain::{line, plain},
};

/// The results of [`preflight`], and of `doctor::examine` for one object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Preflight {
    /// Everything that was checked.
    pub checks: Vec<Check>,
}

/// The result of one check: something that BPF or an object needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// The name of what was checked.
    pub what: Cow<'static, str>,
    /// True if nothing works without it.
    pub required: bool,
    /// True if it is available.
    pub ok: bool,
    /// What the check found.
    pub found: String,
    /// What to do if it is not available.
    pub todo: Hint,
}

impl Preflight {
    /// Returns true if everything that is required is available.
    pub fn ok(&self) -> bool {
        self.checks.iter().all(|check| check.ok || !check.required)
    }
}

impl fmt::Display for Preflight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f, |todo| todo)
    }
}

impl Preflight {
    /// Returns the text of `Display`, with hints worded for the command line.
    #[cfg(feature = "cli")]
    pub(crate) fn for_command(&self) -> String {
        let mut text = String::new();
        // Writing to a `String` does not fail.
        let _ = self.write(&mut text, Hint::for_command);
        text
    }

    fn write(&self, f: &mut impl fmt::Write, hint_text: impl Fn(&Hint) -> &str) -> fmt::Result {
        for check in &self.checks {
            let state = match (check.ok, check.required) {
                (true, _) => "ok  ",
                (false, true) => "FAIL",
                (false, false) => "warn",
            };
            writeln!(f, "{state} {}: {}", line(&check.what), indented(&check.found))?;
            if !check.ok {
                writeln!(f, "     {}", indented(hint_text(&check.todo)))?;
            }
        }
        Ok(())
    }
}

/// Indents all lines but the first, so that none looks like another check.
fn indented(text: &str) -> String {
    plain(text).replace('\n', "\n     ")
}

/// Checks what BPF needs of this kernel and this process: its capabilities, or its BPF token.
/// Creates one small map and loads a few empty programs, and removes them.
pub fn preflight() -> Preflight {
    let usable = [create_map(), load_program()];
    let works = usable.iter().all(|check| check.ok);
    let [map, program] = usable;
    let token = token::own();
    let mut checks = vec![
        capabilities(works, token.is_some()),
        lockdown(),
        map,
        program,
        tracing(),
        networking(),
        kernel_btf(),
        tracefs(),
        perf_events(),
    ];
    // Few processes have a token, and the others need none.
    if let Some((place, _)) = token {
        checks.insert(
            1,
            Check {
                what: "BPF token".into(),
                required: false,
                ok: true,
                found: format!("from {}", place.display()),
                todo: "".into(),
            },
        );
    }
    Preflight { checks }
}

/// Checks the capabilities that BPF requires. Only the kernel knows whether something works without
/// them; `works` says whether maps and programs could be created.
fn capabilities(works: bool, token: bool) -> Check {
    let all = [
        Need::any(),
        Need::of_program(ProgramType::Tracepoint),
        Need::of_program(ProgramType::Xdp),
    ];
    let needed = all.iter().fold(CapabilitySet::empty(), |needed, need| needed | need.capabilities);
    let mut held = privilege::held();
    if held.contains(CapabilitySet::SYS_ADMIN) {
        // To load programs the kernel accepts CAP_SYS_ADMIN in place of CAP_NET_ADMIN, too.
        held |= CapabilitySet::NET_ADMIN;
    }
    let names = privilege::names(held & (needed | CapabilitySet::SYS_ADMIN));
    let mut found = if names.is_empty() {
        format!("none of {}", privilege::names(needed).join(", "))
    } else {
        names.join(", ")
    };
    let namespaced = privilege::namespaced();
    if namespaced {
        found += ", in a user namespace, where BPF accepts them only with a BPF token";
    }
    let enough = needed.difference(held).is_empty() && (!namespaced || (token && works));
    let todo = if enough { None } else { privilege::lacking(&all) };
    Check {
        what: "capabilities".into(),
        required: !works,
        ok: todo.is_none(),
        found,
        todo: todo.unwrap_or_default(),
    }
}

fn lockdown() -> Check {
    let mode = privilege::lockdown_mode();
    Check {
        what: "kernel lockdown".into(),
        required: false,
        ok: mode.as_deref() != Some("confidentiality"),
        found: mode.unwrap_or_else(|| "unknown (securityfs is not mounted, the kernel has no lockdown, or it is not readable)".to_owned()),
        todo: "in confidentiality mode programs cannot read kernel memory; boot with lockdown=integrity or none".into(),
    }
}

pub(crate) fn create_map() -> Check {
    let token = token::own();
    let (token_fd, flags) = token_options(token.as_ref());
    let opts = libbpf_sys::bpf_map_create_opts {
        sz: size_of::<libbpf_sys::bpf_map_create_opts>() as libbpf_sys::size_t,
        token_fd,
        map_flags: flags,
        ..Default::default()
    };
    let (created, _) =
        listen(|| MapHandle::create(MapType::Array, Some("eunomia_probe"), 4, 4, 1, &opts));
    let (ok, found) = match created {
        Ok(_) => (true, "created and removed".to_owned()),
        Err(error) => (false, error.to_string()),
    };
    let todo = "the kernel refuses BPF: check the capabilities above, `sysctl kernel.unprivileged_bpf_disabled`, the seccomp profile of a \
                container, and before Linux 5.11 `ulimit -l`";
    Check {
        what: "bpf(BPF_MAP_CREATE)".into(),
        required: true,
        ok,
        found,
        todo: hint(Need::any(), todo),
    }
}

/// Checks the least that BPF offers: a program type that needs no capability but CAP_BPF.
pub(crate) fn load_program() -> Check {
    let todo = "the kernel needs CONFIG_BPF_SYSCALL, and this process the capabilities above";
    Check { required: true, ..load_check("bpf(BPF_PROG_LOAD)", ProgramType::SocketFilter, todo) }
}

fn tracing() -> Check {
    let todo = "the kernel needs CONFIG_BPF_EVENTS, and this process the capabilities above";
    load_check("tracing programs", ProgramType::Tracepoint, todo)
}

fn networking() -> Check {
    let todo = "the kernel needs CONFIG_NET, and this process the capabilities above";
    load_check("networking and cgroup programs", ProgramType::Xdp, todo)
}

fn load_check(what: &'static str, ty: ProgramType, todo: &'static str) -> Check {
    let name = privilege::type_name(ty as u32);
    let (ok, found) = match load_empty(ty) {
        Ok(()) => (true, format!("a program of type {name} loads")),
        Err(error) => (false, format!("cannot load a program of type {name}: {error}")),
    };
    Check { what: what.into(), required: false, ok, found, todo: hint(Need::of_program(ty), todo) }
}

/// Returns what this process lacks, or `otherwise` if it lacks nothing.
fn hint(need: Need, otherwise: &'static str) -> Hint {
    privilege::lacking(&[need]).unwrap_or_else(|| otherwise.into())
}

/// Returns a token as calls of libbpf take it: its descriptor, and the flag that marks it as set.
fn token_options(token: Option<&(PathBuf, OwnedFd)>) -> (u32, u32) {
    token.map_or((0, 0), |(_, token)| {
        (token.as_raw_fd().cast_unsigned(), libbpf_sys::BPF_F_TOKEN_FD)
    })
}

/// Loads a program that returns 0, and removes it.
fn load_empty(ty: ProgramType) -> io::Result<()> {
    const MOVE: u8 = (libbpf_sys::BPF_ALU64 | libbpf_sys::BPF_MOV | libbpf_sys::BPF_K) as u8;
    const EXIT: u8 = (libbpf_sys::BPF_JMP | libbpf_sys::BPF_EXIT) as u8;
    let token = token::own();
    let (token_fd, prog_flags) = token_options(token.as_ref());
    let mut opts = libbpf_sys::bpf_prog_load_opts {
        sz: size_of::<libbpf_sys::bpf_prog_load_opts>() as libbpf_sys::size_t,
        token_fd,
        prog_flags,
        ..Default::default()
    };
    let code = [MOVE, EXIT].map(|code| libbpf_sys::bpf_insn { code, ..Default::default() });
    let load = || {
        // SAFETY: the license ends with a NUL; the license, the instructions and the options live
        // through the call.
        unsafe {
            libbpf_sys::bpf_prog_load(
                ty as u32,
                ptr::null(),
                c"GPL".as_ptr(),
                code.as_ptr(),
                code.len() as libbpf_sys::size_t,
                &raw mut opts,
            )
        }
    };
    match listen(load).0 {
        // SAFETY: the descriptor is new, and nothing else owns it.
        program @ 0.. => drop(unsafe { OwnedFd::from_raw_fd(program) }),
        error => return Err(io::Error::from_raw_os_error(-error)),
    }
    Ok(())
}

fn kernel_btf() -> Check {
    const PATH: &str = "/sys/kernel/btf/vmlinux";
    let ok = fs::metadata(PATH).is_ok();
    Check {
        what: "kernel BTF".into(),
        required: false,
        ok,
        found: if ok { PATH.to_owned() } else { format!("{PATH} is missing") },
        todo: Hint::from(Advice::KernelBtf)
            .after("programs that read kernel structs need it: run a kernel with CONFIG_DEBUG_INFO_BTF, or "),
    }
}

/// The directories of tracepoints, in the order in which they are looked up.
pub(crate) const EVENTS: [&str; 2] =
    ["/sys/kernel/tracing/events", "/sys/kernel/debug/tracing/events"];

pub(crate) fn tracefs() -> Check {
    let mounted = EVENTS.into_iter().find(|place| Path::new(place).is_dir());
    let denied = || {
        fs::metadata(EVENTS[0])
            .is_err_and(|error| error.kind() == std::io::ErrorKind::PermissionDenied)
    };
    Check {
        what: "tracefs".into(),
        required: false,
        ok: mounted.is_some(),
        found: match mounted {
            Some(place) => place.to_owned(),
            None if denied() => "not readable by this user".to_owned(),
            None => "not mounted".to_owned(),
        },
        todo: if denied() {
            privilege::closed_tracefs()
        } else {
            OF_TRACEPOINTS.remedy().after("programs on tracepoints need it: ")
        },
    }
}

/// Checks perf events, through which programs on tracepoints and probes are attached.
fn perf_events() -> Check {
    let attr = libbpf_sys::perf_event_attr {
        type_: libbpf_sys::PERF_TYPE_SOFTWARE,
        config: u64::from(libbpf_sys::PERF_COUNT_SW_DUMMY),
        ..Default::default()
    };
    // Opened as libbpf does: for all processes on one CPU.
    let opened = perf_event::open(attr, -1, 0);
    Check {
        what: "perf events".into(),
        required: false,
        ok: opened.is_ok(),
        found: opened.map_or_else(
            |error| format!("cannot open one: {error}"),
            |_| "opened and closed".to_owned(),
        ),
        todo: privilege::no_perf_events().unwrap_or_else(|| {
            "tracepoints and probes need them: the kernel needs CONFIG_PERF_EVENTS".into()
        }),
    }
}
