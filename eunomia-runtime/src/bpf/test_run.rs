//! Runs of a program with `BPF_PROG_TEST_RUN`.

use std::{io, os::fd::AsRawFd as _, time::Duration};

use libbpf_rs::libbpf_sys;

use super::Program;
use crate::{Error, Result, refusal::refusal};

/// The input of a test run, and the buffers for its output. [`TestInput::default`] is one run without data.
///
/// Which of them a program takes depends on its type: `data` is a packet for programs on packets (XDP and tc want at least 14 bytes), and
/// `context` is what the first argument of the program points to. The kernel refuses the others with EINVAL.
#[derive(Debug, Default)]
pub struct TestInput<'a> {
    /// The context, in the layout that the program type has in user space (`struct xdp_md`, `struct __sk_buff`, the arguments of a raw
    /// tracepoint). A `syscall` program writes to it in place.
    pub context: Option<&'a mut [u8]>,
    /// A buffer for the context after the run. XDP and tc programs have one.
    pub context_out: Option<&'a mut [u8]>,
    /// The packet.
    pub data: Option<&'a [u8]>,
    /// A buffer for the packet after the run, which may have grown.
    pub data_out: Option<&'a mut [u8]>,
    /// How often the program runs; 0 is once. The kernel refuses it for types that run once only.
    pub repeat: u32,
    /// The CPU to run on (raw tracepoints, Linux 5.10 and newer). It implies `BPF_F_TEST_RUN_ON_CPU`.
    pub cpu: Option<u32>,
    /// Further flags: `BPF_F_TEST_XDP_LIVE_FRAMES` (2), `BPF_F_TEST_SKB_CHECKSUM_COMPLETE` (4).
    pub flags: u32,
    /// How many live frames are processed together (Linux 5.18 and newer); 0 is the kernel's default.
    pub batch_size: u32,
}

/// The result of a test run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TestRun<'a> {
    /// What the program returned.
    pub return_value: u32,
    /// Mean time of one run, where the kernel measures it.
    pub duration: Duration,
    /// The packet after the run: the part of [`TestInput::data_out`] that the kernel wrote.
    pub data: &'a [u8],
    /// The context after the run: the part of [`TestInput::context_out`] that the kernel wrote.
    pub context: &'a [u8],
}

impl<K> Program<'_, K> {
    /// Runs the program once with `BPF_PROG_TEST_RUN`: `context` is what its first argument points to, `data` a packet for programs
    /// that take one. [`Self::test_run_with`] says more, and gives the packet back.
    ///
    /// # Errors
    /// Those of [`Self::test_run_with`].
    pub fn test_run(&self, context: Option<&mut [u8]>, data: Option<&[u8]>) -> Result<TestRun<'static>> {
        let TestRun { return_value, duration, .. } = self.test_run_with(TestInput { context, data, ..TestInput::default() })?;
        Ok(TestRun { return_value, duration, data: &[], context: &[] })
    }

    /// Runs the program with `BPF_PROG_TEST_RUN`.
    ///
    /// # Errors
    /// [`Error::Kernel`]: EINVAL or ENOTSUPP (524) if programs of its type cannot be run this way, or not with this input; ENOSPC if an
    /// output buffer is too small, with the size that is needed. [`Error::Value`] if the program was not loaded, or a buffer has more than
    /// 4 GiB.
    pub fn test_run_with<'a>(&self, input: TestInput<'a>) -> Result<TestRun<'a>> {
        let program = self.fd()?;
        let TestInput { mut context, context_out, data, data_out, repeat, cpu, flags, batch_size } = input;
        // The kernel takes a length of 0 for a buffer that is large enough for anything (`bpf_test_finish`).
        let mut data_out = data_out.filter(|buffer| !buffer.is_empty());
        let mut context_out = context_out.filter(|buffer| !buffer.is_empty());
        let room = size(data_out.as_deref())?;
        let mut options = libbpf_sys::bpf_test_run_opts {
            sz: size_of::<libbpf_sys::bpf_test_run_opts>() as libbpf_sys::size_t,
            ctx_size_in: size(context.as_deref())?,
            ctx_size_out: size(context_out.as_deref())?,
            data_size_in: size(data)?,
            data_size_out: room,
            repeat: repeat.cast_signed(),
            cpu: cpu.unwrap_or_default(),
            flags: flags | if cpu.is_some() { libbpf_sys::BPF_F_TEST_RUN_ON_CPU } else { 0 },
            batch_size,
            ..Default::default()
        };
        if let Some(context) = &mut context {
            // The kernel writes to it for programs of the type `syscall`.
            options.ctx_in = context.as_mut_ptr().cast();
        }
        if let Some(data) = data {
            options.data_in = data.as_ptr().cast();
        }
        if let Some(buffer) = &mut context_out {
            options.ctx_out = buffer.as_mut_ptr().cast();
        }
        if let Some(buffer) = &mut data_out {
            options.data_out = buffer.as_mut_ptr().cast();
        }
        // SAFETY: each pointer is null, or is that of a slice which lives through the call; beside it is the slice's length, which is not 0
        // for those that the kernel writes to. `context`, which it may write to, is borrowed mutably.
        let error = unsafe { libbpf_sys::bpf_prog_test_run_opts(program.as_raw_fd(), &raw mut options) };
        if error != 0 {
            let refused = refusal(format!("run the {}", self.describe()), io::Error::from_raw_os_error(-error));
            let full = error == -libc::ENOSPC;
            return Err(if full { too_small(refused, (options.data_size_out, room), options.ctx_size_out) } else { refused });
        }
        Ok(TestRun {
            return_value: options.retval,
            duration: Duration::from_nanos(options.duration.into()),
            data: written(data_out, options.data_size_out),
            context: written(context_out, options.ctx_size_out),
        })
    }
}

fn size(buffer: Option<&[u8]>) -> Result<u32> {
    let len = buffer.map_or(0, <[u8]>::len);
    u32::try_from(len).map_err(|_| Error::Value {
        name: "input of a test run".to_owned(),
        why: format!("a buffer has {len} bytes, and the kernel takes 4294967295 at most"),
    })
}

/// The part of a buffer that the kernel wrote.
fn written(buffer: Option<&mut [u8]>, size: u32) -> &[u8] {
    let buffer: &[u8] = buffer.unwrap_or_default();
    buffer.get(..size as usize).unwrap_or(buffer)
}

/// With the size of what had no room, which the kernel says also in this case.
fn too_small(refused: Error, (packet, packet_room): (u32, u32), context: u32) -> Error {
    refused.with_hint(|| {
        Some(if packet > packet_room {
            format!("the packet has {packet} bytes after the run, and `data_out` has {packet_room}")
        } else {
            format!("the context has {context} bytes after the run, and `context_out` has less")
        })
    })
}
