//! Can this process use BPF on this kernel, and if not, why?

use std::{borrow::Cow, fmt, fs, path::Path};

use libbpf_rs::{MapHandle, MapType, ProgramType, libbpf_sys};

use super::messages::listen;

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
    pub todo: Cow<'static, str>,
}

impl Preflight {
    /// Whether everything that is required is there.
    pub fn ok(&self) -> bool {
        self.checks.iter().all(|check| check.ok || !check.required)
    }
}

impl fmt::Display for Preflight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for check in &self.checks {
            let state = match (check.ok, check.required) {
                (true, _) => "ok  ",
                (false, true) => "FAIL",
                (false, false) => "warn",
            };
            writeln!(f, "{state} {}: {}", check.what, check.found)?;
            if !check.ok {
                writeln!(f, "     {}", check.todo)?;
            }
        }
        Ok(())
    }
}

/// Looks at what BPF needs of this kernel and this process. Creates one small map and loads one empty program, and removes both.
pub fn preflight() -> Preflight {
    Preflight { checks: vec![capabilities(), lockdown(), create_map(), load_program(), kernel_btf(), tracefs()] }
}

/// Bits of `/proc/self/status`, from `uapi/linux/capability.h`.
const CAPABILITIES: [(&str, u32); 3] = [("CAP_SYS_ADMIN", 21), ("CAP_PERFMON", 38), ("CAP_BPF", 39)];

fn capabilities() -> Check {
    let effective = fs::read_to_string("/proc/self/status")
        .ok()
        .and_then(|status| status.lines().find_map(|line| line.strip_prefix("CapEff:").map(|hex| u64::from_str_radix(hex.trim(), 16))))
        .and_then(Result::ok);
    let held = |mask: u64| CAPABILITIES.iter().filter(move |(_, bit)| mask & (1 << bit) != 0).map(|(name, _)| *name).collect::<Vec<_>>();
    let (ok, found) = match effective.map(held) {
        None => (false, "/proc/self/status does not tell".to_owned()),
        Some(names) => {
            let enough = names.contains(&"CAP_SYS_ADMIN") || (names.contains(&"CAP_BPF") && names.contains(&"CAP_PERFMON"));
            (enough, if names.is_empty() { "none of CAP_SYS_ADMIN, CAP_PERFMON, CAP_BPF".to_owned() } else { names.join(", ") })
        }
    };
    Check { what: "capabilities".into(), required: true, ok, found, todo: "run as root, or with CAP_BPF and CAP_PERFMON".into() }
}

fn lockdown() -> Check {
    let text = fs::read_to_string("/sys/kernel/security/lockdown").ok();
    let mode = text.as_deref().and_then(|text| text.split('[').nth(1)?.split(']').next());
    Check {
        what: "kernel lockdown".into(),
        required: false,
        ok: mode != Some("confidentiality"),
        found: mode.unwrap_or("not told (securityfs is not mounted, or the kernel has none)").to_owned(),
        todo: "in confidentiality mode programs cannot read kernel memory; boot with lockdown=integrity or none".into(),
    }
}

pub(crate) fn create_map() -> Check {
    let opts =
        libbpf_sys::bpf_map_create_opts { sz: size_of::<libbpf_sys::bpf_map_create_opts>() as libbpf_sys::size_t, ..Default::default() };
    let (created, _) = listen(|| MapHandle::create(MapType::Array, Some("eunomia_probe"), 4, 4, 1, &opts));
    let (ok, found) = match created {
        Ok(_) => (true, "created and removed".to_owned()),
        Err(error) => (false, error.to_string()),
    };
    Check {
        what: "bpf(BPF_MAP_CREATE)".into(),
        required: true,
        ok,
        found,
        todo: "the kernel refuses BPF: look at the capabilities above, at `sysctl kernel.unprivileged_bpf_disabled`, at a container's \
               seccomp profile, and on kernels before 5.11 at `ulimit -l`"
            .into(),
    }
}

pub(crate) fn load_program() -> Check {
    let (supported, _) = listen(|| ProgramType::Tracepoint.is_supported());
    let (ok, found) = match supported {
        Ok(true) => (true, "a tracepoint program loads".to_owned()),
        Ok(false) => (false, "a tracepoint program does not load".to_owned()),
        Err(error) => (false, error.to_string()),
    };
    Check {
        what: "bpf(BPF_PROG_LOAD)".into(),
        required: true,
        ok,
        found,
        todo: "the kernel needs CONFIG_BPF_SYSCALL and CONFIG_BPF_EVENTS, and this process the capabilities above".into(),
    }
}

fn kernel_btf() -> Check {
    const PATH: &str = "/sys/kernel/btf/vmlinux";
    let ok = fs::metadata(PATH).is_ok();
    Check {
        what: "kernel BTF".into(),
        required: false,
        ok,
        found: if ok { PATH.to_owned() } else { format!("{PATH} is missing") },
        todo: "programs that read kernel structs need it: the kernel needs CONFIG_DEBUG_INFO_BTF".into(),
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
        todo: if denied() {
            "programs on tracepoints need it: run as root, or give this user access to /sys/kernel/tracing".into()
        } else {
            "programs on tracepoints need it: mount -t tracefs tracefs /sys/kernel/tracing".into()
        },
    }
}
