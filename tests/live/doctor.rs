//! The doctor's findings, compared with what libbpf and the kernel report on loading.

use std::{collections::BTreeMap, fs, sync::Mutex};

use eunomia_runtime::{
    Error, Skeleton,
    bpf::{Check, Preflight},
    doctor::{Doctor, examine},
};
use libbpf_rs::{ObjectBuilder, PrintLevel, set_print};

use super::{Outcome, host::apart, refusals::sources};

fn skeleton(name: &str) -> eunomia_runtime::Result<Skeleton> {
    Skeleton::from_file(format!("bpf/{name}.json"))
}

fn examined(name: &str) -> Result<Preflight, Box<dyn std::error::Error>> {
    Ok(examine(&skeleton(name)?.check(name)?))
}

/// Returns the one check named `what` whose finding begins with `found`.
fn find<'a>(examined: &'a Preflight, what: &str, found: &str) -> &'a Check {
    let mut checks =
        examined.checks.iter().filter(|check| check.what == what && check.found.starts_with(found));
    let first =
        checks.next().unwrap_or_else(|| panic!("no check `{what}: {found}..` in\n{examined}"));
    assert!(checks.next().is_none(), "two checks `{what}: {found}..` in\n{examined}");
    first
}

/// Returns `ok`, `warn` or `FAIL`.
fn state(check: &Check) -> &'static str {
    match (check.ok, check.required) {
        (true, _) => "ok",
        (false, true) => "FAIL",
        (false, false) => "warn",
    }
}

pub(crate) fn loadable_object_passes() -> Outcome {
    let examined = examined("bootstrap")?;
    assert!(examined.ok() && examined.checks.iter().all(|check| check.ok), "{examined}");
    for (what, found) in [
        ("program type tracepoint", "handle_exec, handle_exit"),
        ("map type BPF_MAP_TYPE_RINGBUF", "rb"),
        ("kernel BTF", "/sys/kernel/btf/vmlinux; for CO-RE relocations"),
        ("tracepoint sched/sched_process_exec", "handle_exec"),
    ] {
        assert_eq!(find(&examined, what, found).todo, "");
    }
    assert!(find(&examined, "helpers", "").found.contains("bpf_ringbuf_reserve"), "{examined}");
    skeleton("bootstrap")?.open()?.load()?;
    Ok(())
}

/// libbpf looks up fields only in the BTF file that an object is opened with.
pub(crate) fn relocations_use_given_btf_file() -> Outcome {
    const KERNEL: &str = "/sys/kernel/btf/vmlinux";
    const FILE: &str = "BTF for CO-RE relocations";
    let checked = skeleton("bootstrap")?.check("bootstrap")?;
    let examined = Doctor::new(Some(KERNEL.as_ref())).examine(&checked);
    assert!(
        examined.ok() && examined.checks.iter().all(|check| check.ok && check.what != "kernel BTF"),
        "{examined}"
    );
    find(&examined, FILE, &format!("{KERNEL}; for "));
    let with_kernel = examine(&checked);
    assert_eq!(
        find(&examined, "CO-RE relocations", "").found,
        find(&with_kernel, "CO-RE relocations", "").found
    );

    // An ELF file whose BTF does not describe a kernel.
    let folder = tempfile::tempdir()?;
    let foreign = folder.path().join("foreign.o");
    std::fs::write(&foreign, skeleton("args")?.object.unwrap_or_default())?;
    let examined = Doctor::new(Some(&foreign)).examine(&checked);
    find(&examined, FILE, &foreign.display().to_string());
    assert_eq!(state(find(&examined, "CO-RE relocation", "no `struct task_struct`")), "warn");
    assert!(skeleton("bootstrap")?.check("bootstrap")?.open(Some(&foreign))?.load().is_err());

    for (bytes, why) in [(&b""[..], ""), (b"no BTF", ""), (b"\x7fELF", "")] {
        std::fs::write(&foreign, bytes)?;
        let examined = Doctor::new(Some(&foreign)).examine(&checked);
        assert_eq!(state(find(&examined, FILE, &format!("{}: {why}", foreign.display()))), "FAIL");
        assert!(!examined.ok());
    }
    // An object without relocations does not need the file.
    assert!(
        Doctor::new(Some(&foreign))
            .examine(&skeleton("args")?.check("args")?)
            .checks
            .iter()
            .all(|check| check.what != FILE)
    );
    Ok(())
}

