//! What the doctor says of objects, beside what libbpf and the kernel say when they load them.

use std::{collections::BTreeMap, sync::Mutex};

use eunomia_runtime::{
    Skeleton,
    bpf::{Check, Preflight},
    doctor::{Doctor, examine},
};
use libbpf_rs::{ObjectBuilder, PrintLevel, set_print};

use super::Outcome;

fn skeleton(name: &str) -> eunomia_runtime::Result<Skeleton> {
    Skeleton::from_file(format!("bpf/{name}.json"))
}

fn examined(name: &str) -> Result<Preflight, Box<dyn std::error::Error>> {
    Ok(examine(&skeleton(name)?.check(name)?))
}

/// The check whose two texts begin so.
fn find<'a>(examined: &'a Preflight, what: &str, found: &str) -> &'a Check {
    let mut checks = examined.checks.iter().filter(|check| check.what == what && check.found.starts_with(found));
    let first = checks.next().unwrap_or_else(|| panic!("no check `{what}: {found}..` in\n{examined}"));
    assert!(checks.next().is_none(), "two checks `{what}: {found}..` in\n{examined}");
    first
}

/// `ok`, `warn` or `FAIL`.
fn state(check: &Check) -> &'static str {
    match (check.ok, check.required) {
        (true, _) => "ok",
        (false, true) => "FAIL",
        (false, false) => "warn",
    }
}

