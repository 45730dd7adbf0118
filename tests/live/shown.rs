//! Stack traces, histograms and kernel pointers as text.

use std::{fs, time::Duration};

use eunomia_runtime::{
    Skeleton,
    output::{Format, Printer},
    sample::Plain as _,
    symbols::Symbols,
};
use eunomia_tests::{built::kinds::types::Kinds, fixture};

use super::Outcome;

pub(crate) fn stacks_and_histograms_are_printed() -> Outcome {
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
    // The name of the system call that ran the program, and the stack of this program after it.
    assert!(text.contains("sys_bpf+0x") && text.contains("Userspace:\n  0 [<"), "{text}");
    assert!(text.contains(&format!("(pid={}) @ CPU ", std::process::id())), "{text}");
    assert!(
        text.contains("total = 42\n     usecs               : count    distribution\n         0 -> 1          : 1        |**********"),
        "{text}"
    );
    assert!(text.contains("         2 -> 2          : 1        |********"), "{text}");
    Ok(())
}

pub(crate) fn kernel_pointers_are_named() -> Outcome {
    let kallsyms = fs::read_to_string("/proc/kallsyms")?;
    let line = kallsyms
        .lines()
        .find(|line| line.ends_with(" T schedule"))
        .ok_or("no symbol `schedule` in /proc/kallsyms")?;
    let address = u64::from_str_radix(line.split(' ').next().unwrap_or_default(), 16)?;
    let event = Kinds { pointer: (address + 1).into(), ..Kinds::default() };
    let checked = Skeleton::parse(&fixture("kinds"), "kinds")?.check()?;
    let symbols = Symbols::new();
    let mut named = Vec::new();
    checked.deliver(0, event.bytes(), |event| {
        named = event
            .value
            .fields()
            .filter_map(|(name, value)| {
                let frame = symbols.symbolize_kernel(&[value.as_pointer()?]).pop();
                Some((name.to_owned(), frame?))
            })
            .collect();
    });
    let names: Vec<_> = named.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["pointer", "self", "function"]);
    let symbol = named[0].1.symbols.first().ok_or("the pointer has no symbol")?;
    assert_eq!((symbol.name.as_str(), symbol.offset), ("schedule", Some(1)));
    assert!(named[1].1.symbols.is_empty(), "a null pointer has no symbol");
    Ok(())
}
