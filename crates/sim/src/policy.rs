//! Lists and response policy zones of a scenario, read by the same code as in a server.

use std::sync::Arc;

use nw_policy::rules::{Action, ListSettings, Policies, PolicyList, ServerRules};
use nw_policy::{lists, rpz};
use nw_wire::name::Name;
use serde::Deserialize;

use crate::scenario::behaviour::read_zone;

/// `[[list]]`: a list of names, or a response policy zone.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct ListTable {
    /// Its name.
    pub name: String,
    /// The name of the response policy zone. None: a list of names.
    pub zone: Option<String>,
    /// The zone as a master file, or the lines of the list.
    pub text: String,
    /// What happens to queries for listed names, by the name of the action. `given`: what each rule of the zone says.
    pub action: Option<String>,
    /// The name to which `cname` leads.
    pub target: Option<String>,
    /// Count and explain only.
    pub log_only: bool,
    /// Leave signed answers to clients that set DO as they are.
    pub keep_dnssec: bool,
    /// Zones with at most so many labels have no name servers to which rules apply. Default: 1.
    pub min_ns_dots: Option<u8>,
}

impl ListTable {
    /// Read the list. The error names it.
    pub fn read(&self) -> Result<Arc<PolicyList>, String> {
        let wrong = |what: &str| format!("list {}: {what}", self.name);
        let action = self.action()?;
        let (rules, over) = match &self.zone {
            Some(apex) => {
                let read = rpz::read(&read_zone(apex, &self.text)?);
                if let Some((owner, fault)) = read.faults.first() {
                    return Err(wrong(&format!("{owner}: {fault}")));
                }
                (read.into_rules(1), action)
            }
            None => {
                let read = lists::read(self.text.as_bytes(), 1);
                if let Some(finding) = read.wrong.first.first() {
                    return Err(wrong(&finding.to_string()));
                }
                (read.into_rules(&action.unwrap_or(Action::Nxdomain), 300, 1), None)
            }
        };
        let defaults = ServerRules::default();
        let settings = ListSettings {
            name: self.name.clone(),
            action: over,
            log_only: self.log_only,
            break_dnssec: !self.keep_dnssec,
            servers: ServerRules { min_dots: self.min_ns_dots.unwrap_or(defaults.min_dots), ..defaults },
            ede: None,
            text: String::new(),
            groups: 0,
        };
        Ok(Arc::new(PolicyList::new(settings, Arc::new(rules.ok_or_else(|| wrong("too many names"))?))))
    }

    fn action(&self) -> Result<Option<Action>, String> {
        Ok(Some(match self.action.as_deref() {
            None | Some("given") => return Ok(None),
            Some("nxdomain") => Action::Nxdomain,
            Some("nodata") => Action::Nodata,
            Some("refused") => Action::Refused,
            Some("drop") => Action::Drop,
            Some("passthru") => Action::Passthru,
            Some("tcp-only") => Action::TcpOnly,
            Some("cname") => {
                let target = self.target.as_deref().and_then(|target| target.parse::<Name>().ok());
                let target = target.ok_or_else(|| format!("list {}: cname needs a target", self.name))?;
                Action::Alias(target, 300)
            }
            Some(other) => return Err(format!("list {}: no action is called {other:?}", self.name)),
        }))
    }
}

/// Read all *tables* whose names are among *wanted*; all if that is None.
pub fn read(tables: &[ListTable], wanted: Option<&[String]>) -> Result<Option<Arc<Policies>>, String> {
    if let Some(unknown) =
        wanted.iter().copied().flatten().find(|name| !tables.iter().any(|one| one.name == **name))
    {
        return Err(format!("no list is called {unknown:?}"));
    }
    let tables = tables.iter().filter(|table| wanted.is_none_or(|wanted| wanted.contains(&table.name)));
    let lists = tables.map(ListTable::read).collect::<Result<Vec<_>, _>>()?;
    Ok((!lists.is_empty()).then(|| Arc::new(Policies::new(lists, Vec::new(), false))))
}