pub(crate) fn missing_kernel_parts_are_reported() -> Outcome {
    let examined = examined("doctor")?;
    const RELOCATION: &str = "CO-RE relocation";
    for (expected, what, found) in [
        ("ok", "program type raw_tracepoint", "guarded, unguarded, wrong_helper"),
        ("ok", "raw tracepoint sys_enter", "guarded"),
        ("ok", "CO-RE relocations", "1 of 9 resolve"),
        (
            "ok",
            "CO-RE existence checks",
            "programs find that this kernel does not have `BPF_FUNC_eunomia_none of enum bpf_func_id`",
        ),
        (
            "warn",
            RELOCATION,
            "`struct task_struct` has no member `eunomia_none` in this kernel; used by unguarded",
        ),
        (
            "warn",
            RELOCATION,
            "`struct task_struct` has no member `eunomia_guarded` in this kernel; used by guarded",
        ),
        (
            "warn",
            RELOCATION,
            "`comm[4000]` of `struct task_struct` is out of bounds: the array has 16 elements in this kernel; used by",
        ),
        (
            "warn",
            RELOCATION,
            "`enum bpf_func_id` has no constant `BPF_FUNC_eunomia_none` in this kernel; used by guarded",
        ),
        ("warn", RELOCATION, "no `struct eunomia_none` in this kernel; used by guarded"),
        (
            "warn",
            "bpf_redirect",
            "not available to raw_tracepoint programs on this kernel; called by wrong_helper",
        ),
        ("warn", "kfunc bpf_eunomia_none", "not in this kernel; used by guarded"),
        ("warn", "kernel symbol eunomia_none_address", "not in this kernel; used by guarded"),
        ("FAIL", "tracepoint sched/eunomia_none", "not in /sys/kernel/"),
        // Programs that the object does not load by default.
        (
            "warn",
            "raw tracepoint eunomia_none",
            "not in the kernel's BTF; used by on_raw_tracepoint",
        ),
        ("warn", "kernel function eunomia_none", "not in the kernel's BTF; used by on_function"),
        ("warn", "kernel function eunomia_none", "not in /proc/kallsyms; used by on_probe"),
        ("warn", "function eunomia_none of /proc/self/exe", "not a symbol of /proc/self/exe"),
        ("warn", "function main of /eunomia/none", "/eunomia/none: No such file"),
    ] {
        let check = find(&examined, what, found);
        assert_eq!(state(check), expected, "{what}: {found} in\n{examined}");
        assert_eq!(check.ok, check.todo.is_empty(), "{what}: {found} in\n{examined}");
    }
    assert!(!examined.ok());

    // The kernel agrees: the object loads, and only the tracepoint program cannot be attached.
    let error = skeleton("doctor")?.open()?.load()?.attach().unwrap_err();
    assert!(
        error.to_string().starts_with("attach the program `on_tracepoint` (tp/sched/eunomia_none)"),
        "{error}"
    );
    for program in ["unguarded", "wrong_helper"] {
        let mut open = skeleton("doctor")?.open()?;
        open.object().program(program)?.set_autoload(true);
        let error = open.load().unwrap_err();
        assert!(error.to_string().contains(&format!("prog '{program}': ")), "{error}");
    }
    Ok(())
}

/// The messages of libbpf, down to debug level.
static SAID: Mutex<String> = Mutex::new(String::new());

/// The relocations by program and number: the text of each, and whether it was resolved.
type Relocated = BTreeMap<(String, String), (String, bool)>;

