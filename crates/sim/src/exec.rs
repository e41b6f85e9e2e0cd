//! The virtual clock: a single-threaded executor of ordinary futures over a heap of timed events.
//!
//! ```text
//! spawn(future) ──► ready queue ──poll──► pending ──► timer heap ──► wake ──► ready queue
//! at(time, act) ───────────────────────────────────► timer heap ──► act()
//! ```
//!
//! The executor never waits. If no task is ready, the clock jumps to the next event. The order of events is total
//! (time, then order of registration; ready tasks in first-in, first-out order), so that a run depends only on its
//! inputs.
//!
//! *Limitations*: between events, the executor does not notice futures that are woken by anything but this clock
//! (threads, sockets).

#[cfg(test)]
mod tests;

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

/// Microseconds of virtual time since the start of the run.
pub type Micros = u64;

type Task = Pin<Box<dyn Future<Output = ()>>>;

/// The action of a timed event.
enum Event {
    /// Wake the task of this waker.
    Wake(Waker),
    /// Call this function once.
    Act(Box<dyn FnOnce()>),
}

/// The clock and its tasks. Clones refer to the same clock.
#[derive(Clone)]
pub struct Executor {
    inner: Rc<Inner>,
}

struct Inner {
    now: Cell<Micros>,
    serial: Cell<u64>,
    timers: RefCell<BTreeMap<(Micros, u64), Event>>,
    tasks: RefCell<BTreeMap<u64, (Task, Arc<TaskWaker>)>>,
    ready: Arc<Mutex<VecDeque<u64>>>,
}

struct TaskWaker {
    id: u64,
    queued: AtomicBool,
    ready: Arc<Mutex<VecDeque<u64>>>,
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.queued.swap(true, Ordering::Relaxed) {
            self.ready.lock().expect("no holder of this lock can panic").push_back(self.id);
        }
    }
}

impl Default for Executor {
    fn default() -> Executor {
        Executor::new()
    }
}

impl Executor {
    /// Create a clock at zero without tasks.
    pub fn new() -> Executor {
        Executor {
            inner: Rc::new(Inner {
                now: Cell::new(0),
                serial: Cell::new(0),
                timers: RefCell::default(),
                tasks: RefCell::default(),
                ready: Arc::default(),
            }),
        }
    }

    /// The virtual time.
    pub fn now(&self) -> Micros {
        self.inner.now.get()
    }

    fn next_serial(&self) -> u64 {
        let serial = self.inner.serial.get();
        self.inner.serial.set(serial + 1);
        serial
    }

