//! Stack traces and histograms of the kernel's own, as text.

use std::time::Duration;

use eunomia_runtime::{
    Skeleton,
    output::{Format, Printer},
};

use super::Outcome;

pub(crate) fn stacks_and_histograms() -> Outcome {
    let skel = Skeleton::from_file("bpf/profile.json")?.open()?.load()?;
    for program in ["profile", "measure"] {
        skel.object().program(program)?.test_run(None, None)?;
    }
    let mut printer = Printer::new(skel.checked(), Format::Text)?;
    let (mut out, mut maps) = (Vec::new(), Vec::new());
    for _ in 0..20 {
        skel.poll(Duration::from_millis(20), |event| {
            if !maps.contains(&event.map.to_owned()) {
                maps.push(event.map.to_owned());
                printer.write(&event, &mut out);
            }
        })?;
    }
    let text = String::from_utf8(out)?;
    assert_eq!(maps.len(), 3, "{text}");
    // The system call that ran the program, by its name, and this program below it.
    assert!(text.contains("sys_bpf+0x") && text.contains("Userspace:\n  0 [<"), "{text}");
    assert!(text.contains(&format!("(pid={}) @ CPU ", std::process::id())), "{text}");
    assert!(
        text.contains("total = 42\n     usecs               : count    distribution\n         0 -> 1          : 1        |**********"),
        "{text}"
    );
    assert!(text.contains("         2 -> 2          : 1        |********"), "{text}");
    Ok(())
}
