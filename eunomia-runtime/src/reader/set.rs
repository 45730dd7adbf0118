//! Several objects that are polled together.

use std::{
    fmt, hint,
    marker::PhantomData,
    ops::ControlFlow,
    os::fd::{AsFd, BorrowedFd},
    time::{Duration, Instant},
};

use super::{
    Control, Outcome, Records, Waiting,
    waiting::{Burst, Deadline, nap},
    watch::{EpollSet, Token},
};
use crate::{Result, sample::Cause};

/// A set of objects that are polled together: with one wait, one control handle, and for each
/// object a callback that receives events of its types.
///
/// An object can be added by reference, so that its statistics, maps and variables stay accessible,
/// or by value.
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
    epoll: EpollSet,
    control: Control,
    members: Vec<Member<'a>>,
    waiting: Waiting,
    burst: Burst,
}

/// An object of the set.
struct Member<'a> {
    polled: Box<dyn Polled + 'a>,
    /// True if polling of the object has ended. It is then no longer in the epoll set.
    ended: bool,
}

/// An object with its callback.
trait Polled {
    /// Delivers the records that are there, without waiting. Stops if `control`, that of the set,
    /// says so.
    fn poll(&mut self, control: &Control) -> Result<u64>;

    /// Delivers as [`Records::drain`].
    fn drain(&mut self) -> Result<u64>;

    /// Returns the control handle of the object itself.
    fn control(&self) -> Control;

    fn descriptor(&self) -> BorrowedFd<'_>;
}

/// An object with its callback, whose types [`Polled`] hides.
struct With<S, F, R> {
    records: S,
    deliver: F,
    outcome: PhantomData<fn() -> R>,
}

impl<S: Records, R: Outcome, F: FnMut(S::Event<'_>) -> R> Polled for With<S, F, R> {
    fn poll(&mut self, control: &Control) -> Result<u64> {
        self.records.poll(Duration::ZERO, |event| -> Result<ControlFlow<()>, Cause> {
            let stops = (self.deliver)(event).stops()?;
            Ok(if stops || !control.delivers() {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            })
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

/// The shortest and the longest sleep after a wait that returned at once although nothing could be
/// read, for example because of a record that is reserved and not yet committed.
const MIN_SLEEP: Duration = Duration::from_micros(10);
const MAX_SLEEP: Duration = Duration::from_millis(1);

impl<'a> Set<'a> {
    /// Creates an empty set.
    ///
    /// # Errors
    /// [`Error::Kernel`](crate::Error::Kernel) if the process cannot open more descriptors.
    pub fn new() -> Result<Self> {
        let control = Control::new()?;
        Ok(Self {
            epoll: EpollSet::new(&control)?,
            control,
            members: Vec::new(),
            waiting: Waiting::default(),
            burst: Burst::default(),
        })
    }

    /// Adds a loaded or attached object, whose events are passed to `deliver`. The callback returns
    /// what a callback of `poll` may return; [`ControlFlow::Break`] ends the poll of this object,
    /// and the others are still read.
    ///
    /// # Errors
    /// [`Error::Kernel`](crate::Error::Kernel) if epoll refuses the object's descriptor.
    pub fn add<S, R, F>(&mut self, records: S, deliver: F) -> Result<&mut Self>
    where
        S: Records + 'a,
        R: Outcome + 'a,
        F: FnMut(S::Event<'_>) -> R + 'a,
    {
        self.epoll.add(records.descriptor(), Token::Map(self.members.len(), 0))?;
        self.members.push(Member {
            polled: Box::new(With { records, deliver, outcome: PhantomData }),
            ended: false,
        });
        Ok(self)
    }

    /// Returns a handle that pauses, resumes and ends polling of the whole set, see [`Control`].
    /// When the set has ended, so have its objects. The handle of an object ends only that object;
    /// the set ends with the last of them.
    pub fn control(&self) -> Control {
        self.control.clone()
    }

    /// Sets how later polls wait for records. The settings of the objects themselves have no effect
    /// here.
    pub fn set_waiting(&mut self, waiting: Waiting) {
        self.waiting = waiting;
    }

    /// Delivers the records that are there in all objects, or waits up to `timeout` for the first
    /// ones; returns their number.
    ///
    /// # Errors
    /// Those of [`Records::poll`]: the first error, after all objects were read.
    pub fn poll(&mut self, timeout: Duration) -> Result<u64> {
        let deadline = Deadline::after(timeout);
        // How long to sleep, if the last wait returned at once although nothing could be read.
        let mut sleep: Option<Duration> = None;
        while !self.control.is_stopped() {
            if self.control.is_paused() {
                let left = deadline.left();
                if left.is_zero() {
                    self.wait(Duration::ZERO)?;
                    break;
                }
                self.control.wait(left)?;
                continue;
            }
            nap(self.burst.pause(self.waiting).min(deadline.left()));
            let delivered = self.read()?;
            if delivered > 0 {
                self.burst.feed(self.waiting);
                return Ok(delivered);
            }
            let left = deadline.left();
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

    /// Delivers the records that are there in all objects, also after polling has ended; returns
    /// their number. See [`Records::drain`].
    ///
    /// # Errors
    /// Those of [`Self::poll`].
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
                // The descriptor of a stopped object stays readable.
                epoll.remove(member.polled.descriptor());
            }
            delivered
        }));
        if self.members.iter().all(|member| member.ended) {
            self.control.stop_now();
        }
        delivered
    }

    /// Ends polling of the objects, if polling of the set has ended.
    fn end(&self) {
        if self.control.is_stopped() {
            self.members.iter().for_each(|member| member.polled.control().stop_now());
        }
    }

    /// Waits for epoll.
    fn wait(&self, left: Duration) -> Result<()> {
        self.epoll.wait(left, |token, _| {
            if token == Token::Control {
                self.control.acknowledge();
            }
        })
    }
}

/// Returns the sum of all counts, or the first error. Takes all of them first, because each is a
/// read.
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

/// Readable when a record may be there. For an event loop of the caller, which then polls with a
/// timeout of zero.
impl AsFd for Set<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.as_fd()
    }
}

impl fmt::Debug for Set<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { control, members, waiting, .. } = self;
        f.debug_struct("Set")
            .field("control", control)
            .field("members", &members.len())
            .field("waiting", waiting)
            .finish_non_exhaustive()
    }
}
