//! Errors of opening, loading and attaching: their reasons and their advice.

use std::sync::atomic::{AtomicUsize, Ordering};

use eunomia_runtime::{
    Error, Skeleton,
    bpf::{ReadWrite, Spec, XdpMode},
    cli::Exit,
};
use eunomia_tests::built::{arena, bootstrap, every, kinds, programs, refused, streams};
use libbpf_rs::{ObjectBuilder, PrintLevel, set_print};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::{
    Outcome,
    child::{run, tried},
    command,
    host::apart,
    opened,
};

pub(crate) fn error_holds_verifier_log() -> Outcome {
    let error = refused::open()?.load().unwrap_err();
    let Error::Kernel(refusal) = &error else { return Err(error.into()) };
    assert_eq!(refusal.tried, "load the BPF object `refused`");
    assert_eq!(refusal.source.raw_os_error(), Some(libc::EACCES));
    let log = refusal.verifier_log.as_deref().unwrap_or_default();
    // Before Linux 5.18 the verifier called a scalar `inv`.
    assert!(
        log.contains("R1 invalid mem access 'scalar'")
            || log.contains("R1 invalid mem access 'inv'"),
        "{log}"
    );
    assert!(
        refusal.messages.contains("prog 'wild': BPF program load failed"),
        "{}",
        refusal.messages
    );
    assert!(!refusal.messages.contains("invalid mem access"));
    assert!(
        error
            .to_string()
            .ends_with("hint: the verifier's log ends with the instruction that it refused"),
        "{error}"
    );

    // The verifier does not see a program that is not loaded.
    let mut open = refused::open()?;
    open.progs()?.wild.set_autoload(false);
    drop(open.load()?.attach()?);
    Ok(())
}

/// libbpf quotes names from objects, which may be any bytes. Such a name must not end the process
/// or reach a terminal unescaped.
pub(crate) fn invalid_names_are_escaped() -> Outcome {
    let mut skeleton = Skeleton::from_file("bpf/kinds.json")?;
    let object = skeleton.object.take().ok_or("no object in the package")?;
    let (name, spoilt) = (b"\0LINUX_KERNEL_VERSION\0", b"\0LI\x80\x1b[_KERNEL_VERSION\0");
    let mut messages = String::new();
    // The name is in the BTF and in the symbol table. Changing one of them makes the two disagree.
    for at in (0..object.len() - name.len()).filter(|&i| object[i..].starts_with(name)) {
        let mut object = object.clone();
        object[at..at + name.len()].copy_from_slice(spoilt);
        let spec = Spec {
            name: "kinds",
            object: &object,
            streams: &[],
            samples: &[],
            dropped: &[],
            perf_pages: 1,
        };
        let error = opened(&spec).unwrap_err();
        let Error::Kernel(refusal) = &error else { return Err(error.into()) };
        messages.push_str(&refusal.messages);
        // If the object is checked first, libbpf does not get it.
        let error = Skeleton::from_object("kinds", object, "kinds.bpf.o").unwrap_err().to_string();
        assert!(error.contains("invalid utf-8"), "{error}");
    }
    assert!(messages.contains("LI\u{fffd}\\u{1b}[_KERNEL_VERSION"), "{messages}");
    Ok(())
}

/// The print callback of libbpf is global: other code may set its own, even after ours, and may
/// restore ours.
pub(crate) fn print_callback_of_others_is_called() -> Outcome {
    static OTHERS: AtomicUsize = AtomicUsize::new(0);
    let open = |text: &[u8]| {
        opened(&Spec {
            name: "text",
            object: text,
            streams: &[],
            samples: &[],
            dropped: &[],
            perf_pages: 1,
        })
    };
    let messages_of = |error: Error| match error {
        Error::Kernel(refusal) => refusal.messages,
        _ => String::new(),
    };
    let ours = messages_of(open(b"no object").unwrap_err());
    assert!(ours.contains("text"), "{ours}");
    let before = set_print(Some((PrintLevel::Warn, |_, text| {
        OTHERS.fetch_add(text.matches("another").count(), Ordering::Relaxed);
    })));
    assert_eq!(messages_of(open(b"no object").unwrap_err()), ours);
    assert_eq!(OTHERS.load(Ordering::Relaxed), 0);
    assert!(ObjectBuilder::default().name("another")?.open_memory(b"no object").is_err());
    set_print(before);
    assert!(OTHERS.load(Ordering::Relaxed) > 0, "messages were not passed on");
    assert_eq!(messages_of(open(b"no object").unwrap_err()), ours);
    Ok(())
}

