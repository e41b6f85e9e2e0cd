use super::*;

const INTERNET: &str = r#"
about = "test"
standard = true
[resolver]
[[host]]
name = "root"
addresses = ["198.41.0.4"]
zones."." = """
@ 3600 SOA a.root-servers.net. h. 1 2 3 4 5
@ 3600 NS a.root-servers.net.
a.root-servers.net. 3600 A 198.41.0.4
example. 3600 NS ns.example.
ns.example. 3600 A 192.0.2.1
"""
[[host]]
name = "ns"
addresses = ["192.0.2.1"]
link = { delay_ms = 10, jitter_ms = 5, loss = 0.2, duplicate = 0.2, reorder = 0.2, reorder_by_ms = 50 }
zones."example." = """
@ 3600 SOA ns h 1 2 3 4 300
@ 3600 NS ns
ns 3600 A 192.0.2.1
www 60 A 192.0.2.80
"""
"#;

fn run(steps: &str) -> Report {
    play(&format!("{INTERNET}\n{steps}"), &Options { seed: 1, log: true, ..Options::default() })
}

#[test]
fn a_name_is_resolved_over_a_bad_link() {
    let report = run("[[step]]\nquery = \"www.example. A\"\n\
        expect = { rcode = \"NOERROR\", answer = [\"www.example. 60 A 192.0.2.80\"], ttl = true, asked = { root = 2, ns = { min = 1 } } }");
    assert_eq!(report.outcome, Outcome::Pass, "{}", report.line());
    assert!(report.run.virtual_us >= 20_000);
}

#[test]
fn a_difference_names_step_and_line() {
    let report = run(
        "[[step]]\nadvance_s = 1\n[[step]]\nquery = \"www.example. A\"\nexpect = { rcode = \"NXDOMAIN\" }",
    );
    let Outcome::Fail(failure) = report.outcome else { panic!("{}", report.line()) };
    assert_eq!((failure.step, failure.line, failure.field.as_str()), (2, 28, "rcode"));
}

#[test]
fn one_seed_one_fingerprint() {
    let text = format!(
        "{INTERNET}\n[[step]]\nquery = \"www.example. A\"\ntimes = 5\n[[step]]\nadvance_s = 61\n[[step]]\nquery = \"nothere.example. MX\""
    );
    let with = |seed| play(&text, &Options { seed, log: true, ..Options::default() }).run;
    for seed in 0..20 {
        assert_eq!(with(seed), with(seed));
    }
    assert_ne!(with(1).fingerprint, with(2).fingerprint);
}

#[test]
fn hosts_come_go_and_change() {
    let steps = r#"
[[step]]
down = "ns"
[[step]]
query = "www.example. A"
expect = { rcode = "SERVFAIL" }
[[step]]
up = "ns"
[[step]]
swap = { host = "ns", zones = { "example." = "@ 60 SOA ns h 2 2 3 4 300\n@ 60 NS ns\nns 60 A 192.0.2.1\nwww 60 A 192.0.2.81\n" } }
[[step]]
advance_s = 1000
[[step]]
query = "www.example. A"
expect = { answer = ["www.example. A 192.0.2.81"] }
[[step]]
query = "www.example. A"
to = "ns"
expect = { answer = ["www.example. A 192.0.2.81"], flags = ["AA"] }
"#;
    // The client asks once, which a lossy link would make a matter of luck.
    let internet = INTERNET.replace("loss = 0.2, ", "");
    let report = play(&format!("{internet}\n{steps}"), &Options { seed: 1, log: true, ..Options::default() });
    assert_eq!(report.outcome, Outcome::Pass, "{}\n{}", report.line(), report.run.log.join("\n"));
}

#[test]
fn mistakes_make_the_file_unreadable() {
    for steps in [
        "[[step]]\nquery = \"www.example.\"",
        "[[step]]\nexpect = {}",
        "[[step]]\nquery = \"a. A\"\nto = \"nobody\"",
        "[[step]]\nquery = \"a. A\"\nflags = [\"XX\"]",
        "[[step]]\nquery = \"a. A\"\noptions = \"0\"",
        "[[step]]\nadvance_s = -1",
    ] {
        assert!(matches!(run(steps).outcome, Outcome::Unreadable { .. }), "{steps}");
    }
    let budget = INTERNET.replace("[resolver]", "[resolver]\nbudget = { no_such = 1 }");
    let report = play(&format!("{budget}\n[[step]]\nadvance_s = 1"), &Options::default());
    assert!(report.line().contains("no such limit"), "{}", report.line());
}
