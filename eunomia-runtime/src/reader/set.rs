use std::{
    fmt, hint,
    marker::PhantomData,
    mem::MaybeUninit,
    ops::ControlFlow,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    time::{Duration, Instant},
};

use rustix::{
    event::epoll::{self, CreateFlags, EventFlags},
    io::Errno,
};

use super::{
    Control, Outcome, Records, Waiting,
    control::timespec,
    reader::{MAX_WAIT, nap},
    waiting::Burst,
    watch::{Told, tried},
};
use crate::{Result, sample::Cause};

/// Several objects that are polled together: one wait, one control handle, and a callback for each with events of its own types.
///
/// An object is added by reference, so that its statistics, maps and variables stay in reach, or as a whole.
///
/// ```no_run
/// use std::time::Duration;
/// use eunomia_runtime::{Skeleton, reader::Set};
///
/// # fn main() -> eunomia_runtime::Result<()> {
/// let files = Skeleton::from_file("files.json")?.open()?.load()?.attach()?;
/// let sockets = Skeleton::from_file("sockets.json")?.open()?.load()?.attach()?;
/// let mut set = Set::new()?;
/// set.add(&files, |event| println!("file {}", event.value))?;
/// set.add(&sockets, |event| println!("socket {}", event.value))?;
/// let control = set.control();
/// while !control.is_stopped() {
///     set.poll(Duration::from_millis(100))?;
/// }
/// drop(set);
/// println!("{:?} {:?}", files.stats(), sockets.stats());
/// # Ok(())
/// # }
/// ```
pub struct Set<'a> {
    epoll: OwnedFd,
    control: Control,
    members: Vec<Member<'a>>,
    waiting: Waiting,
    burst: Burst,
}

struct Member<'a> {
    polled: Box<dyn Polled + 'a>,
    /// Its own polling has ended, and it is not waited for.
    ended: bool,
}

/// An object with its callback.
trait Polled {
    /// Delivers what is there, and does not wait. It takes notice of `control`, that of the set.
    fn poll(&mut self, control: &Control) -> Result<u64>;

    /// As [`Records::drain`].
    fn drain(&mut self) -> Result<u64>;

    /// Its own.
    fn control(&self) -> Control;

    fn descriptor(&self) -> BorrowedFd<'_>;
}

struct With<S, F, R> {
    records: S,
    deliver: F,
    outcome: PhantomData<fn() -> R>,
}

impl<S: Records, R: Outcome, F: FnMut(S::Event<'_>) -> R> Polled for With<S, F, R> {
    fn poll(&mut self, control: &Control) -> Result<u64> {
        self.records.poll(Duration::ZERO, |event| -> Result<ControlFlow<()>, Cause> {
            let stops = (self.deliver)(event).stops()?;
            Ok(if stops || !control.delivers() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })
    }

    fn drain(&mut self) -> Result<u64> {
        self.records.drain(&mut self.deliver)
    }

    fn control(&self) -> Control {
        self.records.control()
    }

    fn descriptor(&self) -> BorrowedFd<'_> {
        self.records.descriptor()
    }
}

/// The shortest and the longest sleep after a wait that has ended at once, for nothing: on a record that a program has reserved and not
/// committed for example.
const MIN_SLEEP: Duration = Duration::from_micros(10);
const MAX_SLEEP: Duration = Duration::from_millis(1);

impl<'a> Set<'a> {
    /// A set of no objects.
    ///
    /// # Errors
    /// [`Error::Kernel`](crate::Error::Kernel) if the process has no descriptors left.
    pub fn new() -> Result<Self> {
        let epoll = epoll::create(CreateFlags::CLOEXEC).map_err(tried)?;
        let control = Control::new()?;
        epoll::add(&epoll, &control, Told::Control.to_data(), EventFlags::IN).map_err(tried)?;
        Ok(Self { epoll, control, members: Vec::new(), waiting: Waiting::default(), burst: Burst::default() })
    }

