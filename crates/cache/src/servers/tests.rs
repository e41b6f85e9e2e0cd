use super::*;
use crate::Cache;

const SECOND: Micros = 1_000_000;

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

/// The address of server *last*.
fn server(last: u8) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, last], 53))
}

const LIMITS: ServerLimits = ServerLimits {
    timeouts_before_rest: 3,
    first_rest: 2 * SECOND,
    max_rest: 120 * SECOND,
    unreachable_rest: 5 * SECOND,
    offline_pause: SECOND / 2,
    max_offline_attempts: 2,
};

/// The rests of a server that does not reply, and the pauses while nobody does, are as the limits say.
#[test]
fn rests_and_pauses_follow_the_limits() {
    let servers = Servers::new(1 << 20);
    let rests: Vec<_> = (1..12)
        .map(|number| {
            let now = number * 1000 * SECOND;
            servers.timed_out(server(1), now - SECOND, &LIMITS, now);
            servers.note(server(1), now).rests_until.map(|until| (until - now) / SECOND)
        })
        .collect();
    let grows = [2, 4, 8, 16, 32, 64, 120, 120, 120].map(Some);
    assert_eq!(rests, [&[None, None][..], &grows].concat());
    let at_once = ServerLimits { timeouts_before_rest: 1, first_rest: SECOND, ..LIMITS };
    servers.timed_out(server(2), 0, &at_once, SECOND);
    assert_eq!(servers.note(server(2), SECOND).rests_until, Some(2 * SECOND));
    servers.unreachable(server(3), &LIMITS, SECOND);
    assert_eq!(servers.note(server(3), SECOND).rests_until, Some(6 * SECOND));
    let pauses: Vec<_> = (4..8)
        .map(|last| {
            servers.no_route(server(last), &LIMITS, SECOND);
            servers.note(server(last), SECOND).paused_until
        })
        .collect();
    assert_eq!(pauses, [None, None, Some(SECOND * 3 / 2), Some(SECOND * 3 / 2)]);
}

#[test]
fn statistics_of_servers_follow_their_replies() {
    let servers = Servers::new(1 << 20);
    let address: SocketAddr = "192.0.2.1:53".parse().unwrap();
    assert_eq!(servers.note(address, 0), ServerNote::default());
    servers.replied(address, 20_000, true, 0);
    let note = servers.note(address, 0);
    assert_eq!((note.srtt, note.timeout, note.edns), (Some(20_000), Some(60_000), EdnsSupport::Yes));
    (0..3).for_each(|_| servers.timed_out(address, SECOND, &LIMITS, SECOND));
    (0..3).for_each(|_| servers.timed_out(address, 0, &LIMITS, SECOND));
    let note = servers.note(address, SECOND);
    assert_eq!((note.timeouts, note.timeout), (3, Some(480_000)));
    assert!(note.rests_until.is_some() && servers.note(address, 4 * SECOND).rests_until.is_none());
    servers.replied(address, 20_000, false, 4 * SECOND);
    assert_eq!(servers.note(address, 4 * SECOND).timeouts, 0);
    let zone = name("example.");
    servers.lame(address, zone.as_ref(), Lameness::NotServed, 0);
    assert!(
        servers.lameness(address, zone.as_ref(), SECOND) == Some(Lameness::NotServed)
            && servers.lameness(address, zone.as_ref(), 301 * SECOND).is_none()
    );
    assert!(servers.lameness(address, name("other.").as_ref(), SECOND).is_none());
}