pub(crate) fn unknown_tracepoint_is_explained() -> Outcome {
    let mut skeleton = Skeleton::from_file("bpf/bootstrap.json")?;
    // Rename the section to a tracepoint that no kernel has.
    let object = skeleton.object.as_mut().unwrap();
    let section = b"tp/sched/sched_process_exec\0";
    let at: Vec<usize> =
        (0..object.len() - section.len()).filter(|&i| object[i..].starts_with(section)).collect();
    assert!(!at.is_empty());
    for at in at {
        object[at..at + section.len()].copy_from_slice(b"tp/sched/sched_process_none\0");
    }
    skeleton.programs.clear();
    let error = skeleton.open()?.load()?.attach().unwrap_err();
    let Error::Kernel(refusal) = &error else { return Err(error.into()) };
    assert_eq!(refusal.tried, "attach the program `handle_exec` (tp/sched/sched_process_none)");
    assert_eq!(refusal.source.raw_os_error(), Some(libc::ENOENT));
    assert!(
        refusal
            .hint
            .as_deref()
            .unwrap_or_default()
            .starts_with("tracepoint sched/sched_process_none: not in "),
        "{error}"
    );
    Ok(())
}

pub(crate) fn missing_tracepoint_arguments_are_explained() -> Outcome {
    // The programs read three arguments, and `sys_enter` has two.
    let skel = Skeleton::from_file("bpf/tagged.json")?.open()?.load()?;
    let error = skel.attach().unwrap_err();
    let Error::Kernel(refusal) = &error else { return Err(error.into()) };
    assert_eq!(refusal.source.raw_os_error(), Some(libc::EINVAL));
    assert_eq!(
        refusal.hint.as_deref(),
        Some(
            "raw tracepoint sys_enter: the program may read more arguments than the tracepoint has; \
             the type `btf_trace_sys_enter` in the kernel's BTF lists them"
        ),
        "{error}"
    );
    Ok(())
}

pub(crate) fn unknown_names_are_explained() -> Outcome {
    let mut open = bootstrap::open()?;
    let error = open.object().program("handle_fork").unwrap_err();
    assert_eq!(error.to_string(), "no program `handle_fork`; known: handle_exec, handle_exit");
    let skel = streams::open()?.load()?;
    let error = skel.object().map("rc").unwrap_err();
    assert_eq!(
        error.to_string(),
        "no map `rc`; known: notes, rb, events, .rodata.str1.1, streams.bss; did you mean `rb`?"
    );
    Ok(())
}

/// Each of these would access memory that does not exist or is read-only.
pub(crate) fn invalid_memory_access_is_refused() -> Outcome {
    let mut open = kinds::open()?;
    let error = open.object().set_max_entries("kinds.bss", 2).unwrap_err();
    assert_eq!(
        error.to_string(),
        "map `kinds.bss`: it is a section of the object, which has one entry"
    );
    let skel = open.load()?;
    let frozen = skel.object().section::<ReadWrite>(".rodata").unwrap_err();
    assert_eq!(
        frozen.to_string(),
        ".rodata: the kernel has frozen the section; set it before the object is loaded"
    );
    for name in ["kinds.rodata", "kinds.bss", "markers", "", "."] {
        let error = skel.object().section::<ReadWrite>(name).unwrap_err();
        assert!(error.to_string().starts_with(&format!("no section `{name}`; known: ")), "{error}");
    }
    let twice = Spec {
        name: "kinds",
        object: kinds::OBJECT,
        streams: &["rb", "rb"],
        samples: &[],
        dropped: &[],
        perf_pages: 1,
    };
    let error = opened(&twice).unwrap_err();
    assert_eq!(error.to_string(), "map `rb`: it is listed twice in the maps to read");
    Ok(())
}

pub(crate) fn arena_smaller_than_variables_is_refused() -> Outcome {
    let mut small = arena::open()?;
    let error = small.object().set_max_entries("memory", 0).unwrap_err();
    assert_eq!(
        error.to_string(),
        "map `memory`: the number of its pages is 0, but its variables need 1"
    );
    small.object().set_max_entries("memory", 1)?;
    assert_eq!(small.load()?.arena()?.counter.get()?, 5);
    Ok(())
}

pub(crate) fn unloaded_program_has_no_descriptor() -> Outcome {
    let mut open = kinds::open()?;
    open.progs()?.sum.set_autoload(false);
    let skel = open.load()?;
    let error = skel.progs()?.sum.test_run(None, None).unwrap_err();
    assert_eq!(error.to_string(), "program `sum`: it was not loaded, so it has no descriptor");
    Ok(())
}

