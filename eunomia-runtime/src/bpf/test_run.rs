//! Runs of programs without an event (`BPF_PROG_TEST_RUN`).

use std::{ffi::c_void, io, os::fd::AsRawFd as _, ptr, time::Duration};

use libbpf_rs::{ProgramType, libbpf_sys};

use super::Program;
use crate::{Error, Result, refusal::refusal};

/// What a program is run with: `TestInput::new().data(&packet).repeat(1000)`.
#[derive(Debug, Clone, Default)]
#[must_use = "it is given to `Program::test`"]
pub struct TestInput<'i> {
    context: Option<&'i [u8]>,
    data: Option<&'i [u8]>,
    room: Option<usize>,
    repeat: u32,
    cpu: Option<u32>,
    flags: u32,
    batch_size: u32,
}

/// What a run of a program gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestOutput {
    /// What the program returned, in its last run.
    pub return_value: u32,
    /// Mean time of one run, if the kernel measures it: that is for programs that take packets.
    pub duration: Duration,
    /// The packet as the last run left it.
    pub data: Vec<u8>,
    /// The context as the last run left it. Empty if none was given, or the kernel does not give it back.
    pub context: Vec<u8>,
}

/// The result of a test run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TestRun {
    /// What the program returned.
    pub return_value: u32,
    /// Mean time of one run, where the kernel measures it.
    pub duration: Duration,
}

impl<'i> TestInput<'i> {
    /// Neither context nor packet, run once.
    pub fn new() -> Self {
        Self::default()
    }

    /// What the program's first argument points to, for example `struct xdp_md` or `struct __sk_buff`; for `raw_tp` its arguments, for
    /// `syscall` a struct of its own.
    pub fn context(self, context: &'i [u8]) -> Self {
        Self { context: Some(context), ..self }
    }

    /// The packet, for programs that take one; the kernel asks for a whole Ethernet header, 14 bytes.
    pub fn data(self, data: &'i [u8]) -> Self {
        Self { data: Some(data), ..self }
    }

    /// How many bytes the packet may have after the run. Without it, 512 more than it has before.
    pub fn room(self, bytes: usize) -> Self {
        Self { room: Some(bytes), ..self }
    }

    /// How often the program is run, each time with what the last run left; the duration is the mean. Packets only.
    pub fn repeat(self, times: u32) -> Self {
        Self { repeat: times, ..self }
    }

    /// The CPU to run on, for raw tracepoints (`BPF_F_TEST_RUN_ON_CPU`).
    pub fn cpu(self, cpu: u32) -> Self {
        Self { cpu: Some(cpu), ..self }
    }

    /// Flags of `uapi/linux/bpf.h`, for example `BPF_F_TEST_XDP_LIVE_FRAMES` (2), with which packets go where the program sends them
    /// and none comes back.
    pub fn flags(self, flags: u32) -> Self {
        Self { flags, ..self }
    }

    /// How many live frames are run at once (kernel 5.18 and later).
    pub fn batch_size(self, frames: u32) -> Self {
        Self { batch_size: frames, ..self }
    }
}

/// Bytes that a packet may grow by unless the caller says otherwise.
const GROWTH: usize = 512;

/// More than any context has that the kernel gives back; `struct __sk_buff`, the largest, has 192 bytes.
const CONTEXT: usize = 512;

