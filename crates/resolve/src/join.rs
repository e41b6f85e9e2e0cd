//! Waiting for several futures at once, with nothing but std.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::Poll;

use crate::world::{Micros, World};

/// A future on the heap, for recursion and for lists of unlike futures.
pub(crate) type Boxed<'f, T> = Pin<Box<dyn Future<Output = T> + 'f>>;

/// The result of *future*, or None when it has none by the time *at*.
pub(crate) async fn until<T>(world: &impl World, at: Micros, future: impl Future<Output = T>) -> Option<T> {
    let (mut future, mut over) = (pin!(future), pin!(world.sleep_until(at)));
    poll_fn(|context| match future.as_mut().poll(context) {
        Poll::Ready(value) => Poll::Ready(Some(value)),
        Poll::Pending => over.as_mut().poll(context).map(|()| None),
    })
    .await
}

/// Run the futures that *begin* makes, at most *most* at once, and return the first value that one of them yields; None
/// when *begin* makes no more and all have ended without one. The others are abandoned.
///
/// The next one is begun when one has ended in vain, or when *pause* is over.
pub(crate) async fn first_of<'f, T>(
    most: usize,
    mut begin: impl FnMut() -> Option<Boxed<'f, Option<T>>>,
    mut pause: impl FnMut() -> Boxed<'f, ()>,
) -> Option<T> {
    let mut running: Vec<Boxed<'f, Option<T>>> = Vec::new();
    let mut pausing: Option<Boxed<'f, ()>> = None;
    let mut all_begun = false;
    poll_fn(move |context| {
        loop {
            while !all_begun && pausing.is_none() && running.len() < most {
                match begin() {
                    Some(future) => {
                        running.push(future);
                        pausing = Some(pause());
                    }
                    None => all_begun = true,
                }
            }
            let before = running.len();
            let mut value = None;
            running.retain_mut(|future| match future.as_mut().poll(context) {
                Poll::Pending => true,
                Poll::Ready(found) => {
                    value = value.take().or(found);
                    false
                }
            });
            if value.is_some() {
                return Poll::Ready(value);
            }
            let over = pausing.as_mut().is_some_and(|pause| pause.as_mut().poll(context).is_ready());
            if over || running.len() < before {
                pausing = None;
            }
            let more = !all_begun && pausing.is_none() && running.len() < most;
            if !more {
                return if running.is_empty() && all_begun { Poll::Ready(None) } else { Poll::Pending };
            }
        }
    })
    .await
}