/// Collects the relocations that libbpf processes in all programs of an object.
fn relocated(name: &str) -> Result<Relocated, Box<dyn std::error::Error>> {
    let object = skeleton(name)?.object.unwrap_or_default();
    SAID.lock().unwrap().clear();
    let before =
        set_print(Some((PrintLevel::Debug, |_, text| SAID.lock().unwrap().push_str(&text))));
    let mut open = ObjectBuilder::default().name(name)?.open_memory(&object)?;
    open.progs_mut().for_each(|mut program| program.set_autoload(true));
    // Not all of these objects load, but relocations are processed first.
    drop(open.load());
    set_print(before);
    let mut relocations = Relocated::new();
    for line in SAID.lock().unwrap().lines() {
        let Some((program, rest)) =
            line.strip_prefix("libbpf: prog '").and_then(|line| line.split_once("': relo #"))
        else {
            continue;
        };
        let Some((number, text)) = rest.split_once(": ") else { continue };
        let key = (program.to_owned(), number.to_owned());
        if text.starts_with('<') {
            relocations.insert(key, (text.to_owned(), true));
        } else if text == "no matching targets found" {
            relocations.get_mut(&key).ok_or("a result without its relocation")?.1 = false;
        }
    }
    Ok(relocations)
}

pub(crate) fn relocations_resolve_as_in_libbpf() -> Outcome {
    let mut all = 0;
    for name in ["bootstrap", "congestion", "doctor", "hooks", "maps", "newer", "programs"] {
        let relocations = relocated(name)?;
        let examined = examined(name)?;
        let found = relocations.values().filter(|(_, found)| *found).count();
        let says = examined
            .checks
            .iter()
            .find(|check| check.what == "CO-RE relocations")
            .map(|check| check.found.as_str());
        let expected = (found > 0).then(|| format!("{found} of {} resolve", relocations.len()));
        assert_eq!(says, expected.as_deref(), "{name}:\n{examined}\n{relocations:#?}");

        // The form of a line: `<byte_off> [7] struct task_struct___eunomia.comm[4000] (0:1:4000 @
        // offset 4004)`
        let is_existence_check =
            |text: &str| ["_exists>", "_matches>"].iter().any(|kind| text.contains(kind));
        let missing = relocations
            .values()
            .filter(|(text, found)| !found && !is_existence_check(text))
            .map(|(text, _)| {
                let text = text.split_once("] ").map_or("", |(_, text)| text);
                let text = text.split(" (").next().unwrap_or_default().replace("___eunomia", "");
                // The form for enums: `enum bpf_func_id::BPF_FUNC_eunomia_none = 100000`
                let text = text.split(" = ").next().unwrap_or_default().replace("::", ".");
                let (ty, member) = text.split_once('.').unwrap_or((&text, ""));
                (ty.to_owned(), member.to_owned())
            });
        let missing: std::collections::BTreeSet<_> = missing.collect();
        let checks: Vec<_> =
            examined.checks.iter().filter(|check| check.what == "CO-RE relocation").collect();
        assert_eq!(checks.len(), missing.len(), "{name}:\n{examined}\n{missing:#?}");
        for (ty, member) in &missing {
            let named = |check: &&Check| {
                check.found.contains(&format!("`{ty}`")) && check.found.contains(&**member)
            };
            assert!(checks.iter().any(named), "{name}: {ty} {member} in\n{examined}");
        }
        all += missing.len();
    }
    assert_eq!(all, 5, "those of the fixture `doctor`");
    Ok(())
}

/// Fixtures that together have programs of all types.
const FIXTURES: [&str; 20] = [
    "arena",
    "args",
    "bootstrap",
    "congestion",
    "doctor",
    "every",
    "faults",
    "flood",
    "hooks",
    "kinds",
    "lacking",
    "maps",
    "names",
    "newer",
    "profile",
    "programs",
    "refused",
    "samples",
    "shapes",
    "streams",
];

