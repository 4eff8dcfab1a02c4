//! Threads that start within a microsecond: workers spin for a moment between jobs, then sleep.
//!
//! A job is a number of tasks and one closure. Each thread, the caller included, has a run of neighbouring tasks, which
//! it takes in order, so that it reads memory in one stream; who has none left takes the last of another's. A worker
//! that the system has put aside is not waited for unless it has entered the job.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle, Thread};
use std::time::{Duration, Instant};

/// How long a worker spins for the next job before it sleeps: longer than sampling takes between two tokens.
const SPIN: Duration = Duration::from_micros(300);

/// Gate: bit 0 = open, bits 1 ..= 15 = workers inside, the rest = number of the job.
const OPEN: u64 = 1;
const INSIDE: u64 = 2;
const JOB: u64 = 1 << 16;

type Task<'a> = &'a (dyn Fn(usize) + Sync);

/// A value with a cache line of its own, so that spinning on one does not slow the others.
#[repr(align(128))]
struct Lonely<T>(T);

struct Shared {
    gate: Lonely<AtomicU64>,
    /// Each thread's tasks that nobody has taken: first in the upper half, end in the lower.
    runs: Vec<Lonely<AtomicU64>>,
    /// Points at the caller's `Task` while the gate is open or a worker is inside.
    task: AtomicPtr<()>,
    asleep: AtomicUsize,
    panicked: AtomicBool,
    stop: AtomicBool,
}

/// A fixed set of threads for short parallel jobs.
pub struct Pool {
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<()>>,
    sleepers: Vec<Thread>,
    busy: Mutex<()>,
}

thread_local! {
    static INSIDE_JOB: Cell<bool> = const { Cell::new(false) };
}

impl Shared {
    /// Takes a task of thread `of`, the first or the last of its run.
    fn take(&self, of: usize, first: bool) -> Option<usize> {
        let run = &self.runs[of].0;
        let mut seen = run.load(Ordering::Relaxed);
        loop {
            let (start, end) = (seen >> 32, seen & u64::from(u32::MAX));
            if start >= end {
                return None;
            }
            let (left, taken) = if first { (seen + (1 << 32), start) } else { (seen - 1, end - 1) };
            match run.compare_exchange_weak(seen, left, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return Some(taken as usize),
                Err(now) => seen = now,
            }
        }
    }

    /// Does the tasks of thread `own`, then what the others have not begun.
    fn work(&self, own: usize, task: Task<'_>) {
        while let Some(index) = self.take(own, true) {
            task(index);
        }
        for step in 1..self.runs.len() {
            while let Some(index) = self.take((own + step) % self.runs.len(), false) {
                task(index);
            }
        }
    }

    /// Enters the open job, if it is not the one that `last` names already. Returns whether it did.
    fn try_enter(&self, own: usize, last: &mut u64) -> bool {
        let gate = self.gate.0.load(Ordering::Acquire);
        if gate & OPEN == 0 || gate / JOB == *last {
            return false;
        }
        if self.gate.0.compare_exchange(gate, gate + INSIDE, Ordering::AcqRel, Ordering::Relaxed).is_err() {
            return false;
        }
        *last = gate / JOB;
        let task = self.task.load(Ordering::Relaxed).cast::<Task<'_>>();
        // SAFETY: the caller of `run` keeps the closure and the reference to it alive until the gate is closed and
        // nobody is inside; this worker is inside until the `fetch_sub` below.
        let task = unsafe { *task };
        if catch_unwind(AssertUnwindSafe(|| self.work(own, task))).is_err() {
            self.panicked.store(true, Ordering::Relaxed);
        }
        self.gate.0.fetch_sub(INSIDE, Ordering::Release);
        true
    }

    fn worker(&self, own: usize) {
        INSIDE_JOB.set(true);
        let mut last = 0;
        let mut idle_since = Instant::now();
        while !self.stop.load(Ordering::Relaxed) {
            if self.try_enter(own, &mut last) {
                idle_since = Instant::now();
                continue;
            }
            for _ in 0..64 {
                std::hint::spin_loop();
                if self.gate.0.load(Ordering::Relaxed) & OPEN != 0 {
                    break;
                }
            }
            if idle_since.elapsed() > SPIN {
                self.asleep.fetch_add(1, Ordering::SeqCst);
                // A job may have opened since; its caller has then seen no sleeper.
                let gate = self.gate.0.load(Ordering::SeqCst);
                if (gate & OPEN == 0 || gate / JOB == last) && !self.stop.load(Ordering::SeqCst) {
                    thread::park();
                }
                self.asleep.fetch_sub(1, Ordering::SeqCst);
                idle_since = Instant::now();
            }
        }
    }
}

/// Closes the gate and waits for the workers inside, also when the caller's own task panics. Workers finish what is
/// left of the job first; after a panic that is harmless, as the job's closure is still alive.
struct Closing<'a>(&'a Shared);

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        let shared = self.0;
        shared.gate.0.fetch_and(!OPEN, Ordering::AcqRel);
        let mut spins = 0u32;
        while !(shared.gate.0.load(Ordering::Acquire) / INSIDE).is_multiple_of(JOB / INSIDE) {
            spins += 1;
            if spins < 10_000 {
                std::hint::spin_loop();
            } else {
                thread::yield_now();
            }
        }
    }
}

