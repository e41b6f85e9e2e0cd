//! Joining identical questions: one does the work, all get its result.
//!
//! Each waiter that is polled polls the shared work with its own waker, so that the work wakes the waiter that polled it last.
//! The work goes on as long as one waiter exists, and is dropped with the last. A waiter that is dropped wakes another one, which
//! polls the work and is woken by it from then on.
//!
//! This bounds the upstream traffic of a same-name flood to one question, and an attacker never has several
//! identical questions under way at once to guess the reply to (RFC 5452 §5).

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::hash::{BuildHasher, Hash};
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll, Waker};

use hashbrown::HashTable;
use nw_wire::hash::Keyed;

use crate::join::Boxed;

#[cfg(test)]
mod tests;

/// All flights with keys of type *K* that yield a *T*.
pub(crate) struct Flights<K: Eq + Hash, T> {
    map: Rc<Map<K, T>>,
}

/// The flights with the hashes of their keys.
type Map<K, T> = RefCell<HashTable<(u64, Weak<Flight<K, T>>)>>;

struct Flight<K: Eq + Hash, T> {
    key: K,
    hash: u64,
    map: Weak<Map<K, T>>,
    state: RefCell<State<T>>,
    wakers: Wakers,
    next_number: Cell<u64>,
    waiters: Cell<u32>,
}

enum State<T> {
    /// The work; taken out while it is being polled.
    Running(Option<Boxed<'static, T>>),
    Done(T),
    /// The work ended in a panic. Each waiter panics as well, to be caught at its own packet edge.
    Lost,
}

/// The wakers of the waiters that were polled, by their numbers. Most flights have one waiter.
#[derive(Default)]
struct Wakers {
    first: RefCell<Option<(u64, Waker)>>,
    others: RefCell<Vec<(u64, Waker)>>,
}

impl Wakers {
    /// Keep *waker* as that of waiter *number*.
    fn put(&self, number: u64, waker: &Waker) {
        let former = self.take(number);
        let mut first = self.first.borrow_mut();
        if first.is_none() {
            *first = Some((number, waker.clone()));
        } else {
            self.others.borrow_mut().push((number, waker.clone()));
        }
        // A waker is dropped with nothing borrowed: what it drops may end another waiter.
        drop(first);
        drop(former);
    }

    /// Take out the waker of waiter *number*.
    fn take(&self, number: u64) -> Option<(u64, Waker)> {
        let first = self.first.borrow_mut().take_if(|(other, _)| *other == number);
        first.or_else(|| {
            let mut others = self.others.borrow_mut();
            let at = others.iter().position(|(other, _)| *other == number)?;
            Some(others.remove(at))
        })
    }

    /// Wake one waiter.
    fn wake_one(&self) {
        let first = self.first.borrow().as_ref().map(|(_, waker)| waker.clone());
        let waker = first.or_else(|| self.others.borrow().first().map(|(_, waker)| waker.clone()));
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Remove all wakers, and wake the waiters except *number*.
    fn wake_all_but(&self, number: Option<u64>) {
        let all = self.first.take().into_iter().chain(self.others.take());
        all.filter(|(other, _)| Some(*other) != number).for_each(|(_, waker)| waker.wake());
    }
}

/// A waiter: a future that yields the flight's result.
pub(crate) struct Wait<K: Eq + Hash, T> {
    flight: Rc<Flight<K, T>>,
    number: u64,
}

/// The result of [`Flights::join`].
pub(crate) enum Join<K: Eq + Hash, T> {
    /// The work began.
    First(Wait<K, T>),
    /// The work was under way already.
    Later(Wait<K, T>),
}

impl<K: Eq + Hash + Clone + 'static, T: Clone + 'static> Flights<K, T> {
    pub(crate) fn new() -> Flights<K, T> {
        Flights { map: Rc::default() }
    }

    /// How many are under way.
    pub(crate) fn len(&self) -> usize {
        self.map.borrow().len()
    }

    /// Wait for the flight *key*, or begin it with the future that *work* makes.
    pub(crate) fn join<F>(&self, key: &K, work: impl FnOnce() -> F) -> Join<K, T>
    where
        F: Future<Output = T> + 'static,
    {
        let hash = Keyed.hash_one(key);
        let mut under_way = None;
        self.map.borrow().find(hash, |(other, flight)| {
            under_way = flight.upgrade().filter(|flight| *other == hash && flight.key == *key);
            under_way.is_some()
        });
        if let Some(flight) = under_way {
            return Join::Later(Wait::take(flight));
        }
        let flight = Rc::new(Flight {
            key: key.clone(),
            hash,
            map: Rc::downgrade(&self.map),
            state: RefCell::new(State::Running(Some(Box::pin(work())))),
            wakers: Wakers::default(),
            next_number: Cell::new(0),
            waiters: Cell::new(0),
        });
        self.map.borrow_mut().insert_unique(hash, (hash, Rc::downgrade(&flight)), |(hash, _)| *hash);
        Join::First(Wait::take(flight))
    }
}

impl<K: Eq + Hash, T> Flight<K, T> {
    /// Accept no more waiters.
    fn leave_map(&self) {
        let Some(map) = self.map.upgrade() else { return };
        let mut map = map.borrow_mut();
        if let Ok(entry) = map.find_entry(self.hash, |(_, flight)| std::ptr::eq(flight.as_ptr(), self)) {
            entry.remove();
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
        let number = flight.next_number.get();
        flight.next_number.set(number + 1);
        flight.waiters.set(flight.waiters.get() + 1);
        Wait { flight, number }
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
                flight.wakers.put(self.number, context.waker());
                match work.take() {
                    Some(work) => work,
                    // Polled from within itself: the work waits for its own result.
                    None => return Poll::Pending,
                }
            }
        };
        let unless_lost = Crash(flight);
        let polled = work.as_mut().poll(context);
        std::mem::forget(unless_lost);
        match polled {
            Poll::Pending => {
                *flight.state.borrow_mut() = State::Running(Some(work));
                Poll::Pending
            }
            Poll::Ready(value) => {
                // A question that comes from now on begins anew, so that without another waiter no copy is needed.
                flight.leave_map();
                if flight.waiters.get() > 1 {
                    *flight.state.borrow_mut() = State::Done(value.clone());
                }
                flight.wakers.wake_all_but(Some(self.number));
                Poll::Ready(value)
            }
        }
    }
}

/// Armed while the work is polled: a panic in it must wake every waiter.
struct Crash<'f, K: Eq + Hash, T>(&'f Flight<K, T>);

impl<K: Eq + Hash, T> Drop for Crash<'_, K, T> {
    fn drop(&mut self) {
        self.0.leave_map();
        *self.0.state.borrow_mut() = State::Lost;
        self.0.wakers.wake_all_but(None);
    }
}

impl<K: Eq + Hash, T> Drop for Wait<K, T> {
    fn drop(&mut self) {
        let flight = &self.flight;
        flight.waiters.set(flight.waiters.get() - 1);
        // The wake-up of the work may have gone to this waiter.
        if flight.wakers.take(self.number).is_some() {
            flight.wakers.wake_one();
        }
    }
}
