//! Programs on hooks of netfilter.

use eunomia_runtime::{Error, bpf::NetfilterHook};
use eunomia_tests::built::hooks;

use super::{
    Outcome,
    hooks::{pair, runs},
    host::apart,
};

fn load() -> Result<hooks::Loaded, Error> {
    let mut open = hooks::open()?;
    open.progs().filter()?.set_autoload(true);
    open.load()
}

pub(crate) fn a_hook_of_netfilter() -> Outcome {
    apart(|| {
        let skel = load()?;
        let program = skel.progs()?.filter;
        let hook = NetfilterHook { family: libc::NFPROTO_IPV4, hook: libc::NF_INET_LOCAL_OUT, priority: 7, defragmented: false };
        let link = program.attach_to(hook)?;
        let (from, to) = pair()?;
        from.send(b"seen")?;
        to.recv(&mut [0; 8])?;
        assert_eq!(runs(&skel)?, 1);
        drop(link);
        from.send(b"not seen")?;
        assert_eq!(runs(&skel)?, 0);
        let wrong = program.attach_to(NetfilterHook { priority: i32::MIN, ..hook }).unwrap_err();
        assert!(
            wrong.to_string().starts_with("attach the program `filter` to the IPv4 hook 3 of netfilter with the priority -2147483648"),
            "{wrong}"
        );
        Ok(())
    })
}
