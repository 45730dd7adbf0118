//! `eunomia run` and `doctor` with the programs of the fixture `choices`: which of them run, and what
//! fails.

use std::collections::BTreeSet;

use eunomia_runtime::cli::Exit;

use super::{
    Outcome,
    command::{Out, run, run_among_processes},
    host,
};

pub(crate) const CHOICES: &str = "bpf/choices.json";

/// Runs some of the programs of `choices` for a while; returns the numbers of those that sent
/// events, and standard error.
fn senders(
    words: &[&str],
) -> Result<(BTreeSet<u64>, String), Box<dyn std::error::Error + Send + Sync>> {
    let typed = [
        "run",
        CHOICES,
        "--map",
        "counts=10K",
        "--map",
        "stacks=64",
        "--event",
        "calls=call",
        "-f",
        "json",
        "-n",
        "200",
        "-d",
        "10s",
    ];
    let mut out = Out::default();
    let (exit, err) = run_among_processes(&[&typed, words].concat(), &mut out, |_| ());
    assert_eq!(exit, Exit::Done, "{words:?}: {err}");
    let mut from = BTreeSet::new();
    for line in out.text().lines() {
        from.insert(
            serde_json::from_str::<serde_json::Value>(line)?["from"]
                .as_u64()
                .ok_or("an event without `from`")?,
        );
    }
    Ok((from, err))
}

pub(crate) fn options_select_programs() -> Outcome {
    for (words, expected) in [
        (&["--without", "*_btf"][..], &[1][..]),
        (&["--without", "enter_raw"], &[2]),
        (&["--only", "enter_raw"], &[1]),
        (&["--only", "enter_plain"], &[3]),
        (&["--without", "*_raw", "--without", "*_btf", "--with", "enter_plain"], &[3]),
        (&["--only", "sample", "--attach", "sample=cpu-clock:99hz"], &[5]),
        (&["--only", "enter_raw", "--attach", "enter_raw=raw_tp:sys_exit"], &[1]),
        (&["--only", "stack", "--attach", "stack=cpu-clock:99hz"], &[6]),
        (&["--only", "stack", "--attach", "stack=cpu-clock:99hz", "--map", "stacks=64:80"], &[6]),
        (&["--only", "hook", "--type", "hook=raw_tp", "--attach", "hook=raw_tp:sys_enter"], &[7]),
    ] {
        let (from, err) = senders(words)?;
        assert_eq!(from, expected.iter().copied().collect(), "{words:?}: {err}");
    }
    // A map without a size cannot be created.
    for (words, map) in
        [(&["--map", "stacks=64"][..], "counts"), (&["--map", "counts=10"], "stacks")]
    {
        let (exit, err) =
            run(&[&["run", CHOICES, "-d", "1s"], words].concat(), &mut Out::default());
        assert_eq!(exit, Exit::Kernel, "{err}");
        assert!(err.contains(&format!("map '{map}'")), "{err}");
    }
    // Names that do not exist, and unsuitable targets.
    for (words, expected) in [
        (["--without", "enter_rw"], "no program `enter_rw`; known: "),
        (["--only", "none*"], "no program `none*`; known: "),
        (["--attach", "none=xdp:lo"], "no program `none`; known: "),
        (["--map", "count=5"], "did you mean `counts`?"),
        (
            ["--type", "hook=hook"],
            "type `hook` of the program `hook`: libbpf does not know this section",
        ),
        (
            ["--attach", "packet=kprobe:vfs_read"],
            "the program is of type xdp, but the target is for programs of type kprobe",
        ),
    ] {
        for command in ["run", "doctor"] {
            let (exit, err) = run(&[&[command, CHOICES][..], &words].concat(), &mut Out::default());
            assert_eq!(exit, Exit::Usage, "{err}");
            assert!(err.contains(expected), "{words:?}: {err}");
        }
    }
    Ok(())
}

pub(crate) fn attach_failure_leaves_other_programs_running() -> Outcome {
    let (from, err) = senders(&[])?;
    assert!(from.is_subset(&BTreeSet::from([1, 2])) && !from.is_empty(), "{from:?}");
    let said = |what: &str| err.lines().filter(|line| line.starts_with(what)).count();
    assert_eq!(said("attach the program `missing` (raw_tp/eunomia): "), 1, "{err}");
    let names = "its section names no target; name one, as `--attach";
    assert_eq!(
        said(&format!(
            "the program `sample` (perf_event) is not attached: {names} sample=cpu-clock:99hz`"
        )),
        1,
        "{err}"
    );
    assert_eq!(
        said(&format!("the program `packet` (xdp) is not attached: {names} packet=xdp:eth0`")),
        1,
        "{err}"
    );
    assert_eq!(said("choices: 2 of 5 programs attached, events of calls; Ctrl-C ends"), 1, "{err}");
    for words in
        [&["--strict"][..], &["--only", "missing"], &["--only", "packet", "--only", "sample"]]
    {
        let (exit, err) = run(
            &[&["run", CHOICES, "--map", "counts=10", "--map", "stacks=64", "-d", "1s"][..], words]
                .concat(),
            &mut Out::default(),
        );
        assert_eq!(exit, Exit::Kernel, "{words:?}: {err}");
        assert!(!err.contains("attached, events"), "{err}");
    }
    Ok(())
}