/// Opens a fixture with one of its programs, or one of its maps, and nothing else.
fn alone(name: &str, part: &str) -> eunomia_runtime::Result<eunomia_runtime::dynamic::Open> {
    let mut open = skeleton(name)?.open()?;
    let programs = open.object().programs();
    for program in &programs {
        open.object().program(program)?.set_autoload(program == part);
    }
    // In the other fixtures, programs use the maps.
    for map in ["no_entries", "no_inner", "deep", "large"]
        .iter()
        .filter(|map| name == "lacking" && **map != part)
    {
        open.object().set_autocreate(map, false)?;
    }
    Ok(open)
}

/// Loads and attaches; returns the first error. Programs without a target do not count.
fn ran(open: eunomia_runtime::dynamic::Open) -> Result<(), String> {
    let loaded = open.load().map_err(|error| error.to_string())?;
    let refused = loaded.object().links_each().into_iter().filter_map(|(_, link)| link.err());
    let refused = refused
        .filter(|error| !matches!(error, Error::NoTarget { .. }))
        .map(|error| error.to_string());
    refused.into_iter().next().map_or(Ok(()), Err)
}

/// Checks that the doctor and loading or attaching both fail, with the same reason.
fn same_reason(doctor: &Doctor, part: &str, reason: &str) -> Outcome {
    let examined = doctor.examine_open(alone("lacking", part)?, None, true);
    assert!(!examined.ok(), "{part}: {examined}");
    let error = ran(alone("lacking", part)?).expect_err(part);
    // The doctor splits the hint into the finding and the advice.
    let (why, todo) = reason.split_once("; ").unwrap_or((reason, ""));
    assert!(
        error.contains(&format!("{why}; {todo}")) && error.contains("\n  hint: "),
        "{part}: {error}"
    );
    let has_reason = |check: &&Check| {
        !check.ok && check.required && check.found.starts_with(why) && check.todo.starts_with(todo)
    };
    assert!(
        examined.checks.iter().any(|check| has_reason(&check)),
        "{part}: `{why}`, `{todo}` in\n{examined}"
    );
    Ok(())
}

pub(crate) fn doctor_and_errors_give_same_reason() -> Outcome {
    const TRACEPOINTS: &str = "not in /sys/kernel/tracing/events; did you mean";
    // Shared by all cases, so that the kernel's BTF is read once.
    let doctor = Doctor::new(None);
    for (part, reason) in [
        ("tracepoint", format!("{TRACEPOINTS} `sched_switch`?")),
        ("category", format!("{TRACEPOINTS} `sched/sched_switch`?")),
        ("raw_tracepoint", "not in the kernel's BTF; did you mean `sched_switch`?".to_owned()),
        ("raw_with_category", "not in the kernel's BTF; did you mean `sched_switch`?".to_owned()),
        ("typed_tracepoint", "not in the kernel's BTF; did you mean `sched_switch`?".to_owned()),
        ("function", "not in the kernel's BTF; did you mean `vfs_unlink`?".to_owned()),
        ("function_of_module", "the module eunomia_none is not loaded; this kernel has no such module".to_owned()),
        ("iterator", "not in the kernel's BTF; did you mean `task`?".to_owned()),
        ("probe_of_binary", "not a symbol of /proc/self/exe, which may be stripped; did you mean `eunomia_live_probed`?".to_owned()),
        ("device", "/dev/zero: it is a device, and is not opened; install the file, or name another".to_owned()),
        (
            "of_the_kernel",
            "/proc/self/status: it is generated by the kernel, like those of /proc and /sys, and is not opened; install".to_owned(),
        ),
        ("folder", "/dev: it is a directory; install".to_owned()),
        ("no_entries", "max_entries is 0, so the loader must set it; set the number of entries".to_owned()),
        ("no_inner", "this map of maps has no inner map definition; define its inner map before loading".to_owned()),
    ] {
        same_reason(&doctor, part, &reason)?;
    }
    // The setting of the machine may permit such stacks.
    let most = fs::read_to_string("/proc/sys/kernel/perf_event_max_stack")?;
    if most.trim().parse::<u32>()? < 1024 {
        let why = format!(
            "its stacks have 1024 addresses, but kernel.perf_event_max_stack is {}",
            most.trim()
        );
        same_reason(&doctor, "deep", &format!("{why}; `sysctl kernel.perf_event_max_stack=1024`"))?;
    }
    Ok(())
}

