//! Test runs that give back what the program changed.

use eunomia_runtime::bpf::TestInput;
use eunomia_tests::built::packets;

use super::{Outcome, errno};

/// A frame from one address to another.
fn frame() -> [u8; 64] {
    let mut frame = [0x55; 64];
    frame[..12].copy_from_slice(&[1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2]);
    frame
}

pub(crate) fn a_packet_comes_back_as_the_program_left_it() -> Outcome {
    let skel = packets::open()?.load()?;
    let mirror = skel.progs()?.mirror;
    let (sent, mut out) = (frame(), [0xff; 128]);
    let run = mirror.test_run_with(TestInput { data: Some(&sent), data_out: Some(&mut out), ..TestInput::default() })?;
    assert_eq!((run.return_value, run.data.len(), run.context.len()), (3, 68, 0));
    assert_eq!(run.data[..12], [2, 2, 2, 2, 2, 2, 1, 1, 1, 1, 1, 1]);
    assert_eq!((&run.data[12..64], &run.data[64..]), (&sent[12..], &[0; 4][..]));
    assert_eq!(out[68..], [0xff; 60]);
    Ok(())
}

pub(crate) fn a_buffer_that_is_too_small_is_refused_with_the_size() -> Outcome {
    let skel = packets::open()?.load()?;
    let (sent, mut out) = (frame(), [0xff; 66]);
    let input = TestInput { data: Some(&sent), data_out: Some(&mut out[..65]), ..TestInput::default() };
    let error = skel.progs()?.mirror.test_run_with(input).unwrap_err();
    assert_eq!(errno(&error), Some(libc::ENOSPC), "{error}");
    assert!(error.to_string().contains("the packet has 68 bytes after the run, and `data_out` has 65"), "{error}");
    assert_eq!(out[65], 0xff);
    Ok(())
}

/// The kernel takes a length of 0 for a buffer without an end.
pub(crate) fn an_empty_buffer_is_not_written_to() -> Outcome {
    let skel = packets::open()?.load()?;
    let (sent, mut out) = (frame(), [0xff; 128]);
    let (none, rest) = out.split_at_mut(0);
    let input = TestInput { data: Some(&sent), data_out: Some(none), ..TestInput::default() };
    let run = skel.progs()?.mirror.test_run_with(input)?;
    assert_eq!((run.return_value, run.data), (3, &[][..]));
    assert_eq!(rest, [0xff; 128]);
    Ok(())
}

pub(crate) fn a_context_goes_in_and_comes_back() -> Outcome {
    /// `mark` in `struct __sk_buff`, which has 192 bytes.
    const MARK: std::ops::Range<usize> = 8..12;

    let skel = packets::open()?.load()?;
    let sent = frame();
    let (mut context, mut context_out) = ([0; 192], [0; 192]);
    context[MARK].copy_from_slice(&41u32.to_ne_bytes());
    let input = TestInput {
        context: Some(&mut context),
        context_out: Some(&mut context_out),
        data: Some(&sent),
        repeat: 3,
        ..TestInput::default()
    };
    let run = skel.progs()?.mark.test_run_with(input)?;
    assert_eq!((run.return_value, run.context.len()), (64, 192));
    assert_eq!(run.context[MARK], 44u32.to_ne_bytes());
    Ok(())
}

pub(crate) fn a_syscall_program_answers_in_its_context() -> Outcome {
    let skel = packets::open()?.load()?;
    let mut request = [20u32, 22, 0, 0].map(u32::to_ne_bytes).concat();
    let run = skel.progs()?.add.test_run(Some(&mut request), None)?;
    assert_eq!((run.return_value, &request[8..]), (1, &42u64.to_ne_bytes()[..]));
    Ok(())
}

pub(crate) fn a_cpu_can_be_chosen() -> Outcome {
    let skel = packets::open()?.load()?;
    let program = skel.progs()?.on_cpu;
    for cpu in [0, 1] {
        let run = program.test_run_with(TestInput { cpu: Some(cpu), ..TestInput::default() })?;
        assert_eq!(run.return_value, cpu);
    }
    let error = program.test_run_with(TestInput { repeat: 2, ..TestInput::default() }).unwrap_err();
    assert_eq!(errno(&error), Some(libc::EINVAL), "{error}");
    Ok(())
}
