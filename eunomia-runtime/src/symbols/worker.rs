//! Threads that look into other processes and their files while a caller waits with a time limit.
//!
//! The threads open and copy files so that reads should not block. But the traced process decides
//! how large and how malformed the files are, and may hold kernel locks that /proc needs. A worker
//! thread can be abandoned; the reader of events cannot.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, Sender, TryRecvError, channel},
    },
    thread,
    time::Duration,
};

/// A thread that answers questions until the asker is gone or has given it up.
pub(super) struct Worker<Q, A> {
    questions: Sender<(Q, Sender<A>)>,
    given_up: Arc<AtomicBool>,
}

/// An answer that a thread is working on.
pub(super) struct Answer<A> {
    from: Receiver<A>,
    /// The received answer; the inner `None` means that none will come.
    received: Option<Option<A>>,
    given_up: Arc<AtomicBool>,
}

impl<Q: Send + 'static, A: Send + 'static> Worker<Q, A> {
    /// Starts the thread. The thread holds `running` until it ends, and its state between questions
    /// is created in the thread.
    pub(super) fn start<S: Default + 'static>(
        running: Arc<()>,
        answer: fn(&mut S, Q) -> A,
    ) -> Option<Self> {
        let (questions, asked) = channel::<(Q, Sender<A>)>();
        let given_up = Arc::new(AtomicBool::new(false));
        let is_given_up = Arc::clone(&given_up);
        let work = move || {
            let _running = running;
            let mut state = S::default();
            for (question, to) in asked {
                if is_given_up.load(Ordering::Relaxed) {
                    break;
                }
                // If this asker no longer waits, the next one may.
                let _ = to.send(answer(&mut state, question));
            }
        };
        // C++ names are demangled by recursive functions, which need a large stack.
        thread::Builder::new().name("symbols".to_owned()).stack_size(8 << 20).spawn(work).ok()?;
        Some(Self { questions, given_up })
    }

    /// Asks without waiting. Returns `None` if the thread has ended.
    pub(super) fn ask(&self, question: Q) -> Option<Answer<A>> {
        let (to, from) = channel();
        if self.questions.send((question, to)).is_err() {
            self.given_up.store(true, Ordering::Relaxed);
            return None;
        }
        Some(Answer { from, received: None, given_up: Arc::clone(&self.given_up) })
    }

    pub(super) fn is_given_up(&self) -> bool {
        self.given_up.load(Ordering::Relaxed)
    }
}

impl<A> Answer<A> {
    /// Reports whether [`Self::wait`] would return at once.
    pub(super) fn is_ready(&mut self) -> bool {
        if self.received.is_none() {
            self.received = match self.from.try_recv() {
                Ok(answer) => Some(Some(answer)),
                Err(TryRecvError::Disconnected) => Some(None),
                Err(TryRecvError::Empty) => None,
            };
        }
        self.received.is_some()
    }

    /// Waits for the answer. If it takes longer than `patience`, gives up the thread and all its
    /// pending questions.
    pub(super) fn wait(mut self, patience: Duration) -> Option<A> {
        if self.is_ready() {
            return self.received.flatten();
        }
        if self.given_up.load(Ordering::Relaxed) {
            return None;
        }
        let answer = self.from.recv_timeout(patience).ok();
        if answer.is_none() {
            self.given_up.store(true, Ordering::Relaxed);
        }
        answer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sleep(count: &mut u32, time: u64) -> u32 {
        thread::sleep(Duration::from_millis(time));
        *count += 1;
        *count
    }

    #[test]
    fn wait_gives_up_thread_that_does_not_answer() {
        let running = Arc::new(());
        let worker = Worker::start(Arc::clone(&running), sleep).unwrap();
        assert_eq!(worker.ask(0).unwrap().wait(Duration::from_secs(10)), Some(1));
        let [slow, queued] = [500, 0].map(|time| worker.ask(time).unwrap());
        assert_eq!(slow.wait(Duration::from_millis(10)), None);
        assert!(worker.is_given_up());
        // Nobody waits for the queued questions of an abandoned thread.
        assert_eq!(queued.wait(Duration::from_secs(1000)), None);
        while Arc::strong_count(&running) > 1 {
            thread::yield_now();
        }
    }
}
