//! Programs on netfilter hooks.

use eunomia_runtime::{
    Error,
    bpf::{NetfilterHook, TestInput},
    cli::Exit,
};
use eunomia_tests::built::hooks;

use super::{
    Outcome,
    command::{Out, run},
    errno,
    hooks::runs,
    host::apart,
    sockets::pair,
};

fn load() -> Result<hooks::Loaded, Error> {
    let mut open = hooks::open()?;
    open.progs()?.filter.set_autoload(true);
    open.load()
}

pub(crate) fn netfilter_program_sees_packets() -> Outcome {
    apart(|| {
        let skel = load()?;
        let program = skel.progs()?.filter;
        let hook = NetfilterHook {
            family: libc::NFPROTO_IPV4,
            hook: libc::NF_INET_LOCAL_OUT,
            priority: 7,
            defragmented: false,
        };
        let link = program.attach_to(hook)?;
        let (from, to) = pair()?;
        from.send(b"seen")?;
        to.recv(&mut [0; 8])?;
        assert_eq!(runs(&skel)?, 1);
        drop(link);
        from.send(b"not seen")?;
        assert_eq!(runs(&skel)?, 0);
        // The kernel accepts a context for an IPv4 hook and does not return it.
        let (mut context, mut packet) = ([0; 48], [0; 64]);
        (context[1], packet[12], packet[14]) = (libc::NFPROTO_IPV4 as u8, 8, 0x45);
        assert!(
            program.test(&TestInput::new().context(&context).data(&packet))?.context.is_empty()
        );
        let wrong = program.attach_to(NetfilterHook { priority: i32::MIN, ..hook }).unwrap_err();
        assert!(
            wrong.to_string().starts_with(
                "attach the program `filter` to the IPv4 netfilter hook 3 with priority -2147483648"
            ),
            "{wrong}"
        );
        Ok(())
    })
}

/// A hook takes one program for each priority. The error names the program that is attached.
pub(crate) fn taken_priority_is_explained() -> Outcome {
    let hook = NetfilterHook {
        family: libc::NFPROTO_IPV4,
        hook: libc::NF_INET_LOCAL_OUT,
        priority: 7,
        defragmented: false,
    };
    apart(move || {
        let (there, skel) = (load()?, load()?);
        let program = skel.progs()?.filter;
        let link = there.progs()?.filter.attach_to(hook)?;
        let named = format!(
            "the program {} (`filter`, link {})",
            there.progs()?.filter.id()?,
            link.info()?.id
        );
        let refused = program.attach_to(hook).unwrap_err();
        assert_eq!(errno(&refused), Some(libc::EBUSY), "{refused}");
        let hint = format!("hint: {named} already has this priority; choose another priority");
        assert!(refused.to_string().ends_with(&hint), "{refused}");

        let attach = |priority: &str| {
            let target = format!("filter=netfilter:ipv4/local_out,priority={priority}");
            run(
                &["run", "bpf/hooks.json", "--only", "filter", "--attach", &target, "-d", "1ms"],
                &mut Out::default(),
            )
        };
        let (exit, err) = attach("7");
        assert!(exit == Exit::Kernel && err.contains(&hint), "{err}");
        assert_eq!(attach("8").0, Exit::Done, "the advice helps");

        // The same priority is free on other hooks.
        drop(program.attach_to(NetfilterHook { hook: libc::NF_INET_LOCAL_IN, ..hook })?);
        drop(program.attach_to(NetfilterHook { family: libc::NFPROTO_IPV6, ..hook })?);

        // In another network namespace the priority is free. The kernel does not tell which
        // namespace a link belongs to.
        apart(|| {
            let (there, skel) = (load()?, load()?);
            let elsewhere = there.progs()?.filter.attach_to(hook)?;
            let other = format!(
                "the program {} (`filter`, link {})",
                there.progs()?.filter.id()?,
                elsewhere.info()?.id
            );
            let refused = skel.progs()?.filter.attach_to(hook).unwrap_err();
            let hint = format!(
                "hint: {named} or {other} already has this priority; choose another priority"
            );
            assert!(refused.to_string().ends_with(&hint), "{refused}");
            Ok(())
        })?;
        drop(link);
        drop(program.attach_to(hook)?);
        Ok(())
    })
}