impl<K> Program<'_, K> {
    /// Runs the program with `BPF_PROG_TEST_RUN`, on packets, contexts and raw tracepoints that never were. Kernel 5.10 has it for programs
    /// that take packets, raw tracepoints and `fentry`, later ones for more (`syscall` since 5.14).
    ///
    /// # Errors
    /// [`Error::Room`] with the bytes that the packet needs if it has more than [`TestInput::room`] after the run, which has been.
    /// [`Error::Kernel`], EINVAL or ENOTSUPP (524) if programs of its type take no such input. [`Error::Value`] for programs of struct_ops,
    /// whose context holds addresses. Those of [`Self::fd`].
    pub fn test(&self, input: &TestInput<'_>) -> Result<TestOutput> {
        let live = input.flags & libbpf_sys::BPF_F_TEST_XDP_LIVE_FRAMES != 0;
        // The others change what they were given, or nothing.
        let in_place = matches!(
            self.prog_type(),
            ProgramType::Syscall | ProgramType::RawTracepoint | ProgramType::RawTracepointWritable | ProgramType::Tracing
        );
        let grown = input.data.filter(|_| !live).map_or(0, |data| data.len().saturating_add(GROWTH));
        let room = input.room.unwrap_or(grown);
        // What the kernel cannot be told is not allocated either.
        self.size_of(room, "room")?;
        let mut data = vec![0; room];
        let mut given = input.context.map(<[u8]>::to_vec);
        let mut context = vec![0; given.as_ref().filter(|_| !live && !in_place).map_or(0, |given| given.len().max(CONTEXT))];
        let ran = self.run(input, given.as_deref_mut(), &mut data, &mut context)?;
        data.truncate(ran.data_size_out as usize);
        // A size that is still that of the room is none that the kernel has written.
        let written = Some(ran.ctx_size_out as usize).filter(|size| *size < context.len());
        context.truncate(written.unwrap_or(0));
        if in_place {
            context = given.unwrap_or_default();
        }
        let TestRun { return_value, duration } = TestRun::of(&ran);
        Ok(TestOutput { return_value, duration, data, context })
    }

    /// Runs the program once with `BPF_PROG_TEST_RUN`: `context` is what its first argument points to, and holds what a `syscall` program
    /// made of it afterwards; `data` is a packet for programs that take one. [`Self::test`] says more of both.
    ///
    /// # Errors
    /// [`Error::Kernel`]; EINVAL or ENOTSUPP (524) where programs of its type cannot be run this way. Those of [`Self::fd`].
    pub fn test_run(&self, context: Option<&mut [u8]>, data: Option<&[u8]>) -> Result<TestRun> {
        let input = TestInput { data, ..TestInput::default() };
        Ok(TestRun::of(&self.run(&input, context, &mut [], &mut [])?))
    }

    fn size_of(&self, len: usize, what: &str) -> Result<u32> {
        u32::try_from(len)
            .map_err(|_| Error::Value { name: format!("run the {}", self.describe()), why: format!("{len} bytes of {what} are too many") })
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
            // The kernel reads and writes what they point to (`bpf_dummy_struct_ops.c`), wherever that is.
            let why = "programs of struct_ops are run with addresses of this process, which safe code cannot vouch for";
            return Err(Error::Value { name: tried(), why: why.to_owned() });
        }
        let size = |len: usize, what: &str| self.size_of(len, what);
        let mut options = libbpf_sys::bpf_test_run_opts {
            sz: size_of::<libbpf_sys::bpf_test_run_opts>() as libbpf_sys::size_t,
            data_in: input.data.map_or(ptr::null(), |data| data.as_ptr().cast()),
            data_size_in: size(input.data.map_or(0, <[u8]>::len), "packet")?,
            data_out: room(data_out),
            data_size_out: size(data_out.len(), "room")?,
            ctx_size_in: size(context.as_ref().map_or(0, |context| context.len()), "context")?,
            ctx_in: context.map_or(ptr::null(), |context| context.as_mut_ptr().cast_const().cast()),
            ctx_out: room(context_out),
            ctx_size_out: size(context_out.len(), "room")?,
            repeat: input.repeat.cast_signed(),
            flags: input.flags | if input.cpu.is_some() { libbpf_sys::BPF_F_TEST_RUN_ON_CPU } else { 0 },
            cpu: input.cpu.unwrap_or(0),
            batch_size: input.batch_size,
            ..Default::default()
        };
        // SAFETY: the kernel reads the packet, reads and writes the context, and writes so many bytes of room at most; all are of the sizes
        // that the options say and live through the call. Room of no bytes, to which it knows no limit, is null.
        match unsafe { libbpf_sys::bpf_prog_test_run_opts(self.fd()?.as_raw_fd(), &raw mut options) } {
            0 => Ok(options),
            error if error == -libc::ENOSPC && options.data_size_out as usize > data_out.len() => Err(Error::Room {
                name: format!("{}: the packet after its run", self.describe()),
                needed: options.data_size_out as usize,
                room: data_out.len(),
            }),
            error => {
                let short = error == -libc::EINVAL && input.data.is_some_and(|data| data.len() < ETHERNET);
                let error = refusal(tried(), io::Error::from_raw_os_error(-error));
                let hint = "the packet is shorter than the header of Ethernet, 14 bytes";
                Err(error.with_hint(|| short.then(|| hint.to_owned())))
            }
        }
    }
}

/// Bytes of a header of Ethernet.
const ETHERNET: usize = 14;

/// Where the kernel is to write: nowhere if there is no room, since it takes a size of 0 for none that was said (`bpf_test_finish`).
fn room(bytes: &mut [u8]) -> *mut c_void {
    if bytes.is_empty() { ptr::null_mut() } else { bytes.as_mut_ptr().cast() }
}

impl TestRun {
    fn of(ran: &libbpf_sys::bpf_test_run_opts) -> Self {
        Self { return_value: ran.retval, duration: Duration::from_nanos(ran.duration.into()) }
    }
}