pub(crate) fn doctor_and_errors_give_same_reason_for_probes() -> Outcome {
    let doctor = Doctor::new(None);
    same_reason(&doctor, "probe", "not in /proc/kallsyms; did you mean `vfs_unlink`?")?;
    same_reason(&doctor, "call", "not in /proc/kallsyms; did you mean `unlinkat`?")?;
    same_reason(&doctor, "hook", "not in the kernel's BTF; did you mean `file_open`?")?;
    let symbols = fs::read_to_string("/proc/kallsyms")?;
    if symbols.contains(" finish_task_switch.isra.0\n") {
        same_reason(
            &doctor,
            "lengthened",
            "not in /proc/kallsyms; did you mean `finish_task_switch.isra.0`?",
        )?;
    }
    // Only the kernel knows these reasons: the doctor does not predict them, and the error names
    // them.
    let inside = ran(alone("lacking", "inside")?).unwrap_err();
    assert!(
        inside
            .contains("hint: kernel function vfs_unlink+0x1: no instruction begins at this offset"),
        "{inside}"
    );
    let forbidden = ran(alone("lacking", "forbidden")?).unwrap_err();
    assert!(
        ["forbids probes in it", "may forbid probes in it"]
            .iter()
            .any(|why| forbidden.contains(why)),
        "{forbidden}"
    );
    Ok(())
}

/// A program whose target the caller must name is no failure; the doctor reports it.
pub(crate) fn section_without_target_is_reported() -> Outcome {
    for (part, wants) in [
        ("interface", "an interface"),
        ("event", "a perf event"),
        ("any_call", "a function of a program or library"),
        ("half", "a function of a program or library"),
        ("group", "a cgroup"),
    ] {
        let open = alone("lacking", part)?;
        let examined = Doctor::new(None).examine_open(open, None, true);
        assert!(examined.ok(), "{part}: {examined}");
        let check = find(&examined, &format!("target of {part}"), "the section `");
        assert!(
            !check.ok && check.found.contains(&format!("does not name {wants}: ")),
            "{part}: {examined}"
        );
        let links = alone("lacking", part)?.load()?;
        let error = links.object().links().map(drop).unwrap_err();
        assert!(
            matches!(&error, Error::NoTarget { program, wants: said, .. } if program == part && *said == wants),
            "{part}: {error}"
        );
    }
    // A program of this type cannot be loaded without a target.
    let examined = Doctor::new(None).examine_open(alone("lacking", "no_function")?, None, true);
    assert_eq!(
        state(find(
            &examined,
            "target of no_function",
            "the section `fentry` does not name a kernel function, which the verifier requires"
        )),
        "FAIL"
    );
    let error = ran(alone("lacking", "no_function")?).unwrap_err();
    assert!(
        error.contains(
            "`fentry` does not name a kernel function, which the verifier requires: name the target"
        ),
        "{error}"
    );
    Ok(())
}

/// The doctor does not predict that a map is too large; it loads the object to find out.
pub(crate) fn trial_load_finds_kernel_refusals() -> Outcome {
    let examined = Doctor::new(None).examine_open(alone("lacking", "large")?, None, true);
    assert_eq!(state(find(&examined, "loading", "")), "FAIL", "{examined}");
    let error = ran(alone("lacking", "large")?).unwrap_err();
    assert!(error.contains("hint: map `large`: 1073741824 entries of 4 + 64 bytes are more than this kernel allocates"), "{error}");
    // The kernel also refuses the BTF, which must not be given as the reason.
    assert!(!error.contains("BTF LOAD LOG") && !error.contains("RLIMIT_MEMLOCK"), "{error}");
    // An object that the verifier refuses.
    let examined = examine(&skeleton("refused")?.check("refused")?);
    let check = find(&examined, "loading", "Permission denied (os error 13): ");
    assert!(state(check) == "FAIL" && check.found.contains("invalid mem access"), "{examined}");
    Ok(())
}

