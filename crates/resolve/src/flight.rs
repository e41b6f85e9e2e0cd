//! Joining identical questions: one does the work, all get its result.
//!
//! A flight belongs to nobody. Whichever of its waiters is polled drives the shared work, so that the work goes on as long
//! as one of them is interested, and ends with the last. Of several waiters one is woken to drive; when it leaves, the
//! next one takes over.
//!
//! This is what holds the upstream traffic of a same-name flood to one question, and what denies an attacker several
//! identical questions under way at once (RFC 5452 §5).

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::hash::Hash;
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use crate::join::Boxed;

#[cfg(test)]
mod tests;

/// All flights with keys of type *K* that yield a *T*.
pub(crate) struct Flights<K: Eq + Hash, T> {
    map: Rc<Map<K, T>>,
}

type Map<K, T> = RefCell<HashMap<K, Weak<Flight<K, T>>>>;

struct Flight<K: Eq + Hash, T> {
    key: K,
    map: Weak<Map<K, T>>,
    state: RefCell<State<T>>,
    seats: Arc<Seats>,
    next_seat: Cell<u64>,
    waiters: Cell<u32>,
}

enum State<T> {
    /// The work; taken out while it is being polled.
    Running(Option<Boxed<'static, T>>),
    Done(T),
    /// The work ended in a panic. Whoever waited for it panics as well, each to be caught at its own packet edge.
    Lost,
}

/// The wakers of those who wait, by seat.
#[derive(Default)]
struct Seats(Mutex<BTreeMap<u64, Waker>>);

impl Seats {
    fn with<R>(&self, act: impl FnOnce(&mut BTreeMap<u64, Waker>) -> R) -> R {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn wake_first(&self) {
        if let Some(waker) = self.with(|seats| seats.first_key_value().map(|(_, waker)| waker.clone())) {
            waker.wake();
        }
    }
}

impl Wake for Seats {
    fn wake(self: Arc<Seats>) {
        self.wake_first();
    }
}

/// A place on board: a future that yields the flight's result.
pub(crate) struct Wait<K: Eq + Hash, T> {
    flight: Rc<Flight<K, T>>,
    seat: u64,
}

/// How [`Flights::join`] went.
pub(crate) enum Boarding<K: Eq + Hash, T> {
    /// The work was begun.
    First(Wait<K, T>),
    /// It was under way.
    Later(Wait<K, T>),
    /// Too many wait already.
    Full,
}

impl<K: Eq + Hash + Clone + 'static, T: Clone + 'static> Flights<K, T> {
    pub(crate) fn new() -> Flights<K, T> {
        Flights { map: Rc::new(RefCell::new(HashMap::new())) }
    }

    /// How many are under way.
    pub(crate) fn len(&self) -> usize {
        self.map.borrow().len()
    }

    /// Whether *key* is under way.
    pub(crate) fn has(&self, key: &K) -> bool {
        self.map.borrow().contains_key(key)
    }

    /// Wait for the flight *key*, or begin it with the future that *work* makes. At most *most* wait for one.
    pub(crate) fn join<F>(&self, key: &K, most: u32, work: impl FnOnce() -> F) -> Boarding<K, T>
    where
        F: Future<Output = T> + 'static,
    {
        let under_way = self.map.borrow().get(key).and_then(Weak::upgrade);
        if let Some(flight) = under_way {
            return if flight.waiters.get() >= most {
                Boarding::Full
            } else {
                Boarding::Later(Wait::take(flight))
            };
        }
        let flight = Rc::new(Flight {
            key: key.clone(),
            map: Rc::downgrade(&self.map),
            state: RefCell::new(State::Running(Some(Box::pin(work())))),
            seats: Arc::default(),
            next_seat: Cell::new(0),
            waiters: Cell::new(0),
        });
        self.map.borrow_mut().insert(key.clone(), Rc::downgrade(&flight));
        Boarding::First(Wait::take(flight))
    }
}

impl<K: Eq + Hash, T> Flight<K, T> {
    /// Take no more waiters on board.
    fn leave_map(&self) {
        let Some(map) = self.map.upgrade() else { return };
        let mut map = map.borrow_mut();
        if map.get(&self.key).is_some_and(|flight| std::ptr::eq(flight.as_ptr(), self)) {
            map.remove(&self.key);
        }
    }
}

impl<K: Eq + Hash, T> Drop for Flight<K, T> {
    fn drop(&mut self) {
        self.leave_map();
    }
}

impl<K: Eq + Hash, T> Wait<K, T> {
    fn take(flight: Rc<Flight<K, T>>) -> Wait<K, T> {
        let seat = flight.next_seat.get();
        flight.next_seat.set(seat + 1);
        flight.waiters.set(flight.waiters.get() + 1);
        Wait { flight, seat }
    }
}

impl<K: Eq + Hash, T: Clone> Future for Wait<K, T> {
    type Output = T;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        let flight = &self.flight;
        let mut work = match &mut *flight.state.borrow_mut() {
            State::Done(value) => return Poll::Ready(value.clone()),
            State::Lost => panic!("the work that was waited for ended in a panic"),
            State::Running(work) => {
                flight.seats.with(|seats| seats.insert(self.seat, context.waker().clone()));
                match work.take() {
                    Some(work) => work,
                    // Polled from within itself, by somebody who waits for what he is working on.
                    None => return Poll::Pending,
                }
            }
        };
        let driver = Waker::from(Arc::clone(&flight.seats));
        let unless_lost = Crash(flight);
        let polled = work.as_mut().poll(&mut Context::from_waker(&driver));
        std::mem::forget(unless_lost);
        match polled {
            Poll::Pending => {
                *flight.state.borrow_mut() = State::Running(Some(work));
                Poll::Pending
            }
            Poll::Ready(value) => {
                // Whoever asks from now on asks anew, so that with nobody else on board no copy is needed.
                flight.leave_map();
                if flight.waiters.get() > 1 {
                    *flight.state.borrow_mut() = State::Done(value.clone());
                }
                let others = flight.seats.with(std::mem::take);
                others.into_iter().filter(|(seat, _)| *seat != self.seat).for_each(|(_, waker)| waker.wake());
                Poll::Ready(value)
            }
        }
    }
}

/// Armed while the work is polled: a panic in it must strand nobody.
struct Crash<'f, K: Eq + Hash, T>(&'f Flight<K, T>);

impl<K: Eq + Hash, T> Drop for Crash<'_, K, T> {
    fn drop(&mut self) {
        self.0.leave_map();
        *self.0.state.borrow_mut() = State::Lost;
        self.0.seats.with(std::mem::take).into_values().for_each(Waker::wake);
    }
}

impl<K: Eq + Hash, T> Drop for Wait<K, T> {
    fn drop(&mut self) {
        let flight = &self.flight;
        flight.waiters.set(flight.waiters.get() - 1);
        let was_seated = flight.seats.with(|seats| seats.remove(&self.seat)).is_some();
        // The wake-up that drives the work may have been ours.
        if was_seated {
            flight.seats.wake_first();
        }
    }
}
