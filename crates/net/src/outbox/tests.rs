use std::net::{SocketAddr, UdpSocket};
use std::task::Wake;

use super::*;
use crate::mmsg::Peer;

/// Sockets at both ends of a conversation.
struct Ends {
    ours: Arc<std::os::fd::OwnedFd>,
    theirs: UdpSocket,
}

impl Ends {
    fn new() -> Ends {
        let theirs = UdpSocket::bind("127.0.0.1:0").expect("a free port");
        theirs.set_nonblocking(true).expect("a socket");
        let ours = UdpSocket::bind("127.0.0.1:0").expect("a free port");
        Ends { ours: Arc::new(ours.into()), theirs }
    }

    fn client(&self) -> ReplyTo {
        self.at(self.theirs.local_addr().expect("bound"))
    }

    fn at(&self, address: SocketAddr) -> ReplyTo {
        ReplyTo::new(Arc::clone(&self.ours), Peer { address, local: None })
    }

    /// What has come, as text.
    fn come(&self) -> Vec<String> {
        let mut room = [0; 64];
        std::iter::from_fn(|| {
            self.theirs.recv(&mut room).ok().map(|n| String::from_utf8_lossy(&room[..n]).into())
        })
        .collect()
    }
}

/// Counts how often it wakes.
#[derive(Default)]
struct Woken(std::sync::atomic::AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    }
}

impl Woken {
    fn count(&self) -> usize {
        self.0.load(std::sync::atomic::Ordering::Relaxed)
    }
}

#[test]
fn replies_of_one_turn_leave_together_and_in_order() {
    let (one, other) = (Ends::new(), Ends::new());
    let outbox = Outbox::default();
    let woken = Arc::<Woken>::default();
    let waker = Waker::from(Arc::clone(&woken));
    let mut flushing = Box::pin(outbox.run());
    let mut turn = || assert!(flushing.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    turn();
    for text in ["a", "b", "c"] {
        outbox.reply(one.client(), text.as_bytes());
    }
    outbox.reply(other.client(), b"d");
    outbox.reply(one.client(), b"e");
    assert_eq!((one.come(), other.come(), woken.count()), (vec![], vec![], 1), "woken once, nothing sent");
    turn();
    assert_eq!(one.come(), ["a", "b", "c", "e"]);
    assert_eq!(other.come(), ["d"]);
    // The next turn is like the first.
    outbox.reply(one.client(), b"f");
    assert_eq!((one.come().len(), woken.count()), (0, 2));
    turn();
    assert_eq!(one.come(), ["f"]);
}

#[test]
fn without_a_task_that_flushes_datagrams_leave_at_once() {
    let ends = Ends::new();
    let outbox = Outbox::default();
    outbox.reply(ends.client(), b"now");
    assert_eq!(ends.come(), ["now"]);
}

#[test]
fn a_refused_reply_is_counted_and_holds_up_no_other() {
    let ends = Ends::new();
    let stats = Arc::<Stats>::default();
    let outbox = Outbox::new(Arc::clone(&stats));
    outbox.flusher.replace(Some(Waker::noop().clone()));
    outbox.reply(ends.client(), b"first");
    // The kernel refuses port 0.
    outbox.reply(ends.at("127.0.0.1:0".parse().expect("an address")), b"refused");
    outbox.reply(ends.client(), b"last");
    outbox.flush();
    assert_eq!(ends.come(), ["first", "last"]);
    assert_eq!(stats.dropped_send.value(), 1);
}

#[test]
fn an_error_of_sending_wakes_who_waits_for_the_reply() {
    let (failure, woken) = (Failure::default(), Arc::<Woken>::default());
    let waker = Waker::from(Arc::clone(&woken));
    let context = Context::from_waker(&waker);
    assert!(failure.poll(&context).is_none());
    failure.set(io::ErrorKind::PermissionDenied.into());
    assert_eq!(woken.count(), 1);
    assert_eq!(failure.poll(&context).map(|error| error.kind()), Some(io::ErrorKind::PermissionDenied));
    assert!(failure.poll(&context).is_none(), "told once");
}
