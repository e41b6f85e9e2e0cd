use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::Wake;

use super::*;

fn boarded(flights: &Flights<u8, u8>) -> Wait<u8, u8> {
    match flights.join(&1, || async { panic!("as a test wants it") }) {
        Join::First(wait) | Join::Later(wait) => wait,
    }
}

/// Whoever waits learns of a panic in the shared work, and the next identical question begins anew.
#[test]
fn a_panic_in_the_work_strands_nobody() {
    let flights = Flights::new();
    let (mut first, mut second) = (boarded(&flights), boarded(&flights));
    let mut context = Context::from_waker(Waker::noop());
    let mut polled = |wait: &mut Wait<u8, u8>| {
        catch_unwind(AssertUnwindSafe(|| Pin::new(wait).poll(&mut context).is_ready())).is_err()
    };
    assert!(polled(&mut first));
    assert_eq!(flights.len(), 0);
    assert!(polled(&mut second));
    let again = match flights.join(&1, || async { 7 }) {
        Join::First(wait) => wait,
        _ => panic!("the lost flight is still on the map"),
    };
    assert_eq!(std::pin::pin!(again).poll(&mut context), Poll::Ready(7));
}

/// Counts its wake-ups.
#[derive(Default)]
struct Bell(AtomicU32);

impl Wake for Bell {
    fn wake(self: Arc<Bell>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// The work wakes the waiter that polled it last. When that one is dropped, each of the others in turn is woken, so that a
/// wake-up of the work is never lost; the result wakes all.
#[test]
fn the_work_is_passed_on_when_a_waiter_is_dropped() {
    let flights: Flights<u8, u8> = Flights::new();
    let work: Rc<RefCell<(bool, Option<Waker>)>> = Rc::default();
    let shared = Rc::clone(&work);
    let begin = || {
        std::future::poll_fn(move |context| {
            let mut work = shared.borrow_mut();
            work.1 = Some(context.waker().clone());
            if work.0 { Poll::Ready(7) } else { Poll::Pending }
        })
    };
    let mut waits = Vec::new();
    for begin in [Some(begin), None, None] {
        let join = match begin {
            Some(begin) => flights.join(&1, begin),
            None => flights.join(&1, || async { panic!("the work is under way") }),
        };
        let (Join::First(wait) | Join::Later(wait)) = join;
        waits.push(wait);
    }
    let bells: Vec<Arc<Bell>> = (0..3).map(|_| Arc::default()).collect();
    let rung = |of: usize| bells[of].0.swap(0, Ordering::Relaxed);
    let poll = |wait: &mut Wait<u8, u8>, of: usize| {
        let waker = Waker::from(Arc::clone(&bells[of]));
        Pin::new(wait).poll(&mut Context::from_waker(&waker))
    };
    let wake = || work.borrow().1.as_ref().expect("it was polled").wake_by_ref();
    for (of, wait) in waits.iter_mut().enumerate() {
        assert!(poll(wait, of).is_pending());
    }
    wake();
    assert_eq!([rung(0), rung(1), rung(2)], [0, 0, 1]);
    // The last one is dropped although it was woken: another one takes over.
    drop(waits.pop());
    assert_eq!([rung(0), rung(1)], [1, 0]);
    assert!(poll(&mut waits[0], 0).is_pending());
    drop(waits.remove(0));
    assert_eq!(rung(1), 1);
    assert!(poll(&mut waits[0], 1).is_pending());
    wake();
    assert_eq!(rung(1), 1);
    work.borrow_mut().0 = true;
    assert_eq!(poll(&mut waits[0], 1), Poll::Ready(7));
}
