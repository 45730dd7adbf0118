//! Threads that look into other processes and their files, for as long as somebody waits.
//!
//! Files are copied, and never waited for on purpose. But whoever is looked at decides how large and how strange they are, and may hold
//! locks of the kernel that /proc needs. A thread can be left behind; the reader of events cannot.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, Sender, TryRecvError, channel},
    },
    thread,
    time::Duration,
};

/// A thread that answers, until whoever asks is gone or has given it up.
pub(super) struct Worker<Q, A> {
    questions: Sender<(Q, Sender<A>)>,
    given_up: Arc<AtomicBool>,
}

/// An answer that a thread works on.
pub(super) struct Answer<A> {
    from: Receiver<A>,
    /// What has come already; `None` in it if nothing will.
    come: Option<Option<A>>,
    given_up: Arc<AtomicBool>,
}

impl<Q: Send + 'static, A: Send + 'static> Worker<Q, A> {
    /// `running` is held by the thread until it ends. What it keeps between questions is made there.
    pub(super) fn start<S: Default + 'static>(running: Arc<()>, answer: fn(&mut S, Q) -> A) -> Option<Self> {
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
                // Nobody waits any more: the next may.
                let _ = to.send(answer(&mut state, question));
            }
        };
        // Names of C++ are read by functions that call themselves.
        thread::Builder::new().name("symbols".to_owned()).stack_size(8 << 20).spawn(work).ok()?;
        Some(Self { questions, given_up })
    }

    /// Asks without waiting; `None` if the thread has ended.
    pub(super) fn ask(&self, question: Q) -> Option<Answer<A>> {
        let (to, from) = channel();
        if self.questions.send((question, to)).is_err() {
            self.given_up.store(true, Ordering::Relaxed);
            return None;
        }
        Some(Answer { from, come: None, given_up: Arc::clone(&self.given_up) })
    }

    pub(super) fn is_given_up(&self) -> bool {
        self.given_up.load(Ordering::Relaxed)
    }
}

impl<A> Answer<A> {
    /// Whether there is no need to wait.
    pub(super) fn is_ready(&mut self) -> bool {
        if self.come.is_none() {
            self.come = match self.from.try_recv() {
                Ok(answer) => Some(Some(answer)),
                Err(TryRecvError::Disconnected) => Some(None),
                Err(TryRecvError::Empty) => None,
            };
        }
        self.come.is_some()
    }

    /// Waits; after so long the thread is given up, and all that it was asked.
    pub(super) fn wait(mut self, patience: Duration) -> Option<A> {
        if self.is_ready() {
            return self.come.flatten();
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
    fn a_thread_that_does_not_answer_is_given_up() {
        let running = Arc::new(());
        let worker = Worker::start(Arc::clone(&running), sleep).unwrap();
        assert_eq!(worker.ask(0).unwrap().wait(Duration::from_secs(10)), Some(1));
        let [slow, queued] = [500, 0].map(|time| worker.ask(time).unwrap());
        assert_eq!(slow.wait(Duration::from_millis(10)), None);
        assert!(worker.is_given_up());
        // Nobody waits for what stands in its queue.
        assert_eq!(queued.wait(Duration::from_secs(1000)), None);
        while Arc::strong_count(&running) > 1 {
            thread::yield_now();
        }
    }
}
