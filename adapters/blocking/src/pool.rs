//! `Pool`: the few threads on which handlers and listeners run, shared fairly among a server's
//! connections. Called by what a connection serves; knows nothing of it but a number.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, PoisonError};

use crate::sync::{Condvar, Mutex, MutexGuard, thread};

/// Something to run. Whoever makes it catches what its user's code does; a panic that comes all the same
/// ends nothing but the job.
pub(crate) type Job = Box<dyn FnOnce() + Send>;

/// Runs jobs, as many at once as it may have threads. Threads start when they are needed and end with
/// the pool. Connections take turns, and none has more than half of the threads (a single one aside), so
/// that neither many calls nor slow ones of one keep those of another waiting for long.
pub(crate) struct Pool(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    most: usize,
    /// Most that one connection has.
    share: usize,
}

#[derive(Default)]
struct State {
    /// The jobs of each connection that has any.
    jobs: BTreeMap<u64, VecDeque<Job>>,
    /// Those connections, in the order of their turns.
    turns: VecDeque<u64>,
    /// How many jobs that is in all.
    waiting: usize,
    /// How many jobs of each connection run now.
    running: BTreeMap<u64, usize>,
    threads: usize,
    /// Threads without a job, some of which may have been notified of one.
    idle: usize,
    ended: bool,
}

impl Pool {
    /// For many connections: one has half of the threads at most.
    pub(crate) fn new(most: usize) -> Self {
        Self::with_share(most, most.div_ceil(2))
    }

    /// For one connection, which has all of them.
    pub(crate) fn of_one(most: usize) -> Self {
        Self::with_share(most, most)
    }

    fn with_share(most: usize, share: usize) -> Self {
        let (state, changed) = (Mutex::default(), Condvar::new());
        Self(Arc::new(Shared { state, changed, most, share }))
    }

    /// Starts the first thread now rather than with the first job, so that it is known to be there.
    pub(crate) fn start(&self) -> io::Result<()> {
        self.start_thread(&mut self.0.lock())
    }

    fn start_thread(&self, state: &mut State) -> io::Result<()> {
        let shared = Arc::clone(&self.0);
        let thread = thread::Builder::new().name("switchboard-handler".into());
        thread.spawn(move || shared.work())?;
        state.threads += 1;
        Ok(())
    }

    /// Runs `job` when it is the connection's turn, on another thread than this one.
    pub(crate) fn run(&self, connection: u64, job: Job) {
        let mut state = self.0.lock();
        let jobs = state.jobs.entry(connection).or_default();
        jobs.push_back(job);
        if jobs.len() == 1 {
            state.turns.push_back(connection);
        }
        state.waiting += 1;
        if state.waiting > state.idle && state.threads < self.0.most {
            // Where there is no further thread, those that are there do it.
            let _ = self.start_thread(&mut state);
        }
        // Without any thread, for the system has none, it waits for the next job, which asks again.
        self.0.changed.notify_one();
    }
}

impl Drop for Pool {
    /// Ends the threads. No job waits any more: each has a share in the pool.
    fn drop(&mut self) {
        self.0.lock().ended = true;
        self.0.changed.notify_all();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self) {
        let mut state = self.lock();
        while !state.ended {
            let Some((connection, job)) = state.next(self.share) else {
                state.idle += 1;
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                state.idle -= 1;
                continue;
            };
            drop(state);
            run(job);
            state = self.lock();
            state.done(connection);
        }
    }
}

fn run(job: Job) {
    // What unwinds here is the destructor of something of the user's.
    let _ = catch_unwind(AssertUnwindSafe(job));
}

impl State {
    /// The next job of a connection that may run one more.
    fn next(&mut self, share: usize) -> Option<(u64, Job)> {
        let free = |state: &Self, connection| {
            state.running.get(connection).is_none_or(|running| *running < share)
        };
        let turn = self.turns.iter().position(|connection| free(self, connection))?;
        let connection = self.turns.remove(turn)?;
        let jobs = self.jobs.get_mut(&connection)?;
        let job = jobs.pop_front()?;
        self.waiting -= 1;
        if jobs.is_empty() {
            self.jobs.remove(&connection);
        } else {
            self.turns.push_back(connection);
        }
        *self.running.entry(connection).or_default() += 1;
        Some((connection, job))
    }

    fn done(&mut self, connection: u64) {
        if let Some(running) = self.running.get_mut(&connection) {
            *running -= 1;
            if *running == 0 {
                self.running.remove(&connection);
            }
        }
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("most", &self.0.most).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    #[test]
    fn where_there_is_no_thread_a_job_waits_and_does_not_run_on_the_thread_that_has_it_run() {
        // As a pool is to which the system gives no thread.
        let (pool, (sender, ran)) = (Pool::of_one(0), channel());
        for n in 0..3 {
            let sender = sender.clone();
            pool.run(n, Box::new(move || sender.send(n).unwrap()));
            assert!(ran.try_recv().is_err(), "job {n} ran, and on this thread");
        }
        // The first one there is does all that has waited.
        pool.start().unwrap();
        assert_eq!(ran.iter().take(3).collect::<Vec<_>>(), [0, 1, 2]);
    }
}
