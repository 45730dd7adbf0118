//! `BPF_PROG_TEST_RUN` with a packet and a context, which the run returns.

use std::time::Duration;

use eunomia_runtime::{
    Error,
    bpf::{ProgramType, TestInput},
};

use eunomia_tests::built::congestion;

use super::{Outcome, errno, given::open, host};

pub(crate) fn test_run_returns_packet_and_context() -> Outcome {
    let skel = open()?.load()?;
    let progs = skel.progs()?;
    let packet: Vec<u8> = (0..64).collect();
    let ran = progs.rewrite.test(&TestInput::new().data(&packet))?;
    assert_eq!(
        (ran.return_value, ran.data.len(), ran.data[0], &ran.data[1..]),
        (3, 64, 1, &packet[1..]),
        "XDP_TX"
    );
    // Each repetition gets the packet that the last one left.
    let ran = progs.rewrite.test(&TestInput::new().data(&packet).repeat(10))?;
    assert_eq!((ran.data[0], ran.context.len()), (10, 0));
    assert!(ran.duration > Duration::ZERO || ran.data[0] == 10);
    let short = progs.rewrite.test(&TestInput::new().data(&packet).room(16)).unwrap_err();
    assert!(matches!(short, Error::Room { needed: 64, room: 16, .. }), "{short}");
    let endless = progs.rewrite.test(&TestInput::new().data(&packet).room(usize::MAX)).unwrap_err();
    assert!(matches!(endless, Error::Value { .. }), "{endless}");
    let expected =
        "program `rewrite`: the packet after the run: needs 64 bytes, but the buffer has 16";
    assert_eq!(short.to_string(), expected);
    assert!(
        progs.rewrite.test(&TestInput::new().data(&packet).room(0))?.data.is_empty(),
        "no packet is requested"
    );
    skel.bss()?.grow.set(-20)?;
    assert_eq!(progs.rewrite.test(&TestInput::new().data(&packet))?.data.len(), 44);
    match progs.rewrite.test(&TestInput::new().data(&[0; 13])) {
        Err(tiny) => {
            assert_eq!(errno(&tiny), Some(libc::EINVAL));
            assert!(
                tiny.to_string()
                    .contains("hint: the packet is shorter than an Ethernet header, 14 bytes"),
                "{tiny}"
            );
        }
        // Linux 5.10 accepts it.
        Ok(ran) => assert!(host::release().is_ok_and(|(_, version)| version < (6, 1)), "{ran:?}"),
    }

    // The mark is at offset 8 of `struct __sk_buff`, which has 184 bytes in 5.10 and grows. All
    // bytes that the kernel has are returned.
    let mut context = [0; 184];
    context[8] = 41;
    let ran = progs.mark.test(&TestInput::new().data(&packet).context(&context))?;
    assert_eq!(
        (ran.return_value, ran.context.len() >= 184, ran.context[8], ran.data),
        (64, true, 42, packet.clone())
    );
    assert_eq!(context[8], 41, "the input is unchanged");
    let ran = progs.mark.test(&TestInput::new().data(&packet).context(&context[..16]))?;
    assert_eq!((ran.context.len() >= 184, ran.context[8]), (true, 42));

    // Raw tracepoints return neither a packet nor a context.
    let ran = progs.fill.test(&TestInput::new().context(&[0; 16]).cpu(0))?;
    assert_eq!((ran.return_value, ran.data.len(), ran.context), (0, 0, vec![0; 16]));
    let refused = progs.fill.test(&TestInput::new().data(&packet)).unwrap_err();
    assert_eq!(errno(&refused), Some(libc::EINVAL), "{refused}");
    let absent = progs.hook.test(&TestInput::new()).unwrap_err();
    assert_eq!(absent.to_string(), "program `hook`: it was not loaded, so it has no descriptor");
    Ok(())
}

/// Live frames take the path that the program chooses.
pub(crate) fn live_frames_run() -> Outcome {
    let mut open = open()?;
    open.progs()?.hook.set_type(ProgramType::Xdp)?;
    open.progs()?.hook.set_autoload(true);
    let skel = open.load()?;
    // The program returns XDP_DROP, so the frames go nowhere. The flag is
    // BPF_F_TEST_XDP_LIVE_FRAMES.
    let input = TestInput::new().data(&[0; 64]).flags(2).repeat(100).batch_size(16);
    let ran = skel.progs()?.hook.test(&input)?;
    assert!(ran.data.is_empty());
    Ok(())
}

/// The kernel takes the context of a struct_ops program for addresses and would write there.
pub(crate) fn struct_ops_programs_are_not_test_run() -> Outcome {
    let skel = congestion::open()?.load()?;
    let (program, mut context) = (skel.object().program("ssthresh")?, [0; 8]);
    assert!(matches!(program.test(&TestInput::new().context(&context)), Err(Error::Misuse { .. })));
    assert!(matches!(program.test_run(Some(&mut context), None), Err(Error::Misuse { .. })));
    Ok(())
}