pub(crate) fn an_object_that_runs() -> Outcome {
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

/// libbpf looks fields up in the file that an object is opened with, and nowhere else.
pub(crate) fn a_file_of_btf() -> Outcome {
    const KERNEL: &str = "/sys/kernel/btf/vmlinux";
    const FILE: &str = "BTF for CO-RE relocations";
    let checked = skeleton("bootstrap")?.check("bootstrap")?;
    let examined = Doctor::new(Some(KERNEL.as_ref())).examine(&checked);
    assert!(examined.ok() && examined.checks.iter().all(|check| check.ok && check.what != "kernel BTF"), "{examined}");
    find(&examined, FILE, &format!("{KERNEL}; for "));
    let with_kernel = examine(&checked);
    assert_eq!(find(&examined, "CO-RE relocations", "").found, find(&with_kernel, "CO-RE relocations", "").found);

    // An ELF file with BTF, which knows of no kernel.
    let folder = tempfile::tempdir()?;
    let foreign = folder.path().join("foreign.o");
    std::fs::write(&foreign, skeleton("args")?.object.unwrap_or_default())?;
    let examined = Doctor::new(Some(&foreign)).examine(&checked);
    find(&examined, FILE, &foreign.display().to_string());
    assert_eq!(state(find(&examined, "CO-RE relocation", "there is no `struct task_struct`")), "warn");
    assert!(skeleton("bootstrap")?.check("bootstrap")?.open(Some(&foreign))?.load().is_err());

    for (bytes, why) in [(&b""[..], ""), (b"no BTF", ""), (b"\x7fELF", "")] {
        std::fs::write(&foreign, bytes)?;
        let examined = Doctor::new(Some(&foreign)).examine(&checked);
        assert_eq!(state(find(&examined, FILE, &format!("{}: {why}", foreign.display()))), "FAIL");
        assert!(!examined.ok());
    }
    // An object without relocations needs none.
    assert!(Doctor::new(Some(&foreign)).examine(&skeleton("args")?.check("args")?).checks.iter().all(|check| check.what != FILE));
    Ok(())
}

pub(crate) fn what_no_kernel_has() -> Outcome {
    let examined = examined("doctor")?;
    const RELOCATION: &str = "CO-RE relocation";
    for (expected, what, found) in [
        ("ok", "program type raw_tracepoint", "guarded, unguarded, wrong_helper"),
        ("ok", "raw tracepoint sys_enter", "guarded"),
        ("ok", "CO-RE relocations", "1 of 9 resolve"),
        ("ok", "CO-RE questions", "programs ask, and are told that this kernel does not have `BPF_FUNC_eunomia_none of enum bpf_func_id`"),
        ("warn", RELOCATION, "`struct task_struct` has no member `eunomia_none` in this kernel; used by unguarded"),
        ("warn", RELOCATION, "`struct task_struct` has no member `eunomia_guarded` in this kernel; used by guarded"),
        (
            "warn",
            RELOCATION,
            "`comm[4000]` of `struct task_struct` is behind the end of the array, which has 16 items in this kernel; used by",
        ),
        ("warn", RELOCATION, "`enum bpf_func_id` has no constant `BPF_FUNC_eunomia_none` in this kernel; used by guarded"),
        ("warn", RELOCATION, "there is no `struct eunomia_none` in this kernel; used by guarded"),
        ("warn", "bpf_redirect", "this kernel has none for raw_tracepoint programs; called by wrong_helper"),
        ("warn", "kfunc bpf_eunomia_none", "not in this kernel; used by guarded"),
        ("warn", "kernel symbol eunomia_none_address", "not in this kernel; used by guarded"),
        ("FAIL", "tracepoint sched/eunomia_none", "not in /sys/kernel/"),
        // Switched off in the object.
        ("warn", "raw tracepoint eunomia_none", "not in the kernel's BTF; used by on_raw_tracepoint"),
        ("warn", "kernel function eunomia_none", "not in the kernel's BTF; used by on_function"),
        ("warn", "kernel function eunomia_none", "not in /proc/kallsyms; used by on_probe"),
        ("warn", "function eunomia_none of /proc/self/exe", "no symbol of /proc/self/exe"),
        ("warn", "function main of /eunomia/none", "/eunomia/none: No such file"),
    ] {
        let check = find(&examined, what, found);
        assert_eq!(state(check), expected, "{what}: {found} in\n{examined}");
        assert_eq!(check.ok, check.todo.is_empty(), "{what}: {found} in\n{examined}");
    }
    assert!(!examined.ok());

    // The kernel says the same: the object loads, and only its tracepoint cannot be attached.
    let error = skeleton("doctor")?.open()?.load()?.attach().unwrap_err();
    assert!(error.to_string().starts_with("attach the program `on_tracepoint` (tp/sched/eunomia_none)"), "{error}");
    for program in ["unguarded", "wrong_helper"] {
        let mut open = skeleton("doctor")?.open()?;
        open.object().program(program)?.set_autoload(true);
        let error = open.load().unwrap_err();
        assert!(error.to_string().contains(&format!("prog '{program}': ")), "{error}");
    }
    Ok(())
}

/// What libbpf said, down to what it says for its own developers.
static SAID: Mutex<String> = Mutex::new(String::new());

/// By program and number: what was asked, and whether it was found.
type Relocated = BTreeMap<(String, String), (String, bool)>;

/// The relocations that libbpf looked at in all programs of an object.
fn relocated(name: &str) -> Result<Relocated, Box<dyn std::error::Error>> {
    let object = skeleton(name)?.object.unwrap_or_default();
    SAID.lock().unwrap().clear();
    let before = set_print(Some((PrintLevel::Debug, |_, text| SAID.lock().unwrap().push_str(&text))));
    let mut open = ObjectBuilder::default().name(name)?.open_memory(&object)?;
    open.progs_mut().for_each(|mut program| program.set_autoload(true));
    // Not all of them load; relocations come first.
    drop(open.load());
    set_print(before);
    let mut relocations = Relocated::new();
    for line in SAID.lock().unwrap().lines() {
        let Some((program, rest)) = line.strip_prefix("libbpf: prog '").and_then(|line| line.split_once("': relo #")) else { continue };
        let Some((number, text)) = rest.split_once(": ") else { continue };
        let key = (program.to_owned(), number.to_owned());
        if text.starts_with('<') {
            relocations.insert(key, (text.to_owned(), true));
        } else if text == "no matching targets found" {
            relocations.get_mut(&key).ok_or("libbpf says first what it looks for")?.1 = false;
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
        let says = examined.checks.iter().find(|check| check.what == "CO-RE relocations").map(|check| check.found.as_str());
        let expected = (found > 0).then(|| format!("{found} of {} resolve", relocations.len()));
        assert_eq!(says, expected.as_deref(), "{name}:\n{examined}\n{relocations:#?}");

        // `<byte_off> [7] struct task_struct___eunomia.comm[4000] (0:1:4000 @ offset 4004)`
        let is_question = |text: &str| ["_exists>", "_matches>"].iter().any(|kind| text.contains(kind));
        let missing = relocations.values().filter(|(text, found)| !found && !is_question(text)).map(|(text, _)| {
            let text = text.split_once("] ").map_or("", |(_, text)| text);
            let text = text.split(" (").next().unwrap_or_default().replace("___eunomia", "");
            // Enums: `enum bpf_func_id::BPF_FUNC_eunomia_none = 100000`
            let text = text.split(" = ").next().unwrap_or_default().replace("::", ".");
            let (ty, member) = text.split_once('.').unwrap_or((&text, ""));
            (ty.to_owned(), member.to_owned())
        });
        let missing: std::collections::BTreeSet<_> = missing.collect();
        let checks: Vec<_> = examined.checks.iter().filter(|check| check.what == "CO-RE relocation").collect();
        assert_eq!(checks.len(), missing.len(), "{name}:\n{examined}\n{missing:#?}");
        for (ty, member) in &missing {
            let named = |check: &&Check| check.found.contains(&format!("`{ty}`")) && check.found.contains(&**member);
            assert!(checks.iter().any(named), "{name}: {ty} {member} in\n{examined}");
        }
        all += missing.len();
    }
    assert_eq!(all, 5, "those of the fixture `doctor`");
    Ok(())
}
