use super::*;

fn cookie() -> Cookie {
    Cookie { client: *b"client!!", server: None }
}

/// A reply whose OPT has these options.
fn reply(options: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 1, 0x84, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 41, 4, 208, 0, 0, 0, 0];
    bytes.extend_from_slice(&(options.len() as u16).to_be_bytes());
    bytes.extend_from_slice(options);
    bytes
}

fn read(cookie: &Cookie, options: &[u8]) -> ReplyCookie {
    cookie.read(&Message::parse_reply(&reply(options)).expect("a message"))
}

fn option(data: &[u8]) -> Vec<u8> {
    [&[0, 10, 0, data.len() as u8], data].concat()
}

#[test]
fn the_option_holds_both_cookies() {
    let mut out = Vec::new();
    cookie().write(&mut out);
    assert_eq!(out, option(b"client!!"));
    out.clear();
    cookie().with(ServerCookie::new(b"server cookie 16").expect("16 octets")).write(&mut out);
    assert_eq!(out, option(b"client!!server cookie 16"));
}

#[test]
fn only_our_cookie_is_ours() {
    let cookie = cookie();
    assert_eq!(read(&cookie, &[]), ReplyCookie::Absent);
    assert_eq!(read(&cookie, &[0, 3, 0, 0]), ReplyCookie::Absent, "NSID");
    assert_eq!(read(&cookie, &option(b"client!!")), ReplyCookie::Ours(None));
    let server = ServerCookie::new(b"12345678");
    assert_eq!(read(&cookie, &option(b"client!!12345678")), ReplyCookie::Ours(server));
    assert_eq!(read(&cookie, &option(b"clIent!!12345678")), ReplyCookie::Wrong);
    assert_eq!(read(&cookie, &option(b"client!!1234567")), ReplyCookie::Wrong, "7 octets");
    assert_eq!(read(&cookie, &option(b"client")), ReplyCookie::Wrong, "6 octets");
    let long = [&b"client!!"[..], &[7; 33]].concat();
    assert_eq!(read(&cookie, &option(&long)), ReplyCookie::Wrong, "33 octets");
}