    /// Start `future`. The returned handle receives its result. A `run_*` call polls it for the first time.
    pub fn spawn<T: 'static>(&self, future: impl Future<Output = T> + 'static) -> Handle<T> {
        let slot: Rc<RefCell<Option<T>>> = Rc::default();
        let result = Rc::clone(&slot);
        let id = self.next_serial();
        let waker =
            Arc::new(TaskWaker { id, queued: AtomicBool::new(false), ready: Arc::clone(&self.inner.ready) });
        let task: Task = Box::pin(async move {
            let value = future.await;
            *slot.borrow_mut() = Some(value);
        });
        waker.wake_by_ref();
        self.inner.tasks.borrow_mut().insert(id, (task, waker));
        Handle { id, executor: self.clone(), result }
    }

    /// Call `act` at `time`, or at the next event if `time` is in the past.
    pub fn at(&self, time: Micros, act: impl FnOnce() + 'static) {
        let key = (time.max(self.now()), self.next_serial());
        self.inner.timers.borrow_mut().insert(key, Event::Act(Box::new(act)));
    }

    /// Complete when the clock reaches `at`. If the future is dropped earlier, its event is removed.
    pub fn sleep_until(&self, at: Micros) -> Sleep {
        Sleep { executor: self.clone(), at, key: None }
    }

    /// Poll ready tasks until there are none.
    fn drain_ready(&self) {
        loop {
            let next = self.inner.ready.lock().expect("no holder of this lock can panic").pop_front();
            let Some(id) = next else { return };
            // The task is removed from the table while it is polled, so that it can spawn others.
            let Some((mut task, waker)) = self.inner.tasks.borrow_mut().remove(&id) else { continue };
            waker.queued.store(false, Ordering::Relaxed);
            let as_waker = Waker::from(Arc::clone(&waker));
            if task.as_mut().poll(&mut Context::from_waker(&as_waker)).is_pending() {
                self.inner.tasks.borrow_mut().insert(id, (task, waker));
            }
        }
    }

    /// The time of the next event.
    pub fn next_event(&self) -> Option<Micros> {
        self.inner.timers.borrow().first_key_value().map(|((at, _), _)| *at)
    }

    /// Run all tasks that are ready, without advancing the clock.
    pub fn run_ready(&self) {
        self.drain_ready();
        while self.next_event().is_some_and(|at| at <= self.now()) {
            self.fire_next();
            self.drain_ready();
        }
    }

    /// Advance the clock to `until`, processing all events up to and including that time.
    pub fn run_until(&self, until: Micros) {
        self.run_ready();
        while self.next_event().is_some_and(|at| at <= until) {
            self.fire_next();
            self.drain_ready();
        }
        if until > self.now() {
            self.inner.now.set(until);
        }
    }

    /// Advance the clock until `done` returns true (checked after each event), no event remains, or the clock passes
    /// `limit`. Return whether `done` returned true.
    pub fn run_while_pending(&self, limit: Micros, mut done: impl FnMut() -> bool) -> bool {
        self.run_ready();
        loop {
            if done() {
                return true;
            }
            match self.next_event() {
                Some(at) if at <= limit => self.fire_next(),
                _ => return false,
            }
            self.drain_ready();
        }
    }

    /// Run `future` to completion, advancing the clock as needed. Returns None if it can never complete.
    pub fn block_on<T: 'static>(&self, future: impl Future<Output = T> + 'static) -> Option<T> {
        let handle = self.spawn(future);
        self.run_while_pending(Micros::MAX, || handle.is_done());
        handle.take()
    }

    fn fire_next(&self) {
        let first = self.inner.timers.borrow_mut().pop_first();
        if let Some(((at, _), event)) = first {
            self.inner.now.set(self.now().max(at));
            match event {
                Event::Wake(waker) => waker.wake(),
                Event::Act(act) => act(),
            }
        }
    }

    /// Drop all tasks and events. This breaks reference cycles between tasks and the owner of this executor.
    pub fn clear(&self) {
        // The tables are taken first, because dropping a task drops its sleeps, which access the tables.
        let tasks = std::mem::take(&mut *self.inner.tasks.borrow_mut());
        let timers = std::mem::take(&mut *self.inner.timers.borrow_mut());
        drop(tasks);
        drop(timers);
    }
}

/// The result of a spawned task. Dropping it does not stop the task.
pub struct Handle<T> {
    id: u64,
    executor: Executor,
    result: Rc<RefCell<Option<T>>>,
}

impl<T> Handle<T> {
    /// Return whether the result is available and has not been taken.
    pub fn is_done(&self) -> bool {
        self.result.borrow().is_some()
    }

    /// Take the result.
    pub fn take(&self) -> Option<T> {
        self.result.borrow_mut().take()
    }

    /// Stop the task.
    pub fn abort(&self) {
        let task = self.executor.inner.tasks.borrow_mut().remove(&self.id);
        drop(task);
    }
}

/// Future of [`Executor::sleep_until`].
pub struct Sleep {
    executor: Executor,
    at: Micros,
    key: Option<(Micros, u64)>,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.executor.now() >= self.at {
            return Poll::Ready(());
        }
        let key = self.key.unwrap_or((self.at, self.executor.next_serial()));
        self.key = Some(key);
        self.executor.inner.timers.borrow_mut().insert(key, Event::Wake(context.waker().clone()));
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            let event = self.executor.inner.timers.borrow_mut().remove(&key);
            drop(event);
        }
    }
}
