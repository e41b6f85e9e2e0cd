//! The clause `auth-zone:` of Unbound: a zone that the engine serves, whose master file is a block of the script.
//!
//! `for-downstream: yes` (the default) makes clients see it as the answer of an authoritative server, and the engine answers from it for its
//! own lookups as well, which is `for-upstream: yes`. A zone that has its data never falls back, whatever `fallback-enabled` says.
//!
//! *Limitations*: zones that come by a transfer (`primary`, `url`), and zones for upstream only.

use std::collections::BTreeMap;

use super::config::Fit::{Honoured, Ignored, Key, Value};
use super::config::{Read, absolute, truth};
use super::syntax::Clause;

impl Read {
    /// Add a served zone.
    pub(super) fn auth_zone(&mut self, clause: &Clause, files: &BTreeMap<String, String>) {
        let (mut apex, mut text) = (".".to_owned(), None);
        for setting in &clause.settings {
            let value = setting.value.trim();
            let fit = match setting.key.as_str() {
                "name" => match absolute(value) {
                    Some(name) => {
                        apex = name.to_string();
                        Honoured
                    }
                    None => Value,
                },
                "zonefile" => match files.get(value.trim_start_matches("TEMPFILE_NAME").trim_start()) {
                    Some(found) => {
                        // Unbound's default TTL.
                        text = Some(format!("$TTL 3600\n{found}"));
                        Honoured
                    }
                    None => Value,
                },
                "for-downstream" if truth(value) == Some(true) => Honoured,
                "for-downstream" => Value,
                "for-upstream" | "fallback-enabled" if truth(value).is_some() => Ignored,
                "for-upstream" | "fallback-enabled" => Value,
                _ => Key,
            };
            self.judge(setting, fit);
        }
        match text {
            Some(text) => self.settings.zones.push((apex, text)),
            None => self.note("auth-zone without zonefile".to_owned()),
        }
    }
}
