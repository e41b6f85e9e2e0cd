//! Play scenario files: `cargo run -p nw-sim --example play -- [--json] [--log] [--measure] [--record] [--seed N] FILE...`.
//! `--record` prints the answer to each query of TOML files as JSON instead of comparing it.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use nw_sim::play::{Options, Source, play};
use nw_sim::report::exit_status;
use nw_sim::scenario::play::record;

fn main() -> ExitCode {
    let (mut options, mut json, mut files) = (Options::default(), false, Vec::new());
    let mut recording = false;
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        match word.as_str() {
            "--json" => json = true,
            "--log" => options.log = true,
            "--measure" => options.measure = true,
            "--record" => recording = true,
            "--seed" => options.seed = words.next().and_then(|seed| seed.parse().ok()).unwrap_or(0),
            _ => files.push(word),
        }
    }
    let mut out = std::io::stdout().lock();
    let mut reports = Vec::new();
    if recording {
        for file in &files {
            let recorded = std::fs::read_to_string(file)
                .map_err(|error| error.to_string())
                .and_then(|text| record(&text, &options));
            match recorded {
                Ok(seen) => seen.iter().for_each(|seen| _ = writeln!(out, "{}", seen.to_json())),
                Err(problem) => {
                    let _ = writeln!(out, "{file}: {problem}");
                    return ExitCode::from(2);
                }
            }
        }
        return ExitCode::SUCCESS;
    }
    for file in &files {
        let report = play(Source::Path(Path::new(file)), &options);
        let line = if json { serde_json::to_string(&report).unwrap_or_default() } else { report.line() };
        // A closed pipe ends the output, not the run.
        let _ = writeln!(out, "{line}");
        if options.log && !json {
            for event in &report.run.log {
                let _ = writeln!(out, "  {event}");
            }
        }
        reports.push(report);
    }
    ExitCode::from(exit_status(&reports))
}
