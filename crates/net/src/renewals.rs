//! Questions whose cached answers are about to expire, on their way from the threads that answer to the worker that looks them up.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use nw_resolve::ClientQuestion;
use nw_serve::Renew;
use tokio::sync::Notify;

/// The questions of one worker.
#[derive(Clone, Debug, Default)]
pub(crate) struct Renewals(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    waiting: Mutex<VecDeque<ClientQuestion>>,
    arrived: Notify,
}

impl Renewals {
    /// The next question, when there is one.
    pub(crate) async fn next(&self) -> ClientQuestion {
        loop {
            // A panic of another thread cannot have left the queue half changed.
            let next = self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
            match next {
                Some(question) => return question,
                None => self.0.arrived.notified().await,
            }
        }
    }
}

impl Renew for Renewals {
    fn renew(&self, question: ClientQuestion, most: u32) -> bool {
        let mut waiting = self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = waiting.len() < most as usize;
        if taken {
            waiting.push_back(question);
            self.0.arrived.notify_one();
        }
        taken
    }
}

#[cfg(test)]
mod tests;
