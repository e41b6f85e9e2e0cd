//! Every scenario of the project passes, is deterministic, and is fast.

use std::path::{Path, PathBuf};
use std::time::Duration;

use nw_sim::play::{Options, Source, play};
use nw_sim::report::{Outcome, exit_status};
use nw_sim::rpl::syntax::{Action, Script};
use nw_sim::scenario::format::Scenario;

/// The files below `tests/scenarios` with this extension, in order.
fn scenarios(extension: &str) -> Vec<PathBuf> {
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/scenarios")];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("the scenarios are part of the project") {
            let path = entry.expect("a folder that can be listed").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|found| found == extension) {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

/// The scenarios without the attacks, which take longer.
fn quick(extension: &str) -> Vec<PathBuf> {
    let attack = |file: &PathBuf| file.parent().is_some_and(|folder| folder.ends_with("attacks"));
    scenarios(extension).into_iter().filter(|file| !attack(file)).collect()
}

#[test]
fn all_pass() {
    let files = [scenarios("toml"), scenarios("rpl")].concat();
    assert!(!files.is_empty(), "tests/scenarios holds no scenario");
    let reports: Vec<_> = files.iter().map(|file| play(Source::Path(file), &Options::default())).collect();
    let failed: Vec<String> =
        reports.iter().filter(|report| report.outcome != Outcome::Pass).map(|report| report.line()).collect();
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    assert_eq!(exit_status(&reports), 0);
}

/// A scenario that expects SERVFAIL names the cause, because a server can fail in many ways.
#[test]
fn every_expected_servfail_names_its_cause() {
    let mut unnamed = Vec::new();
    for file in scenarios("toml") {
        let text = std::fs::read_to_string(&file).expect("listed a moment ago");
        let scenario = Scenario::parse(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        for (at, step) in scenario.step.iter().enumerate() {
            let Some(expect) = &step.expect else { continue };
            let servfail = expect.rcode.as_deref() == Some("SERVFAIL");
            // Only the resolver under test explains its answers; other hosts do not.
            let unnamed_here = expect.ede.is_empty() && expect.reasons.is_empty() && expect.why.is_empty();
            if servfail && step.to.is_none() && unnamed_here {
                unnamed.push(format!("{}: step {}", file.display(), at + 1));
            }
        }
    }
    for file in scenarios("rpl") {
        let text = std::fs::read_to_string(&file).expect("listed a moment ago");
        let script = Script::parse(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        for step in &script.steps {
            let Action::CheckAnswer(entry) = &step.action else { continue };
            let servfail = entry.reply.iter().any(|word| word.text == "SERVFAIL");
            if servfail && !entry.matches.iter().any(|word| word.text.starts_with("ede=")) {
                unnamed.push(format!("{}: step {}", file.display(), step.number));
            }
        }
    }
    assert!(unnamed.is_empty(), "{}", unnamed.join("\n"));
}

#[test]
fn two_runs_with_one_seed_are_equal() {
    let mut seeds_matter = false;
    for file in [quick("toml"), quick("rpl")].concat() {
        let run = |seed| play(Source::Path(&file), &Options { seed, log: true, ..Options::default() });
        let (first, second) = (run(1), run(1));
        assert_eq!(first, second, "{}", file.display());
        seeds_matter |= first.run.fingerprint != run(2).run.fingerprint;
    }
    assert!(seeds_matter);
}

#[test]
fn files_are_in_the_folder_of_an_rfc_that_they_name() {
    for file in scenarios("toml") {
        let text = std::fs::read_to_string(&file).expect("listed a moment ago");
        let scenario = Scenario::parse(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let folder =
            file.parent().and_then(Path::file_name).and_then(|name| name.to_str()).unwrap_or_default();
        let Some(number) = folder.strip_prefix("rfc") else { continue };
        let section = file
            .file_stem()
            .and_then(|name| name.to_str())
            .unwrap_or_default()
            .split('-')
            .next()
            .unwrap_or_default();
        let wanted = format!("{number} §{section}");
        let named = scenario.rfc.iter().any(|rfc| rfc == &wanted || rfc.starts_with(&format!("{wanted} ")));
        assert!(named, "{} is not filed by any of {:?}", file.display(), scenario.rfc);
    }
}

#[test]
fn attacks_are_named_by_their_identifiers() {
    let files: Vec<PathBuf> =
        scenarios("toml").into_iter().filter(|file| !quick("toml").contains(file)).collect();
    assert!(!files.is_empty());
    for file in files {
        let text = std::fs::read_to_string(&file).expect("listed a moment ago");
        let scenario = Scenario::parse(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let attack = scenario.attack.unwrap_or_else(|| panic!("{} has no [attack]", file.display()));
        let name = file.file_stem().and_then(|name| name.to_str()).unwrap_or_default();
        assert!(name.starts_with(&format!("{}-", attack.id)), "{}: {}", file.display(), attack.id);
    }
}

/// The processor time of this thread. Unlike the wall clock, it does not depend on other programs.
fn processor_time() -> Duration {
    let times = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux counts it");
    let spent = times.split(' ').next().and_then(|nanoseconds| nanoseconds.parse().ok());
    Duration::from_nanos(spent.expect("the first field is a number"))
}

#[test]
fn thousands_of_scenarios_are_played_in_a_minute_of_processor_time() {
    let files = quick("toml");
    let began = processor_time();
    for file in &files {
        play(Source::Path(file), &Options::default());
    }
    // A debug build plays 3,000 scenarios in a minute.
    let each = (processor_time() - began) / u32::try_from(files.len()).expect("not that many");
    assert!(each < Duration::from_millis(20), "{each:?} each");
}
