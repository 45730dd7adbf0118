//! Test runs of programs without an event (`BPF_PROG_TEST_RUN`).

use std::{ffi::c_void, io, os::fd::AsRawFd as _, ptr, time::Duration};

use libbpf_rs::{ProgramType, libbpf_sys};

use super::Program;
use crate::{Error, Result, host::kernel_error};

/// The input of a test run: `TestInput::new().data(&packet).repeat(1000)`.
#[derive(Debug, Clone, Default)]
#[must_use = "pass it to `Program::test`"]
pub struct TestInput<'i> {
    context: Option<&'i [u8]>,
    data: Option<&'i [u8]>,
    room: Option<usize>,
    repeat: u32,
    cpu: Option<u32>,
    flags: u32,
    batch_size: u32,
}

/// The output of a test run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestOutput {
    /// The return value of the program's last run.
    pub return_value: u32,
    /// The mean time of one run. The kernel measures it for programs that take packets; otherwise
    /// it is 0.
    pub duration: Duration,
    /// The packet after the last run.
    pub data: Vec<u8>,
    /// The context after the last run. Empty if none was given, or if the kernel does not return
    /// it.
    pub context: Vec<u8>,
}

/// The result of a test run without its data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TestRun {
    /// The return value of the program.
    pub return_value: u32,
    /// The mean time of one run, if the kernel measures it.
    pub duration: Duration,
}

impl<'i> TestInput<'i> {
    /// Creates an input without context and packet, for a single run.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the context, to which the program's first argument points, for example `struct xdp_md`
    /// or `struct __sk_buff`. For `raw_tp` it holds the arguments, for `syscall` a struct that the
    /// program defines.
    pub fn context(self, context: &'i [u8]) -> Self {
        Self { context: Some(context), ..self }
    }

    /// Sets the packet, for programs that take one. The kernel requires a whole Ethernet header, 14
    /// bytes.
    pub fn data(self, data: &'i [u8]) -> Self {
        Self { data: Some(data), ..self }
    }

    /// Sets the number of bytes that the packet may have after the run. The default is 512 more
    /// than it has before.
    pub fn room(self, bytes: usize) -> Self {
        Self { room: Some(bytes), ..self }
    }

    /// Sets the number of runs. Each run gets what the last one left, and the duration is the mean.
    /// Only for programs that take packets.
    pub fn repeat(self, times: u32) -> Self {
        Self { repeat: times, ..self }
    }

    /// Sets the CPU to run on, for raw tracepoints (`BPF_F_TEST_RUN_ON_CPU`).
    pub fn cpu(self, cpu: u32) -> Self {
        Self { cpu: Some(cpu), ..self }
    }

    /// Sets flags of `uapi/linux/bpf.h`. For example, with `BPF_F_TEST_XDP_LIVE_FRAMES` (2) packets
    /// go where the program sends them, and none is returned.
    pub fn flags(self, flags: u32) -> Self {
        Self { flags, ..self }
    }

    /// Sets the number of live frames that run at once (Linux 5.18 and later).
    pub fn batch_size(self, frames: u32) -> Self {
        Self { batch_size: frames, ..self }
    }
}

/// Number of bytes by which a packet may grow, by default.
const GROWTH: usize = 512;

/// An upper bound for contexts that the kernel returns; `struct __sk_buff`, the largest, has 192
/// bytes.
const CONTEXT: usize = 512;