impl Pool {
    /// A pool in which `threads` (at least 1, at most 1024) threads work, the caller being one of them.
    pub fn new(threads: usize) -> Self {
        let shared = Arc::new(Shared {
            gate: Lonely(AtomicU64::new(JOB)),
            runs: (0..threads.clamp(1, 1024)).map(|_| Lonely(AtomicU64::new(0))).collect(),
            task: AtomicPtr::new(std::ptr::null_mut()),
            asleep: AtomicUsize::new(0),
            panicked: AtomicBool::new(false),
            stop: AtomicBool::new(false),
        });
        // Where the system refuses another thread, the pool works with those it got.
        let workers: Vec<_> = (1..threads.clamp(1, 1024))
            .map_while(|i| {
                let shared = Arc::clone(&shared);
                thread::Builder::new().name(format!("parasol-{i}")).spawn(move || shared.worker(i)).ok()
            })
            .collect();
        let sleepers = workers.iter().map(|w| w.thread().clone()).collect();
        Self { shared, workers, sleepers, busy: Mutex::new(()) }
    }

    /// Threads that work, the caller included.
    pub fn threads(&self) -> usize {
        self.workers.len() + 1
    }

    /// Threads that a job begun here would have: one from inside a task.
    pub(crate) fn at_hand(&self) -> usize {
        if INSIDE_JOB.get() { 1 } else { self.threads() }
    }

    /// Calls `task(0)` … `task(tasks - 1)`, each once, on all threads, and returns when all are done. From inside a
    /// task it runs serially. A panic in a task reaches the caller.
    pub fn run(&self, tasks: usize, task: impl Fn(usize) + Sync) {
        if tasks <= 1 || self.workers.is_empty() || INSIDE_JOB.get() {
            (0..tasks).for_each(task);
            return;
        }
        assert!(u32::try_from(tasks).is_ok(), "{tasks} tasks in one job");
        let busy = self.busy.lock().unwrap_or_else(PoisonError::into_inner);
        INSIDE_JOB.set(true);
        let result = catch_unwind(AssertUnwindSafe(|| self.run_alone(tasks, &task)));
        INSIDE_JOB.set(false);
        // Before another job may begin: the flag is this one's, also where the caller's own task panicked, too.
        let panicked = self.shared.panicked.swap(false, Ordering::Relaxed);
        drop(busy);
        if let Err(panic) = result {
            resume_unwind(panic);
        }
        assert!(!panicked, "a task panicked in a worker thread");
    }

    fn run_alone(&self, tasks: usize, task: Task<'_>) {
        let shared = &*self.shared;
        let threads = shared.runs.len() as u64;
        for (thread, run) in (0..).zip(&shared.runs) {
            // Fits: `run` refuses more than `u32::MAX` tasks.
            let (start, end) = (tasks as u64 * thread / threads, tasks as u64 * (thread + 1) / threads);
            run.0.store(start << 32 | end, Ordering::Relaxed);
        }
        shared.task.store((&raw const task).cast_mut().cast(), Ordering::Relaxed);
        // Nobody is inside here, so the lower bits are zero: the next job, open.
        let job = shared.gate.0.load(Ordering::Relaxed) / JOB + 1;
        shared.gate.0.store(job * JOB + OPEN, Ordering::SeqCst);
        let closing = Closing(shared);
        if shared.asleep.load(Ordering::SeqCst) > 0 {
            self.sleepers.iter().for_each(Thread::unpark);
        }
        shared.work(0, task);
        drop(closing);
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        self.sleepers.iter().for_each(Thread::unpark);
        for worker in self.workers.drain(..) {
            // A worker only panics inside a task, which `try_enter` catches.
            let _ = worker.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_task_runs_once() {
        for threads in [1, 2, 3, 8] {
            let pool = Pool::new(threads);
            for round in 0..2_000 {
                let tasks = round % 17;
                let counts: Vec<_> = (0..tasks).map(|_| AtomicUsize::new(0)).collect();
                pool.run(tasks, |i| {
                    counts[i].fetch_add(1, Ordering::Relaxed);
                });
                assert!(counts.iter().all(|c| c.load(Ordering::Relaxed) == 1));
            }
        }
    }

    #[test]
    fn works_after_sleeping_nested_and_shared() {
        let pool = Pool::new(2);
        let sum = AtomicUsize::new(0);
        thread::sleep(SPIN * 10);
        thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    pool.run(8, |i| {
                        pool.run(2, |_| {
                            sum.fetch_add(i, Ordering::Relaxed);
                        });
                    });
                });
            }
        });
        assert_eq!(sum.into_inner(), 3 * 2 * 28);
    }

    #[test]
    fn a_panic_reaches_the_caller_and_the_pool_lives_on() {
        let pool = Pool::new(2);
        let result = catch_unwind(AssertUnwindSafe(|| pool.run(64, |i| assert_ne!(i, 40))));
        assert!(result.is_err());
        let sum = AtomicUsize::new(0);
        pool.run(4, |i| {
            sum.fetch_add(i, Ordering::Relaxed);
        });
        assert_eq!(sum.into_inner(), 6);
    }

    #[test]
    fn panics_of_caller_and_worker_end_with_their_job() {
        let pool = Pool::new(2);
        let inside = std::sync::Barrier::new(2);
        let result = catch_unwind(AssertUnwindSafe(|| {
            pool.run(2, |_| {
                // Each thread has one task, and neither panics before the other has begun.
                inside.wait();
                panic!("both");
            });
        }));
        assert!(result.is_err());
        pool.run(2, |_| {});
    }
}