#[test]
fn rests_do_not_count_when_nobody_replies() {
    let cache = Cache::new(1 << 20);
    let servers = cache.servers();
    let fail = |last, from| {
        (0..4).for_each(|i| {
            servers.timed_out(server(last), from + i * SECOND, &LIMITS, from + (i + 1) * SECOND)
        });
    };
    (1..5).for_each(|last| fail(last, 10 * SECOND));
    assert!(!servers.is_silent(15 * SECOND), "four servers may be down by themselves");
    assert!(servers.note(server(1), 15 * SECOND).rests_until.is_some());
    fail(5, 10 * SECOND);
    assert!(servers.is_silent(15 * SECOND));
    assert_eq!(servers.note(server(1), 15 * SECOND).rests_until, None);
    assert_eq!(servers.note(server(1), 15 * SECOND).timeouts, 0);
    // The first reply ends the rests that began by then, and only those.
    servers.replied(server(9), 1000, true, 16 * SECOND);
    assert!(!servers.is_silent(16 * SECOND));
    assert_eq!(servers.note(server(1), 16 * SECOND).rests_until, None);
    fail(1, 20 * SECOND);
    assert!(servers.note(server(1), 24 * SECOND).rests_until.is_some());
    assert_eq!(servers.resting_servers(24 * SECOND).len(), 1);
    assert_eq!(servers.note(server(1), 24 * SECOND).trouble, Some(Trouble::Timeout));
}

/// Many queries to the servers of one zone time out at once: between the replies of others, that is no silence.
#[test]
fn timeouts_at_one_moment_are_no_silence() {
    let cache = Cache::new(1 << 20);
    let servers = cache.servers();
    (1..10).for_each(|last| servers.timed_out(server(last), 10 * SECOND, &LIMITS, 11 * SECOND));
    assert!(!servers.is_silent(11 * SECOND));
    assert!(servers.is_silent(12 * SECOND), "nobody has replied for a second");
    servers.replied(server(20), 1000, true, 12 * SECOND);
    assert!(!servers.is_silent(13 * SECOND));
}

#[test]
fn a_server_that_is_overtaken_counts_as_slower() {
    let cache = Cache::new(1 << 20);
    let servers = cache.servers();
    servers.overtaken(server(1), 20_000, SECOND);
    assert_eq!(servers.note(server(1), SECOND).srtt, Some(376_000), "it never replied");
    servers.replied(server(2), 10_000, true, SECOND);
    servers.overtaken(server(2), 5_000, SECOND);
    assert_eq!(servers.note(server(2), SECOND).srtt, Some(10_000), "it may have been quicker than usual");
    servers.overtaken(server(2), 90_000, SECOND);
    assert_eq!(servers.note(server(2), SECOND).srtt, Some(20_000));
}

#[test]
fn cookies_are_kept_with_their_server() {
    let cache = Cache::new(1 << 20);
    let servers = cache.servers();
    let cookie = ServerCookie::new(&[7; 16]).expect("16 octets");
    assert_eq!(servers.note(server(1), SECOND).cookie, CookieSupport::Unknown);
    servers.gave_cookie(server(1), cookie, SECOND);
    assert_eq!(servers.note(server(1), SECOND).cookie, CookieSupport::Yes(cookie));
    assert_eq!(servers.note(server(2), SECOND).cookie, CookieSupport::Unknown);
    servers.without_cookies(server(1), SECOND);
    assert_eq!(servers.note(server(1), 900 * SECOND).cookie, CookieSupport::No);
    assert_eq!(servers.note(server(1), 901 * SECOND).cookie, CookieSupport::Unknown);
    assert_eq!(ServerCookie::new(&[7; 7]), None);
    assert_eq!(ServerCookie::new(&[7; 33]), None);
    let first = servers.secret(|| [1, 2]);
    assert_eq!(servers.secret(|| [3, 4]), first, "all workers share one secret");
}

#[test]
fn a_looping_forwarder_is_known_for_its_suffix() {
    let cache = Cache::new(1 << 20);
    let servers = cache.servers();
    let back = server(9).ip();
    servers.lame(server(1), name("corp.").as_ref(), Lameness::Loops { back }, SECOND);
    let known = |zone: &str, now| servers.lameness(server(1), name(zone).as_ref(), now);
    assert_eq!(known("corp.", 30 * SECOND), Some(Lameness::Loops { back }));
    assert_eq!(known("corp.", 31 * SECOND), None);
    assert_eq!(known(".", 2 * SECOND), None);
    let listed = servers.lame_servers(2 * SECOND);
    assert_eq!((listed.len(), listed[0].how.slug(), listed[0].until), (1, "forwarding-loop", 31 * SECOND));
}
