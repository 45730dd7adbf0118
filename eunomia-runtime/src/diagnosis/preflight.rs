//! Can this process use BPF on this kernel, and if not, why?

use std::{
    borrow::Cow,
    fmt, fs, io,
    os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd},
    path::{Path, PathBuf},
    ptr,
};

use libbpf_rs::{MapHandle, MapType, ProgramType, libbpf_sys};
use rustix::thread::CapabilitySet;

use super::{
    mount::OF_TRACEPOINTS,
    privilege::{self, Need},
    token,
};
use crate::{
    Hint,
    bpf::sys::messages::listen,
    hint::Advice,
    perf_event,
    plain::{line, plain},
};

/// The answers of [`preflight`], and of `doctor::examine` for one object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Preflight {
    /// Each thing that was looked at.
    pub checks: Vec<Check>,
}

/// One thing that BPF needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// What was looked at.
    pub what: Cow<'static, str>,
    /// Whether nothing works without it.
    pub required: bool,
    /// Whether it is there.
    pub ok: bool,
    /// What was found.
    pub found: String,
    /// What to do where it is not there.
    pub todo: Hint,
}

impl Preflight {
    /// Whether everything that is required is there.
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
    /// The text of `Display`, with what to do in the words of the command.
    #[cfg(feature = "cli")]
    pub(crate) fn for_command(&self) -> String {
        let mut text = String::new();
        // Writing to a text does not fail.
        let _ = self.write(&mut text, Hint::for_command);
        text
    }

    fn write(&self, f: &mut impl fmt::Write, worded: impl Fn(&Hint) -> &str) -> fmt::Result {
        for check in &self.checks {
            let state = match (check.ok, check.required) {
                (true, _) => "ok  ",
                (false, true) => "FAIL",
                (false, false) => "warn",
            };
            writeln!(f, "{state} {}: {}", line(&check.what), indented(&check.found))?;
            if !check.ok {
                writeln!(f, "     {}", indented(worded(&check.todo)))?;
            }
        }
        Ok(())
    }
}

/// A text of which no line looks like another check.
fn indented(text: &str) -> String {
    plain(text).replace('\n', "\n     ")
}

/// Looks at what BPF needs of this kernel and this process: its capabilities, or its BPF token. Creates one small map and loads a few empty
/// programs, and removes them.
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
    // Few processes have one, and the others need none.
    if let Some((place, _)) = token {
        checks.insert(
            1,
            Check { what: "BPF token".into(), required: false, ok: true, found: format!("of {}", place.display()), todo: "".into() },
        );
    }
    Preflight { checks }
}

/// What BPF asks for. Whether something works without is known to the kernel alone, which `works` tells.
fn capabilities(works: bool, token: bool) -> Check {
    let all = [Need::any(), Need::of_program(ProgramType::Tracepoint), Need::of_program(ProgramType::Xdp)];
    let wanted = all.iter().fold(CapabilitySet::empty(), |wanted, need| wanted | need.capabilities);
    let mut held = privilege::held();
    if held.contains(CapabilitySet::SYS_ADMIN) {
        // The kernel takes it for this one as well where programs are loaded.
        held |= CapabilitySet::NET_ADMIN;
    }
    let names = privilege::names(held & (wanted | CapabilitySet::SYS_ADMIN));
    let mut found = if names.is_empty() { format!("none of {}", privilege::names(wanted).join(", ")) } else { names.join(", ") };
    let namespaced = privilege::namespaced();
    if namespaced {
        found += ", in a user namespace, where they count with a BPF token alone";
    }
    let enough = wanted.difference(held).is_empty() && (!namespaced || (token && works));
    let todo = if enough { None } else { privilege::lacking(&all) };
    Check { what: "capabilities".into(), required: !works, ok: todo.is_none(), found, todo: todo.unwrap_or_default() }
}

fn lockdown() -> Check {
    let mode = privilege::lockdown_mode();
    Check {
        what: "kernel lockdown".into(),
        required: false,
        ok: mode.as_deref() != Some("confidentiality"),
        found: mode.unwrap_or_else(|| "not told (securityfs is not mounted, the kernel has none, or this user may not look)".to_owned()),
        todo: "in confidentiality mode programs cannot read kernel memory; boot with lockdown=integrity or none".into(),
    }
}

pub(crate) fn create_map() -> Check {
    let token = token::own();
    let (token_fd, flags) = with(token.as_ref());
    let opts = libbpf_sys::bpf_map_create_opts {
        sz: size_of::<libbpf_sys::bpf_map_create_opts>() as libbpf_sys::size_t,
        token_fd,
        map_flags: flags,
        ..Default::default()
    };
    let (created, _) = listen(|| MapHandle::create(MapType::Array, Some("eunomia_probe"), 4, 4, 1, &opts));
    let (ok, found) = match created {
        Ok(_) => (true, "created and removed".to_owned()),
        Err(error) => (false, error.to_string()),
    };
    let todo = "the kernel refuses BPF: look at the capabilities above, at `sysctl kernel.unprivileged_bpf_disabled`, at a container's seccomp \
                profile, and on kernels before 5.11 at `ulimit -l`";
    Check { what: "bpf(BPF_MAP_CREATE)".into(), required: true, ok, found, todo: explained(Need::any(), todo) }
}

