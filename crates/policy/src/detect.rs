//! # detect: tunnels in names, and networks that use the server for amplification
//!
//! A tunnel carries data in the names that it asks for and in the answers of a server that belongs to it (iodine, dnscat2,
//! exfiltration by malware). An attacker who sends queries with the address of a victim asks for large answers.
//!
//! ```toml
//! [tunnels]
//! action = "block"
//!
//! [amplification]
//! ```
//!
//! | file | what it watches | when |
//! |---|---|---|
//! | [`tunnel`] | the subdomains of each registered domain | lookups only |
//! | [`amplification`] | octets of queries and responses of each network of clients | one UDP response in [`SAMPLE`] |
//! | [`suffixes`] | which part of a name is the registered domain (public suffix list) | |
//! | [`decode`] | text that a label hides, for the log | when a tunnel is reported |
//!
//! **Cost.** Off: one comparison for each response, and one for each lookup. `[tunnels]` costs nothing for a cache hit: a tunnel
//! needs a new name for each query, so that all of it is lookups, which cost a hundred times more than the count (200 to 300 ns). `[amplification]` hashes
//! one number for each UDP response, and takes a lock for one in sixteen.
//!
//! **Off by default.** A report names a client and what it looked up, which not every operator may log, and a wrong one costs trust in
//! all others. With a table, even an empty one, the default is to log.
//!
//! *Limitations*: a tunnel that stays below all limits in each window is not found. Subdomains are counted by 1024 bits for each domain, which gives an estimate;
//! reports say "about", and "more than 4000" above that, where it is a lower bound.

pub mod amplification;
pub mod decode;
pub mod suffixes;
pub mod tunnel;

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use nw_wire::{NameRef, RrType};

pub use amplification::{Amplification, AmplificationSettings, Share};
pub use suffixes::Suffixes;
pub use tunnel::{TunnelSettings, Tunnels};

/// One UDP response in so many is counted for [`amplification`].
pub const SAMPLE: u64 = 16;
/// Maximum number of findings that wait to be logged. More would be an attack on the log.
const MOST_FINDINGS: usize = 64;

/// What is done about a suspicion.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DetectAction {
    /// Report it.
    #[default]
    Log,
    /// Report it, and answer only some of the queries.
    RateLimit,
    /// Report it, and answer none.
    Block,
}

impl DetectAction {
    /// The name of the action.
    pub fn slug(self) -> &'static str {
        match self {
            DetectAction::Log => "log",
            DetectAction::RateLimit => "rate-limit",
            DetectAction::Block => "block",
        }
    }

    /// The action with this name.
    pub fn parse(word: &str) -> Option<DetectAction> {
        match word {
            "log" => Some(DetectAction::Log),
            "rate-limit" => Some(DetectAction::RateLimit),
            "block" => Some(DetectAction::Block),
            _ => None,
        }
    }
}

/// The settings; None for what is not watched.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DetectSettings {
    /// Tunnels.
    pub tunnels: Option<TunnelSettings>,
    /// Amplification.
    pub amplification: Option<AmplificationSettings>,
}

/// A suspicion, for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// `tunnel-suspected` or `amplification-suspected`.
    pub slug: &'static str,
    /// Every feature with its limit.
    pub text: String,
}

/// Whether a query of a suspicious domain is looked up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Watched {
    /// Look it up.
    Pass,
    /// Refuse it: it is blocked, for this reason.
    Block(String),
    /// Refuse it: it is above the rate that is left to the domain, for this reason.
    Limit(String),
}

/// What is known of a suspected domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suspicion {
    /// The domain, with every feature and its limit.
    pub features: String,
    /// The configured action.
    pub action: DetectAction,
    /// What becomes of a lookup now.
    pub watched: Watched,
}

/// The detector of a server. All workers share one.
#[derive(Debug)]
pub struct Detector {
    settings: DetectSettings,
    tunnels: Option<Tunnels>,
    amplification: Option<Amplification>,
    has_findings: AtomicBool,
    findings: Mutex<Vec<Finding>>,
}