/// The doctor fails exactly if loading or attaching does.
pub(crate) fn doctor_predicts_load_and_attach() -> Outcome {
    apart(|| {
        let doctor = Doctor::new(None);
        let mut disagree = Vec::new();
        let mut hold = |what: String, examined: Preflight, ran: Result<(), String>| {
            if examined.ok() != ran.is_ok() {
                disagree.push(format!(
                    "{what}: the doctor predicts\n{examined}but running it gives {ran:?}"
                ));
            }
        };
        for name in FIXTURES {
            hold(
                name.to_owned(),
                doctor.examine_open(skeleton(name)?.open()?, None, true),
                ran(skeleton(name)?.open()?),
            );
            // Programs that are not loaded by default are tried alone. Of `every`, one in eight:
            // each costs the kernel a dozen probes.
            let step = if name == "every" { 8 } else { 1 };
            let off = ["doctor", "every", "lacking"].contains(&name);
            for program in skeleton(name)?
                .open()?
                .object()
                .programs()
                .into_iter()
                .step_by(step)
                .filter(|_| off)
            {
                // `inside` is refused for a reason that only the kernel knows. The LSM programs and
                // `hook` can be attached where they never run, which the doctor counts as a
                // failure.
                if program == "inside" || program.starts_with("lsm") || program == "hook" {
                    continue;
                }
                hold(
                    format!("{name}: {program}"),
                    doctor.examine_open(alone(name, &program)?, None, true),
                    ran(alone(name, &program)?),
                );
            }
        }
        assert!(disagree.is_empty(), "{}", disagree.join("\n"));
        Ok(())
    })
}

/// The same for programs and maps that no fixture has, each in its own object.
pub(crate) fn doctor_predicts_load_and_attach_of_sources() -> Outcome {
    let doctor = Doctor::new(None);
    let (mut disagree, mut ran_well) = (Vec::new(), Vec::new());
    for source in sources::read(include_str!("agreed.c")) {
        let open = || -> Result<_, Box<dyn std::error::Error + Send + Sync>> {
            let mut open =
                Skeleton::from_object(source.name, sources::compile(&source), source.name)?
                    .open()?;
            if !source.fault.is_empty() {
                open.object().set_target("it", source.fault.parse()?)?;
            }
            Ok(open)
        };
        let examined = doctor.examine_open(open()?, None, false);
        // Without a target the command attaches nothing and fails.
        let ran = open()?.load().and_then(|loaded| {
            loaded.object().links_each().into_iter().try_for_each(|(_, link)| link.map(drop))
        });
        if examined.ok() != ran.is_ok() {
            disagree.push(format!(
                "{}: the doctor predicts\n{examined}but running it gives {ran:?}",
                source.name
            ));
        }
        if let (Err(error), false) = (&ran, source.fault.is_empty()) {
            // The reasons must be the same too.
            let error = error.to_string();
            let has_reason = |check: &Check| {
                !check.ok
                    && check.required
                    && error.contains(check.found.split("; used by").next().unwrap_or_default())
            };
            assert!(examined.checks.iter().any(has_reason), "{}: {error}\n{examined}", source.name);
        }
        ran_well.extend(ran.is_ok().then_some(source.name));
    }
    assert!(disagree.is_empty(), "{}", disagree.join("\n"));
    assert_eq!(
        ran_well,
        ["cgroup_storage", "walk_over_these_sockets", "walk_over_a_table", "messages_of_sockets"]
    );
    Ok(())
}