impl<K> Program<'_, K> {
    /// Runs the program with `BPF_PROG_TEST_RUN`, on a packet, context or raw tracepoint that the
    /// caller makes up. Linux 5.10 supports programs that take packets, raw tracepoints and
    /// `fentry`; later kernels support more (`syscall` since 5.14).
    ///
    /// # Errors
    /// - [`Error::Room`], with the size of the packet, if the packet has more than
    ///   [`TestInput::room`] bytes after the run. The program did run.
    /// - [`Error::Kernel`] with EINVAL or ENOTSUPP (524) if programs of this type do not take such
    ///   input.
    /// - [`Error::NotLoaded`] if the program was not loaded.
    /// - [`Error::Value`] if the input is too large.
    /// - [`Error::Misuse`] for a struct_ops program, whose context holds addresses.
    pub fn test(&self, input: &TestInput<'_>) -> Result<TestOutput> {
        let live = input.flags & libbpf_sys::BPF_F_TEST_XDP_LIVE_FRAMES != 0;
        // Programs of these types change the context in place, or return none.
        let in_place = matches!(
            self.prog_type(),
            ProgramType::Syscall
                | ProgramType::RawTracepoint
                | ProgramType::RawTracepointWritable
                | ProgramType::Tracing
        );
        let grown =
            input.data.filter(|_| !live).map_or(0, |data| data.len().saturating_add(GROWTH));
        let room = input.room.unwrap_or(grown);
        // Refuse a size that does not fit the system call before memory of that size is allocated.
        self.size_of(room, "output buffer")?;
        let mut data = vec![0; room];
        let mut context_in = input.context.map(<[u8]>::to_vec);
        let mut context = vec![
            0;
            context_in
                .as_ref()
                .filter(|_| !live && !in_place)
                .map_or(0, |context| context.len().max(CONTEXT))
        ];
        let ran = self.run(input, context_in.as_deref_mut(), &mut data, &mut context)?;
        data.truncate(ran.data_size_out as usize);
        // A size that is still that of the room is none that the kernel has written.
        let written = Some(ran.ctx_size_out as usize).filter(|size| *size < context.len());
        context.truncate(written.unwrap_or(0));
        if in_place {
            context = context_in.unwrap_or_default();
        }
        let TestRun { return_value, duration } = TestRun::of(&ran);
        Ok(TestOutput { return_value, duration, data, context })
    }

    /// Runs the program once with `BPF_PROG_TEST_RUN`. The program's first argument points to
    /// `context`, which afterwards holds what a `syscall` program made of it; `data` is a packet,
    /// for programs that take one. See [`Self::test`] for more on both.
    ///
    /// # Errors
    /// [`Error::Kernel`] with EINVAL or ENOTSUPP (524) if programs of this type cannot be run this
    /// way. [`Error::NotLoaded`] if the program was not loaded, [`Error::Value`] if the input is
    /// too large, [`Error::Misuse`] for a struct_ops program.
    pub fn test_run(&self, context: Option<&mut [u8]>, data: Option<&[u8]>) -> Result<TestRun> {
        let input = TestInput { data, ..TestInput::default() };
        Ok(TestRun::of(&self.run(&input, context, &mut [], &mut [])?))
    }

    /// Returns a size as the system call takes it.
    fn size_of(&self, len: usize, what: &str) -> Result<u32> {
        u32::try_from(len).map_err(|_| Error::Value {
            name: format!("run the {}", self.describe()),
            why: format!("{what} of {len} bytes is too large"),
        })
    }

    fn run(
        &self,
        input: &TestInput<'_>,
        context: Option<&mut [u8]>,
        data_out: &mut [u8],
        context_out: &mut [u8],
    ) -> Result<libbpf_sys::bpf_test_run_opts> {
        let tried = || format!("run the {}", self.describe());
        if self.prog_type() == ProgramType::StructOps {
            // The kernel reads and writes what they point to (`bpf_dummy_struct_ops.c`), wherever
            // that is.
            let why = "programs of struct_ops are run with addresses of this process, which safe code cannot vouch for";
            return Err(Error::Misuse { name: tried(), why: why.to_owned() });
        }
        let size = |len: usize, what: &str| self.size_of(len, what);
        let mut options = libbpf_sys::bpf_test_run_opts {
            sz: size_of::<libbpf_sys::bpf_test_run_opts>() as libbpf_sys::size_t,
            data_in: input.data.map_or(ptr::null(), |data| data.as_ptr().cast()),
            data_size_in: size(input.data.map_or(0, <[u8]>::len), "packet")?,
            data_out: room(data_out),
            data_size_out: size(data_out.len(), "output buffer")?,
            ctx_size_in: size(context.as_ref().map_or(0, |context| context.len()), "context")?,
            ctx_in: context.map_or(ptr::null(), |context| context.as_mut_ptr().cast_const().cast()),
            ctx_out: room(context_out),
            ctx_size_out: size(context_out.len(), "output buffer")?,
            repeat: input.repeat.cast_signed(),
            flags: input.flags
                | if input.cpu.is_some() { libbpf_sys::BPF_F_TEST_RUN_ON_CPU } else { 0 },
            cpu: input.cpu.unwrap_or(0),
            batch_size: input.batch_size,
            ..Default::default()
        };
        // SAFETY: the kernel reads the packet, reads and writes the context, and writes at most as
        // many bytes to the output buffers as their sizes say. All buffers have the sizes in the
        // options and live through the call. An empty output buffer, which would mean one without a
        // limit to the kernel, is null.
        match unsafe {
            libbpf_sys::bpf_prog_test_run_opts(self.fd()?.as_raw_fd(), &raw mut options)
        } {
            0 => Ok(options),
            error if error == -libc::ENOSPC && options.data_size_out as usize > data_out.len() => {
                Err(Error::Room {
                    name: format!("{}: the packet after the run", self.describe()),
                    needed: options.data_size_out as usize,
                    room: data_out.len(),
                })
            }
            error => {
                let short =
                    error == -libc::EINVAL && input.data.is_some_and(|data| data.len() < ETHERNET);
                let error = kernel_error(tried(), io::Error::from_raw_os_error(-error));
                let hint = "the packet is shorter than an Ethernet header, 14 bytes";
                Err(error.with_hint(|| short.then(|| hint.to_owned())))
            }
        }
    }
}

/// Length of an Ethernet header.
const ETHERNET: usize = 14;

/// Returns the address for the kernel's output, or null for an empty buffer: the kernel takes a
/// size of 0 as no limit (`bpf_test_finish`).
fn room(bytes: &mut [u8]) -> *mut c_void {
    if bytes.is_empty() { ptr::null_mut() } else { bytes.as_mut_ptr().cast() }
}

impl TestRun {
    fn of(ran: &libbpf_sys::bpf_test_run_opts) -> Self {
        Self { return_value: ran.retval, duration: Duration::from_nanos(ran.duration.into()) }
    }
}
