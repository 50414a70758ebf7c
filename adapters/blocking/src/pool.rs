//! `Pool`: the few threads on which a server's handlers run, shared fairly among its connections.
//! Called by the server's connections; knows nothing of them but a number.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

/// Something to run. It does not panic: whoever makes it catches what its user's code does.
pub(crate) type Job = Box<dyn FnOnce() + Send>;

/// Runs jobs, as many at once as it may have threads. Threads start when they are needed and end with
/// the pool. Connections take turns, so that one with many calls delays another's by one job.
pub(crate) struct Pool(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    most: usize,
}

#[derive(Default)]
struct State {
    /// The jobs of each connection that has any.
    jobs: BTreeMap<u64, VecDeque<Job>>,
    /// Those connections, in the order of their turns.
    turns: VecDeque<u64>,
    threads: usize,
    idle: usize,
    ended: bool,
}

impl Pool {
    pub(crate) fn new(most: usize) -> Self {
        let state = Mutex::new(State::default());
        Self(Arc::new(Shared { state, changed: Condvar::new(), most: most.max(1) }))
    }

    /// Runs `job` when it is the connection's turn.
    pub(crate) fn run(&self, connection: u64, job: Job) {
        let mut state = self.0.lock();
        if state.ended {
            return;
        }
        let jobs = state.jobs.entry(connection).or_default();
        jobs.push_back(job);
        if jobs.len() == 1 {
            state.turns.push_back(connection);
        }
        if state.idle > 0 {
            self.0.changed.notify_one();
        } else if state.threads < self.0.most {
            let shared = Arc::clone(&self.0);
            let thread = thread::Builder::new().name("switchboard-handler".into());
            // Without another thread the job waits for one of those that run.
            state.threads += usize::from(thread.spawn(move || shared.work()).is_ok());
        }
    }
}

impl Drop for Pool {
    /// Ends the threads as soon as their jobs have ended; jobs that wait are dropped.
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.ended = true;
        state.jobs.clear();
        state.turns.clear();
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
            let Some(job) = state.next() else {
                state.idle += 1;
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                state.idle -= 1;
                continue;
            };
            drop(state);
            job();
            state = self.lock();
        }
    }
}

impl State {
    fn next(&mut self) -> Option<Job> {
        let connection = self.turns.pop_front()?;
        let jobs = self.jobs.get_mut(&connection)?;
        let job = jobs.pop_front();
        if jobs.is_empty() {
            self.jobs.remove(&connection);
        } else {
            self.turns.push_back(connection);
        }
        job
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("most", &self.0.most).finish_non_exhaustive()
    }
}