    /// Adds a loaded or attached object, whose events `deliver` gets. It returns what a callback of `poll` may return;
    /// [`ControlFlow::Break`] ends the poll for this object, the others are read all the same.
    ///
    /// # Errors
    /// [`Error::Kernel`](crate::Error::Kernel) if epoll refuses.
    pub fn add<S, R, F>(&mut self, records: S, deliver: F) -> Result<&mut Self>
    where
        S: Records + 'a,
        R: Outcome + 'a,
        F: FnMut(S::Event<'_>) -> R + 'a,
    {
        let fd = records.descriptor();
        epoll::add(&self.epoll, fd, Told::Map(self.members.len(), 0).to_data(), EventFlags::IN).map_err(tried)?;
        self.members.push(Member { polled: Box::new(With { records, deliver, outcome: PhantomData }), ended: false });
        Ok(self)
    }

    /// A handle that pauses, resumes and ends polling of the whole set, as [`Control`] says. When the set has ended, so have its objects.
    /// The handle of one object ends that one alone, and the set ends with the last of them.
    pub fn control(&self) -> Control {
        self.control.clone()
    }

    /// How polls wait from now on; what was set for the objects themselves has no meaning here.
    pub fn set_waiting(&mut self, waiting: Waiting) {
        self.waiting = waiting;
    }

    /// Delivers the records that are there in all objects, or waits for the first ones until `timeout` has passed; returns how many came.
    ///
    /// # Errors
    /// As [`Reader::poll`](super::Reader::poll), the first one, after all objects were read.
    pub fn poll(&mut self, timeout: Duration) -> Result<u64> {
        let deadline = Instant::now().checked_add(timeout);
        let left = || deadline.map_or(MAX_WAIT, |deadline| deadline.saturating_duration_since(Instant::now()));
        // How long to sleep where the wait has ended at once, for nothing.
        let mut sleep: Option<Duration> = None;
        while !self.control.is_stopped() {
            if self.control.is_paused() {
                let left = left();
                if left.is_zero() {
                    self.wait(Duration::ZERO)?;
                    break;
                }
                self.control.wait(left.min(MAX_WAIT))?;
                continue;
            }
            nap(self.burst.pause(self.waiting).min(left()));
            let delivered = self.read()?;
            if delivered > 0 {
                self.burst.feed(self.waiting);
                return Ok(delivered);
            }
            let left = left();
            if left.is_zero() {
                self.wait(Duration::ZERO)?;
                break;
            }
            if self.waiting == Waiting::Busy {
                hint::spin_loop();
            } else if let Some(window) = self.burst.goes_on(self.waiting) {
                nap(window.min(left));
            } else {
                nap(sleep.unwrap_or_default().min(left));
                let start = Instant::now();
                self.wait(left)?;
                let at_once = start.elapsed() < MAX_SLEEP;
                sleep = at_once.then(|| (sleep.unwrap_or(MIN_SLEEP) * 2).min(MAX_SLEEP));
            }
        }
        self.end();
        Ok(0)
    }

    /// Delivers the records that are there in all objects, also after polling has ended; returns how many came. See
    /// [`Reader::drain`](super::Reader::drain).
    ///
    /// # Errors
    /// As [`Self::poll`].
    pub fn drain(&mut self) -> Result<u64> {
        sum(self.members.iter_mut().map(|member| member.polled.drain()))
    }

    /// Reads every object once.
    fn read(&mut self) -> Result<u64> {
        let (epoll, control) = (&self.epoll, &self.control);
        let delivered = sum(self.members.iter_mut().filter(|member| !member.ended).map(|member| {
            let own = member.polled.control();
            if control.is_ending() {
                own.stop();
            }
            let delivered = member.polled.poll(control);
            if own.is_stopped() {
                member.ended = true;
                // A stop stays readable. Fails only for a descriptor that is not there, which is what is wanted.
                let _ = epoll::delete(epoll, member.polled.descriptor());
            }
            delivered
        }));
        if self.members.iter().all(|member| member.ended) {
            self.control.stop_now();
        }
        delivered
    }

    /// Lets the objects know that polling has ended.
    fn end(&self) {
        if self.control.is_stopped() {
            self.members.iter().for_each(|member| member.polled.control().stop_now());
        }
    }

    fn wait(&self, left: Duration) -> Result<()> {
        let mut events = [const { MaybeUninit::uninit() }; 16];
        match epoll::wait(&self.epoll, &mut events, Some(&timespec(left.min(MAX_WAIT)))) {
            Ok((events, _)) => {
                if events.iter().any(|event| Told::of_data(event.data) == Told::Control) {
                    self.control.acknowledge();
                }
                Ok(())
            }
            // A signal: the caller looks at the time that is left and waits again.
            Err(Errno::INTR) => Ok(()),
            Err(errno) => Err(tried(errno)),
        }
    }
}

/// The sum of all, or the first error: after the last one, as each of them is a read.
fn sum(counts: impl Iterator<Item = Result<u64>>) -> Result<u64> {
    let mut sum = Ok(0);
    for count in counts {
        sum = match (sum, count) {
            (Ok(sum), Ok(count)) => Ok(sum + count),
            (Err(error), _) | (Ok(_), Err(error)) => Err(error),
        };
    }
    sum
}

/// Readable when a record may be there: for an event loop of one's own, which then polls with a timeout of zero.
impl AsFd for Set<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.as_fd()
    }
}

impl fmt::Debug for Set<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { control, members, waiting, .. } = self;
        f.debug_struct("Set").field("control", control).field("members", &members.len()).field("waiting", waiting).finish_non_exhaustive()
    }
}
