//! The clause `rpz:` of Unbound: a response policy zone, whose master file is a block of the script.
//!
//! *Limitations*: zones that come by a transfer (`primary`, `url`), tags, and `rpz-signal-nxdomain-ra`. The answers of Unbound have AA and no SOA
//! record of the policy zone; those of the engine do not, and have the SOA record (as BIND).

use std::collections::BTreeMap;

use super::config::Fit::{Honoured, Ignored, Key, Value};
use super::config::{Read, absolute};
use super::syntax::Clause;
use crate::policy::ListTable;

impl Read {
    /// Add a response policy zone. Its rules for name servers spare the root only, as in Unbound.
    pub(super) fn policy_zone(&mut self, clause: &Clause, files: &BTreeMap<String, String>) {
        let mut list = ListTable { min_ns_dots: Some(0), ..ListTable::default() };
        for setting in &clause.settings {
            let value = setting.value.trim();
            let fit = match setting.key.as_str() {
                "name" => {
                    (list.name, list.zone) = (value.to_owned(), Some(value.to_owned()));
                    if absolute(value).is_some() { Honoured } else { Value }
                }
                "zonefile" => match files.get(value.trim_start_matches("TEMPFILE_NAME").trim_start()) {
                    Some(text) => {
                        // Unbound's default TTL.
                        list.text = format!("$TTL 3600\n{text}");
                        // A script may have only the rules.
                        if !text.to_ascii_uppercase().split_whitespace().any(|word| word == "SOA") {
                            list.text += "\n@ SOA . . 1 3600 900 86400 60\n@ NS .\n";
                        }
                        Honoured
                    }
                    None => Value,
                },
                "rpz-action-override" => match value {
                    "disabled" => {
                        list.log_only = true;
                        Honoured
                    }
                    "nxdomain" | "nodata" | "passthru" | "drop" | "cname" => {
                        list.action = Some(value.to_owned());
                        Honoured
                    }
                    _ => Value,
                },
                "rpz-cname-override" => {
                    list.target = Some(value.to_owned());
                    if absolute(value).is_some() { Honoured } else { Value }
                }
                "rpz-log" | "rpz-log-name" | "for-downstream" | "for-upstream" | "fallback-enabled" => {
                    Ignored
                }
                _ => Key,
            };
            self.judge(setting, fit);
        }
        if !clause.settings.iter().any(|setting| setting.key == "zonefile") {
            self.note("rpz without zonefile".to_owned());
        }
        self.settings.lists.push(list);
    }
}