/// The doctor must predict whether `run` fails.
pub(crate) fn doctor_predicts_exit_of_run() -> Outcome {
    const NATIVE: &str = "packet=xdp:lo,native";
    const NONE: &str = "enter_plain=tp:raw_syscalls/none";
    // One case in three in a virtual machine, where each takes seconds.
    let step = if eunomia_vm::kernel().is_some() { 3 } else { 1 };
    for (words, fails) in [
        (&["--only", "enter_raw"][..], false),
        (&["--only", "missing"], true),
        (&["--only", "missing", "--only", "enter_raw"], false),
        (&["--only", "missing", "--only", "enter_raw", "--strict"], true),
        (&["--only", "missing", "--attach", "missing=raw_tp:sys_enter"], false),
        (&["--attach", NONE, "--only", "enter_plain"], true),
        (&["--only", "enter_plain", "--attach", "enter_plain=tp:raw_syscalls/sys_exit"], false),
        // One working target of a program suffices, unless all are required.
        (
            &[
                "--only",
                "enter_plain",
                "--attach",
                NONE,
                "--attach",
                "enter_plain=tp:raw_syscalls/sys_exit",
            ],
            false,
        ),
        (
            &[
                "--only",
                "enter_plain",
                "--attach",
                "enter_plain=tp:raw_syscalls/sys_exit",
                "--attach",
                NONE,
                "--strict",
            ],
            true,
        ),
        // Programs without a target do not fail the run, unless no other program is attached.
        (&["--only", "packet"], true),
        (&["--only", "packet", "--only", "sample"], true),
        (&["--only", "packet", "--only", "missing"], true),
        (&["--only", "packet", "--only", "enter_raw"], false),
        (&["--only", "packet", "--only", "enter_raw", "--strict"], true),
        // Targets that are named on the command line.
        (&["--only", "packet", "--attach", "packet=xdp:eunomia-none"], true),
        (
            &["--only", "packet", "--attach", "packet=xdp:eunomia-none", "--only", "enter_raw"],
            false,
        ),
        (&["--only", "look", "--attach", "look=tcx:eunomia-none/ingress"], true),
        (&["--only", "packet_socket", "--attach", "packet_socket=socket:eunomia-none"], true),
        (&["--only", "early", "--attach", "early=cgroup:/proc"], true),
        (&["--only", "early", "--attach", "early=cgroup:/eunomia/none"], true),
        (&["--only", "packet", "--attach", NATIVE], true),
        (&["--only", "sample", "--attach", "sample=cpu-clock:99hz"], false),
    ]
    .into_iter()
    .step_by(step)
    {
        let words = [&[CHOICES, "--map", "counts=10K", "--map", "stacks=64"][..], words].concat();
        let (ran, err) = run_among_processes(
            &[&["run"][..], &words, &["-d", "200ms"]].concat(),
            &mut Out::default(),
            |_| (),
        );
        let mut out = Out::default();
        let (examined, _) = run(&[&["doctor"][..], &words].concat(), &mut out);
        // Before Linux 6.3 only attaching shows what a driver supports.
        let predicted = fails && (!words.contains(&NATIVE) || host::release()?.1 >= (6, 3));
        assert_eq!(
            (ran != Exit::Done, examined != Exit::Done),
            (fails, predicted),
            "{words:?}: {err}{}",
            out.text()
        );
        assert_eq!(predicted, out.text().contains("FAIL "), "{words:?}: {}", out.text());
        let unknown = out.text().contains("does not report what the driver of lo supports");
        assert_eq!(fails != predicted, unknown, "{words:?}: {}", out.text());
    }
    // A map that the object does not have is a usage error, as a missing program is; so is a map
    // that the program's type cannot take.
    for (target, expected) in [
        ("map:none", "no map `none`; known: "),
        ("map:counts", "target of the program `tasks`: its section `iter/task`"),
    ] {
        let words = [
            CHOICES,
            "--map",
            "counts=10K",
            "--map",
            "stacks=64",
            "--attach",
            &format!("tasks={target}"),
        ];
        for command in ["run", "doctor"] {
            let (exit, err) = run(&[&[command][..], &words].concat(), &mut Out::default());
            assert!(
                exit == Exit::Usage && err.contains(expected),
                "{command} {target}: {exit:?} {err}"
            );
        }
    }
    // A hardware event, which not every machine counts.
    let words = [
        CHOICES,
        "--map",
        "counts=10K",
        "--map",
        "stacks=64",
        "--only",
        "sample",
        "--attach",
        "sample=cache-misses:10000",
    ];
    let (ran, err) = run(&[&["run"][..], &words, &["-d", "200ms"]].concat(), &mut Out::default());
    let mut out = Out::default();
    let (examined, _) = run(&[&["doctor"][..], &words].concat(), &mut out);
    assert_eq!(ran == Exit::Done, examined == Exit::Done, "{err}{}", out.text());
    let hint = "this machine does not count the event: ";
    assert!(
        ran == Exit::Done || (err.contains(hint) && out.text().contains(hint)),
        "{err}{}",
        out.text()
    );
    Ok(())
}
