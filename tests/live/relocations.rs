//! CO-RE relocations as the doctor resolves them, compared with libbpf.

use std::{collections::BTreeMap, sync::Mutex};

use eunomia_runtime::{
    bpf::Check,
    doctor::{Doctor, examine},
};
use libbpf_rs::{ObjectBuilder, PrintLevel, set_print};

use super::{
    Outcome,
    doctor::{examined, find, skeleton, state},
};

/// libbpf looks up fields only in the BTF file that an object is opened with.
pub(crate) fn relocations_use_given_btf_file() -> Outcome {
    const KERNEL: &str = "/sys/kernel/btf/vmlinux";
    const FILE: &str = "BTF for CO-RE relocations";
    let checked = skeleton("bootstrap")?.check()?;
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
    assert!(skeleton("bootstrap")?.check()?.open(Some(&foreign))?.load().is_err());

    for (bytes, why) in [(&b""[..], ""), (b"no BTF", ""), (b"\x7fELF", "")] {
        std::fs::write(&foreign, bytes)?;
        let examined = Doctor::new(Some(&foreign)).examine(&checked);
        assert_eq!(state(find(&examined, FILE, &format!("{}: {why}", foreign.display()))), "FAIL");
        assert!(!examined.ok());
    }
    // An object without relocations does not need the file.
    assert!(
        Doctor::new(Some(&foreign))
            .examine(&skeleton("args")?.check()?)
            .checks
            .iter()
            .all(|check| check.what != FILE)
    );
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
        let is_question =
            |text: &str| ["_exists>", "_matches>"].iter().any(|kind| text.contains(kind));
        let missing = relocations
            .values()
            .filter(|(text, found)| !found && !is_question(text))
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
