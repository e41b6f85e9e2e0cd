//! Waiting for several futures at once, with nothing but std.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;

/// A future on the heap, for recursion and for lists of unlike futures.
pub(crate) type Boxed<'f, T> = Pin<Box<dyn Future<Output = T> + 'f>>;

/// Run all *futures* and return the first value that one of them yields, or None when all have ended without one. The
/// others are abandoned.
pub(crate) async fn first_some<T>(mut futures: Vec<Boxed<'_, Option<T>>>) -> Option<T> {
    poll_fn(move |context| {
        let mut value = None;
        futures.retain_mut(|future| match future.as_mut().poll(context) {
            Poll::Pending => true,
            Poll::Ready(found) => {
                if value.is_none() {
                    value = found;
                }
                false
            }
        });
        match value {
            Some(value) => Poll::Ready(Some(value)),
            None if futures.is_empty() => Poll::Ready(None),
            None => Poll::Pending,
        }
    })
    .await
}