pub(crate) fn descriptor_limit_is_explained() -> Outcome {
    let answers = run("descriptors")?;
    let text = &answers["a load"];
    assert!(text.contains("Too many open files (os error 24)"), "{text}");
    assert!(
        text.contains("hint: this process has reached its limit of open file descriptors (RLIMIT_NOFILE is 12, and may be raised to "),
        "{text}"
    );
    assert_eq!(answers["a load with more"], "ok");
    Ok(())
}

/// The part of a process that may open few files.
pub(crate) fn few_descriptors(_: &str) -> Outcome {
    let before = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: Some(12), ..before })?;
    let load = || bootstrap::open()?.load();
    // Further loads fail while these objects hold descriptors.
    let kept: Vec<_> = (0..12).map_while(|_| load().ok()).collect();
    tried("a load", load().map_err(Into::into));
    setrlimit(Resource::Nofile, before)?;
    drop(kept);
    tried("a load with more", load().map_err(Into::into));
    Ok(())
}

pub(crate) fn missing_driver_xdp_is_explained() -> Outcome {
    apart(|| {
        let skel = programs::open()?.load()?;
        let program = skel.progs()?.drop_none;
        let error = program.attach_to("lo", XdpMode::Native).unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains("the driver of lo does not run XDP programs")
                && text.contains("`XdpMode::Generic`"),
            "{text}"
        );
        let Error::Kernel(refusal) = &error else { return Err(error.into()) };
        let command =
            refusal.hint.as_ref().map(|hint| hint.for_command().to_owned()).unwrap_or_default();
        assert!(command.ends_with("`--attach drop_none=xdp:lo:generic`"), "{command}");
        // The advice helps.
        drop(program.attach_to("lo", XdpMode::Generic)?);
        Ok(())
    })
}

/// libbpf replaces an instruction whose relocation does not resolve with a call of helper 0xbad2310
/// (195896080), which the verifier rejects as unknown.
pub(crate) fn unresolved_relocations_are_explained() -> Outcome {
    const PACKAGE: &str = "bpf/poisoned.json";
    let subjects = [
        ("member", "struct net_device.eunomia_none"),
        ("constant", "enum bpf_func_id___eunomia::BPF_FUNC_eunomia_none"),
    ];
    for (program, subject) in subjects {
        let mut open = Skeleton::from_file(PACKAGE)?.open()?;
        for (other, _) in subjects {
            open.object().program(other)?.set_autoload(other == program);
        }
        let error = open.load().unwrap_err();
        let Error::Kernel(refusal) = &error else { return Err(error.into()) };
        let log = refusal.verifier_log.as_deref().unwrap_or_default();
        assert!(
            log.contains("failed to resolve CO-RE relocation") && !log.contains("195896080"),
            "{error}"
        );
        let test = "test for it first with bpf_core_field_exists, bpf_core_type_exists or bpf_core_enum_value_exists";
        let hint =
            format!("hint: this kernel does not have `{subject}`, which the program uses: {test}");
        assert!(error.to_string().ends_with(&hint), "{error}");
        let attach = format!("{program}=xdp:lo");
        let words = ["run", PACKAGE, "--only", program, "--attach", &attach, "-d", "1ms"];
        let (exit, err) = command::run(&words, &mut command::Out::default());
        assert!(exit == Exit::Kernel && err.trim_end().ends_with(&hint), "{err}");
    }
    Ok(())
}

pub(crate) fn misspelled_usdt_is_explained() -> Outcome {
    probe::probe!(eunomia_live, reached);
    let mut open = every::open()?;
    open.object().program("usdt")?.set_autoload(true);
    let skel = open.load()?;
    let attach = |provider, name| {
        skel.progs()?.usdt.attach_to("/proc/self/exe", provider, name, None, 0).map(drop)
    };
    let error = attach("eunomia_live", "reachd").unwrap_err().to_string();
    assert!(
        error
            .contains("not a static probe of /proc/self/exe; did you mean `eunomia_live:reached`?"),
        "{error}"
    );
    let error = skel
        .progs()?
        .usdt
        .attach_to("/bin/true", "eunomia_live", "reached", None, 0)
        .unwrap_err()
        .to_string();
    assert!(error.contains("/bin/true has no static probes"), "{error}");
    Ok(attach("eunomia_live", "reached")?)
}
