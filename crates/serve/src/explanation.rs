//! Explanations of answers, and the messages of questions that have no client (`nw explain`, the server's own questions).
//!
//! ```text
//! query ─▶ pipeline::handle ─▶ Later ─▶ lookups ─▶ add ─▶ pipeline::complete ─▶ … ─▶ answered | unanswered ─▶ Resolution
//! ```

use std::borrow::Cow;

use nw_cache::Micros;
use nw_resolve::trace::Graft;
use nw_resolve::{ClientQuestion, Resolution, Step, Trace, Validation};
use nw_wire::edns::EdnsOption;
use nw_wire::{Ede, Flags, Header, Message, Section, Writer};

use crate::sections::{self, Sections};

/// The lookups of one answer, one after the other, to which the steps of the pipeline are added at the end.
#[derive(Debug, Default)]
pub struct Explanation {
    steps: Vec<Step>,
    queries: u32,
    /// Extended errors of the lookups.
    ede: Vec<(Ede, String)>,
    validation: Validation,
}

impl Explanation {
    /// Add the lookups *found*, whose steps are parts of one trace.
    pub fn add(&mut self, found: &[Resolution]) {
        for resolution in found {
            Graft::append(&mut self.steps, resolution.steps.iter());
            self.queries += resolution.queries;
            self.ede.extend_from_slice(&resolution.ede);
        }
        if let Some(first) = found.first() {
            self.validation = first.validation;
        }
    }

    /// Explain the response *wire*, whose last steps are in *trace*.
    pub fn answered(mut self, wire: &[u8], trace: &Trace, now: Micros) -> Resolution {
        let message = Message::parse(wire).expect("the pipeline writes valid messages");
        let Sections { answer, authority, additional } = Sections::of_message(&message);
        let mut ede = Vec::new();
        for option in message.opt().iter().flat_map(|opt| opt.options()).flatten() {
            if let EdnsOption::Ede { code, text } = option {
                ede.push((code, String::from_utf8_lossy(text).into_owned()));
            }
        }
        // A message has at most two, with shorter texts.
        for (code, text) in self.ede {
            match ede.iter_mut().find(|(other, shown)| *other == code && text.starts_with(&**shown)) {
                Some((_, shown)) => *shown = text,
                None => ede.push((code, text)),
            }
        }
        let waited = !self.steps.is_empty();
        Graft::append(&mut self.steps, trace.steps().into_iter().map(Cow::Owned));
        let ends = end(&self.steps);
        let took = if waited { ends } else { now.saturating_sub(trace.started()) };
        if let Some(step) = self.steps.iter_mut().rfind(|step| !step.parallel) {
            // Until the response was made.
            step.took += took.saturating_sub(ends);
        }
        Resolution {
            rcode: message.rcode(),
            answer,
            authority,
            additional,
            ede,
            took,
            steps: self.steps.into(),
            began: trace.started(),
            queries: self.queries,
            validation: self.validation,
        }
    }

    /// Explain that the client gets no response, for the reasons in *trace*.
    pub fn unanswered(self, trace: &Trace, now: Micros) -> Resolution {
        let nothing = Header { id: 0, flags: Flags::default(), counts: [0; 4] }.to_wire();
        self.answered(&nothing, trace, now)
    }
}

/// Add to *steps*, which count from *started*, those of the lookups *found*, which ran at the same time. The answer waits for the one that
/// ends last; the others run meanwhile. The first step of a lookup begins where the steps before ended, and not at the arrival of the query.
pub(crate) fn add_lookups(steps: &mut Vec<Step>, started: Micros, found: &[Resolution]) {
    let ended = end(steps);
    let last = (0..found.len()).max_by_key(|&number| found[number].began + found[number].took);
    for (number, resolution) in found.iter().enumerate() {
        let (began, first) = ((resolution.began, started), steps.len());
        let graft = Graft { parent: None, base: first as u32, began, parallel: Some(number) != last };
        steps.extend(resolution.steps.iter().map(|step| graft.of(&step)));
        if let Some(step) = steps[first..].iter_mut().find(|step| step.parent.is_none()) {
            let end = step.at + step.took;
            step.at = ended;
            step.took = end.saturating_sub(ended);
        }
    }
}

/// When the last of *steps* ended, counted from the arrival of the query.
pub(crate) fn end(steps: &[Step]) -> Micros {
    steps.iter().filter(|step| !step.parallel).map(|step| step.at + step.took).max().unwrap_or(0)
}

/// The message that answers *question* with *resolution*, for a caller that is not a client. Sets QR, RD and RA.
pub fn message(question: &ClientQuestion, resolution: &Resolution) -> Vec<u8> {
    let mut room = vec![0; usize::from(u16::MAX)];
    let secure = resolution.validation == Validation::Secure;
    let flags = Flags::default().with_qr(true).with_rd(true).with_ra(true).with_ad(secure);
    let flags = flags.with_rcode(resolution.rcode);
    let mut out = Writer::new(&mut room, usize::from(u16::MAX), 0, flags);
    out.question(question.name.as_ref(), question.rtype, question.class)
        .expect("a question fits in 65,535 octets");
    let written =
        sections::write(&mut out, &resolution.answer, &resolution.authority, &resolution.additional);
    out.set_flags(flags.with_tc(written.is_err()).with_cd(question.checking_disabled));
    let length = out.finish();
    room.truncate(length);
    room
}

/// The query that a client sends to ask *question* with RD, over a stream.
pub fn query(question: &ClientQuestion) -> Vec<u8> {
    let mut room = vec![0; 512];
    let flags = Flags::default().with_rd(true).with_cd(question.checking_disabled);
    let mut out = Writer::new(&mut room, 512, 0, flags);
    out.question(question.name.as_ref(), question.rtype, question.class)
        .expect("a question fits in 512 octets");
    let opt = [0, 0, 41, 0xff, 0xff, 0, 0, u8::from(question.dnssec_ok) << 7, 0, 0, 0];
    out.raw(Section::Additional, 1, &opt).expect("a question and OPT fit in 512 octets");
    let length = out.finish();
    room.truncate(length);
    room
}