/// The least that BPF is: a type of programs that needs nothing but CAP_BPF.
pub(crate) fn load_program() -> Check {
    let todo = "the kernel needs CONFIG_BPF_SYSCALL, and this process the capabilities above";
    Check { required: true, ..loads("bpf(BPF_PROG_LOAD)", ProgramType::SocketFilter, todo) }
}

fn tracing() -> Check {
    let todo = "the kernel needs CONFIG_BPF_EVENTS, and this process the capabilities above";
    loads("programs that trace", ProgramType::Tracepoint, todo)
}

fn networking() -> Check {
    let todo = "the kernel needs CONFIG_NET, and this process the capabilities above";
    loads("programs on networks and cgroups", ProgramType::Xdp, todo)
}

fn loads(what: &'static str, ty: ProgramType, todo: &'static str) -> Check {
    let name = privilege::type_name(ty as u32);
    let (ok, found) = match load_empty(ty) {
        Ok(()) => (true, format!("a program of the type {name} loads")),
        Err(error) => (false, format!("a program of the type {name} does not load: {error}")),
    };
    Check { what: what.into(), required: false, ok, found, todo: explained(Need::of_program(ty), todo) }
}

/// What this process lacks, or else what is to be looked at.
fn explained(need: Need, otherwise: &'static str) -> Hint {
    privilege::lacking(&[need]).unwrap_or_else(|| otherwise.into())
}

/// A token as calls of libbpf take it: its descriptor, and the flag that says that there is one.
fn with(token: Option<&(PathBuf, OwnedFd)>) -> (u32, u32) {
    token.map_or((0, 0), |(_, token)| (token.as_raw_fd().cast_unsigned(), libbpf_sys::BPF_F_TOKEN_FD))
}

/// Loads a program that returns 0, and removes it.
fn load_empty(ty: ProgramType) -> io::Result<()> {
    const MOVE: u8 = (libbpf_sys::BPF_ALU64 | libbpf_sys::BPF_MOV | libbpf_sys::BPF_K) as u8;
    const EXIT: u8 = (libbpf_sys::BPF_JMP | libbpf_sys::BPF_EXIT) as u8;
    let token = token::own();
    let (token_fd, prog_flags) = with(token.as_ref());
    let mut opts = libbpf_sys::bpf_prog_load_opts {
        sz: size_of::<libbpf_sys::bpf_prog_load_opts>() as libbpf_sys::size_t,
        token_fd,
        prog_flags,
        ..Default::default()
    };
    let code = [MOVE, EXIT].map(|code| libbpf_sys::bpf_insn { code, ..Default::default() });
    let load = || {
        // SAFETY: the licence ends with a NUL; it, the instructions and the options live through the call.
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
        // SAFETY: the descriptor is new and nobody else's.
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
            .after("programs that read kernel structs need it: the kernel needs CONFIG_DEBUG_INFO_BTF. Else "),
    }
}

/// Where tracepoints stand.
pub(crate) const EVENTS: [&str; 2] = ["/sys/kernel/tracing/events", "/sys/kernel/debug/tracing/events"];

pub(crate) fn tracefs() -> Check {
    let mounted = EVENTS.into_iter().find(|place| Path::new(place).is_dir());
    let denied = || fs::metadata(EVENTS[0]).is_err_and(|error| error.kind() == std::io::ErrorKind::PermissionDenied);
    Check {
        what: "tracefs".into(),
        required: false,
        ok: mounted.is_some(),
        found: match mounted {
            Some(place) => place.to_owned(),
            None if denied() => "not readable by this user".to_owned(),
            None => "not mounted".to_owned(),
        },
        todo: if denied() { privilege::closed_tracefs() } else { OF_TRACEPOINTS.remedy().after("programs on tracepoints need it: ") },
    }
}

/// What programs on tracepoints and probes are attached through.
fn perf_events() -> Check {
    let attr = libbpf_sys::perf_event_attr {
        type_: libbpf_sys::PERF_TYPE_SOFTWARE,
        config: u64::from(libbpf_sys::PERF_COUNT_SW_DUMMY),
        ..Default::default()
    };
    // As libbpf does, of all processes on one CPU.
    let opened = perf_event::open(attr, -1, 0);
    Check {
        what: "perf events".into(),
        required: false,
        ok: opened.is_ok(),
        found: opened.map_or_else(|error| format!("none opens: {error}"), |_| "opened and closed".to_owned()),
        todo: privilege::no_perf_events().unwrap_or_else(|| "tracepoints and probes need them: the kernel needs CONFIG_PERF_EVENTS".into()),
    }
}
