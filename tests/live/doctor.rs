//! The doctor's findings, compared with what libbpf and the kernel report on loading.

use eunomia_runtime::{
    Skeleton,
    bpf::{Check, Preflight},
    doctor::examine,
};

use super::Outcome;

pub(crate) fn skeleton(name: &str) -> eunomia_runtime::Result<Skeleton> {
    Skeleton::from_file(format!("bpf/{name}.json"))
}

pub(crate) fn examined(name: &str) -> Result<Preflight, Box<dyn std::error::Error>> {
    Ok(examine(&skeleton(name)?.check()?))
}

/// Returns the one check named `what` whose finding begins with `found`.
pub(crate) fn find<'a>(examined: &'a Preflight, what: &str, found: &str) -> &'a Check {
    let mut checks =
        examined.checks.iter().filter(|check| check.what == what && check.found.starts_with(found));
    let first =
        checks.next().unwrap_or_else(|| panic!("no check `{what}: {found}..` in\n{examined}"));
    assert!(checks.next().is_none(), "two checks `{what}: {found}..` in\n{examined}");
    first
}

/// Returns `ok`, `warn` or `FAIL`.
pub(crate) fn state(check: &Check) -> &'static str {
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