impl Detector {
    /// A detector that has seen nothing.
    pub fn new(settings: DetectSettings) -> Detector {
        Detector {
            tunnels: settings.tunnels.clone().map(Tunnels::new),
            amplification: settings.amplification.clone().map(Amplification::new),
            has_findings: AtomicBool::new(false),
            findings: Mutex::default(),
            settings,
        }
    }

    /// Its settings.
    pub fn settings(&self) -> &DetectSettings {
        &self.settings
    }

    /// Count the lookup of *name* and *rtype* for *client* at *now* (microseconds), and decide about it.
    pub fn lookup(
        &self,
        suffixes: Option<&Suffixes>,
        client: IpAddr,
        name: NameRef<'_>,
        rtype: RrType,
        now: u64,
    ) -> Watched {
        let Some(tunnels) = &self.tunnels else { return Watched::Pass };
        let (watched, finding) = tunnels.lookup(suffixes, client, name, rtype, now);
        self.found(finding);
        watched
    }

    /// What a lookup of *name* would meet at *now*, for an explanation, if its domain is suspected. Nothing is counted.
    pub fn peek(&self, suffixes: Option<&Suffixes>, name: NameRef<'_>, now: u64) -> Option<Suspicion> {
        let (features, watched) = self.tunnels.as_ref()?.peek(suffixes, name, now)?;
        Some(Suspicion { features, action: self.settings.tunnels.as_ref()?.action, watched })
    }

    /// Count the *octets* that answer a lookup of *name*.
    pub fn answered(&self, suffixes: Option<&Suffixes>, name: NameRef<'_>, octets: usize) {
        if let Some(tunnels) = &self.tunnels {
            tunnels.answered(suffixes, name, octets);
        }
    }

    /// Count a UDP response of *octets* to the query of *asked* octets for *rtype*, perhaps, and decide about it. `id`: of the query.
    #[inline]
    pub fn response(
        &self,
        client: IpAddr,
        id: u16,
        rtype: RrType,
        (asked, octets): (usize, usize),
        now: u64,
    ) -> Share {
        let Some(amplification) = &self.amplification else { return Share::Send };
        let (share, finding) = amplification.response(client, id, rtype, (asked, octets), now);
        if finding.is_some() {
            self.found(finding);
        }
        share
    }

    /// The suspected network of *client* as `192.0.2.0/24`, one of whose responses is not sent as it is at *now*, and whether the
    /// flight recorder should keep this response: one in ten seconds for each network. None: amplification is not watched.
    #[cold]
    pub fn suspect(&self, client: IpAddr, now: u64) -> Option<(String, bool)> {
        Some(self.amplification.as_ref()?.suspect(client, now))
    }

    /// The domains with the most suspicious features at *now*, the most suspicious first, each as one sentence.
    pub fn domains(&self, now: u64, most: usize) -> Vec<String> {
        self.tunnels.as_ref().map_or_else(Vec::new, |tunnels| tunnels.domains(now, most))
    }

    fn found(&self, finding: Option<Finding>) {
        let Some(finding) = finding else { return };
        let mut findings = self.findings.lock().unwrap_or_else(PoisonError::into_inner);
        if findings.len() < MOST_FINDINGS {
            findings.push(finding);
        }
        self.has_findings.store(true, Ordering::Release);
    }

    /// Remove and return what was found since the last call.
    #[inline]
    pub fn take_findings(&self) -> Vec<Finding> {
        if !self.has_findings.load(Ordering::Relaxed) {
            return Vec::new();
        }
        self.has_findings.store(false, Ordering::Relaxed);
        std::mem::take(&mut *self.findings.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// *octets* for people.
fn size(octets: u64) -> String {
    match octets {
        0..10_000 => format!("{octets} octets"),
        10_000..10_000_000 => format!("{} kB", octets / 1000),
        _ => format!("{} MB", octets / 1_000_000),
    }
}

#[cfg(test)]
mod tests;
