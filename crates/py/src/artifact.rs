//! Artifacts of the engine: `NameList`, names that policies select by; `PolicyList` and `Policies`, the lists and response
//! policy zones that change answers.

use std::net::IpAddr;
use std::sync::Arc;

use nw_policy::lists::{self, ListFindings};
use nw_policy::progress::Progress;
use nw_policy::rules::{self, Action, Client, Group, Link, ListSettings, Rules, Server, ServerRules};
use nw_policy::{Acl, View, rpz};
use nw_serve::Artifact;
use nw_wire::{Ede, Name, RrType, Rrset};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::call;
use crate::code::Code;
use crate::name::NameArg;
use crate::raise::Raise;
use crate::zone::Zone;

/// A list of names, one on a line, with `#` before a comment; a name stands for itself and all below: `NameList(text)`.
///
/// Raises ValueError that names every wrong line.
#[pyclass(frozen, module = "namewise.engine")]
pub(crate) struct NameList {
    pub(crate) inner: Arc<nw_policy::NameList>,
}

#[pymethods]
impl NameList {
    #[new]
    fn new(py: Python<'_>, text: String) -> PyResult<Self> {
        let parsed = call::detached(py, || Ok::<_, Raise>(nw_policy::NameList::parse(&text)))?;
        let list = parsed.map_err(|errors| {
            PyValueError::new_err(errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
        })?;
        Ok(Self { inner: Arc::new(list) })
    }

    fn __len__(&self) -> usize {
        self.inner.len()
    }
}

/// The rules of one list, with its settings: `PolicyList("ads", text, action="nxdomain")`.
///
/// source: the text of a list as bytes, or the `Zone` of a response policy zone. action: `nxdomain`, `nodata`, `refused`,
/// `drop`, `passthru`, `tcp-only`, `address`, `cname`; or `given` for the action of each rule of a policy zone. targets: addresses, or
/// the name of a CNAME. groups: positions of groups in the `Policies`. servers: whether rules for names and for addresses of name
/// servers apply, whether missing addresses are looked up, and up to how many labels zones are spared. findings: at most so many faults,
/// wrong lines and warnings are kept; 0 keeps all.
#[pyclass(frozen, module = "namewise.engine")]
pub(crate) struct PolicyList {
    pub(crate) inner: Arc<rules::PolicyList>,
    faults: Vec<(Place, String)>,
    fault_count: usize,
    wrong: Vec<(usize, String)>,
    wrong_count: usize,
    warnings: Vec<(String, String)>,
}

/// The number of a line, or the owner of a rule in a response policy zone.
#[derive(Clone, IntoPyObject)]
enum Place {
    Line(usize),
    Owner(String),
}

/// How far the reading of a list has come, for another thread to look at: `ListProgress()`.
#[pyclass(frozen, module = "namewise.engine")]
#[derive(Default)]
pub(crate) struct ListProgress {
    inner: Arc<Progress>,
}

#[pymethods]
impl ListProgress {
    #[new]
    fn new() -> Self {
        Self::default()
    }

    /// The part that is done, 0 to 1.
    #[getter]
    fn part(&self) -> f64 {
        self.inner.part()
    }
}

/// The source of rules.
#[derive(FromPyObject)]
enum RuleSource<'py> {
    Zone(PyRef<'py, Zone>),
    Text(Vec<u8>),
}

#[pymethods]
impl PolicyList {
    #[new]
    #[pyo3(signature = (
        name, source, *, action = "nxdomain", targets = Vec::new(), ttl = 300, ede = None, text = String::new(),
        groups = Vec::new(), log_only = false, break_dnssec = true, servers = (true, true, true, 1),
        findings = lists::MOST_FINDINGS, threads = 0, progress = None,
    ))]
    #[expect(clippy::too_many_arguments, reason = "keyword arguments of Python are a named object")]
    fn new(
        py: Python<'_>,
        name: String,
        source: RuleSource<'_>,
        action: &str,
        targets: Vec<String>,
        ttl: u32,
        ede: Option<u16>,
        text: String,
        groups: Vec<usize>,
        log_only: bool,
        break_dnssec: bool,
        servers: (bool, bool, bool, u8),
        findings: usize,
        threads: usize,
        progress: Option<PyRef<'_, ListProgress>>,
    ) -> PyResult<Self> {
        let progress = progress.map_or_else(Arc::default, |progress| Arc::clone(&progress.inner));
        let action = action_of(action, &targets, ttl)?;
        let bits = group_bits(&groups)?;
        let threads = match threads {
            0 => std::thread::available_parallelism().map_or(1, |cores| cores.get().min(8)),
            threads => threads,
        };
        let most = if findings == 0 { usize::MAX } else { findings };
        let (mut wrong, mut wrong_count, mut warnings) = (Vec::new(), 0, Vec::new());
        let (read, faults, fault_count, over) = match source {
            RuleSource::Zone(zone) => {
                let zone = zone.inner.clone();
                let (read, faults, count) = call::detached(py, || {
                    let mut read = rpz::read_reporting(&zone, most);
                    let (faults, count) = (std::mem::take(&mut read.faults), read.fault_count);
                    warnings = std::mem::take(&mut read.warnings);
                    Ok::<_, Raise>((read.into_rules(threads), faults, count))
                })?;
                let faults = faults.into_iter().map(|(owner, fault)| (Place::Owner(owner), fault));
                (read, faults.collect(), count, action)
            }
            RuleSource::Text(octets) => {
                let action = action
                    .ok_or_else(|| PyValueError::new_err("only policy zones have actions of their own"))?;
                let mut read = call::detached(py, || {
                    Ok::<_, Raise>(lists::read_showing(&octets, threads, most, &progress))
                })?;
                let lines = |findings: &mut ListFindings| std::mem::take(&mut findings.first).into_iter();
                wrong_count = read.wrong.count;
                wrong = lines(&mut read.wrong).map(|one| (one.line, one.message)).collect();
                let count = read.unsupported.count;
                let faults = lines(&mut read.unsupported).map(|one| (Place::Line(one.line), one.message));
                let faults: Vec<_> = faults.collect();
                let rules = call::detached(py, || {
                    Ok::<_, Raise>(read.into_rules_showing(&action, ttl, threads, &progress))
                })?;
                (rules, faults, count, None)
            }
        };
        let rules: Rules = read.ok_or_else(|| PyValueError::new_err("the list has more names than fit"))?;
        let settings = ListSettings {
            name,
            action: over,
            log_only,
            break_dnssec,
            servers: ServerRules {
                names: servers.0,
                addresses: servers.1,
                look_up: servers.2,
                min_dots: servers.3,
            },
            ede: ede.map(Ede),
            text,
            groups: bits,
        };
        let inner = Arc::new(rules::PolicyList::new(settings, Arc::new(rules)));
        Ok(Self { inner, faults, fault_count, wrong, wrong_count, warnings })
    }

    /// The name of the list.
    #[getter]
    fn name(&self) -> &str {
        &self.inner.settings.name
    }

    /// The same list for other groups: it has the same rules, and the counter goes on from the present number.
    fn with_groups(&self, groups: Vec<usize>) -> PyResult<Self> {
        let inner = Arc::new(self.inner.with_groups(group_bits(&groups)?));
        let Self { faults, wrong, warnings, .. } = self;
        let (faults, wrong, warnings) = (faults.clone(), wrong.clone(), warnings.clone());
        Ok(Self { inner, faults, wrong, warnings, ..*self })
    }

    /// The first lines or rules without effect: the number of the line, or the owner of the rule without the name of the zone, and the
    /// reason.
    #[getter]
    fn faults(&self) -> Vec<(Place, String)> {
        self.faults.clone()
    }

    /// The first lines that are wrong: the number of the line and the reason. They have no effect either.
    #[getter]
    fn wrong(&self) -> Vec<(usize, String)> {
        self.wrong.clone()
    }

    /// The number of lines that are wrong.
    #[getter]
    fn wrong_count(&self) -> usize {
        self.wrong_count
    }

    /// The first rules that probably mean something else: the owner and the reason.
    #[getter]
    fn warnings(&self) -> Vec<(String, String)> {
        self.warnings.clone()
    }

    /// The number of lines or rules without effect, without those that are wrong.
    #[getter]
    fn fault_count(&self) -> usize {
        self.fault_count
    }

    /// Octets of memory.
    #[getter]
    fn octets(&self) -> usize {
        self.inner.rules.octets()
    }

    /// The number of queries to which its rules applied.
    #[getter]
    fn hits(&self) -> u64 {
        self.inner.hits()
    }

    /// Whether rules for addresses in answers or for name servers may apply, so that a verdict needs the answer.
    #[getter]
    fn reads_answers(&self) -> bool {
        self.inner.reads_answers()
    }

    /// Whether rules about name servers may apply, so that a verdict needs the name servers.
    #[getter]
    fn reads_servers(&self) -> bool {
        self.inner.reads_servers()
    }

    fn __len__(&self) -> usize {
        self.inner.rules.len()
    }

    /// The lines of *text* that have a rule for *name*: number of the line, listed name, rule.
    #[staticmethod]
    fn lines_for(text: &[u8], name: NameArg) -> Vec<(usize, String, String)> {
        let mut found = Vec::new();
        lists::lines_for(text, name.0.as_ref(), |line, listed, rule| {
            let what = match rule.rule {
                lists::ListRule::Block => "block".to_owned(),
                lists::ListRule::Nxdomain => "nxdomain".to_owned(),
                lists::ListRule::Except => "exception".to_owned(),
                lists::ListRule::Address(address) => address.to_string(),
            };
            let important = if rule.important { ", important" } else { "" };
            found.push((line, listed.to_string(), format!("{what}{important}")));
        });
        found
    }
}

/// The positions of groups as bits.
fn group_bits(groups: &[usize]) -> PyResult<u64> {
    let mut bits = 0;
    for &group in groups {
        if group >= rules::MOST_GROUPS {
            return Err(PyValueError::new_err(format!("more than {} groups", rules::MOST_GROUPS)));
        }
        bits |= 1 << group;
    }
    Ok(bits)
}

/// The action with this name. None: `given`.
fn action_of(action: &str, targets: &[String], ttl: u32) -> PyResult<Option<Action>> {
    let wrong = |text: &str| PyValueError::new_err(text.to_owned());
    Ok(Some(match action {
        "given" => return Ok(None),
        "nxdomain" => Action::Nxdomain,
        "nodata" => Action::Nodata,
        "refused" => Action::Refused,
        "drop" => Action::Drop,
        "passthru" => Action::Passthru,
        "tcp-only" => Action::TcpOnly,
        "address" => {
            let addresses: Result<Vec<IpAddr>, _> = targets.iter().map(|text| text.parse()).collect();
            let addresses = addresses.map_err(|_| wrong("a target is not an IP address"))?;
            if addresses.is_empty() {
                return Err(wrong("the action address needs addresses"));
            }
            lists::addresses(&addresses, ttl)
        }
        "cname" => match targets {
            [name] => Action::Alias(name.parse::<Name>().map_err(|error| wrong(&error.to_string()))?, ttl),
            _ => return Err(wrong("the action cname needs one name")),
        },
        _ => {
            return Err(wrong(
                "expected given, nxdomain, nodata, refused, drop, passthru, tcp-only, address or cname",
            ));
        }
    }))
}

/// The lists of a server, in their order, for `Engine.swap({"policies": ...})`.
///
/// groups: name, prefixes of clients and names of TSIG keys of each group. paused: the names of groups to which no list applies; `None`
/// in it stands for all clients.
#[pyclass(frozen, module = "namewise.engine")]
pub(crate) struct Policies {
    pub(crate) inner: Arc<rules::Policies>,
}

/// A rule that applies: list, trigger, owner of such a rule in a policy zone, action, whether it is only logged.
type Applies = (String, String, String, &'static str, bool);

#[pymethods]
impl Policies {
    #[new]
    #[pyo3(signature = (lists, groups = Vec::new(), paused = Vec::new()))]
    fn new(
        lists: Vec<PyRef<'_, PolicyList>>,
        groups: Vec<(String, Vec<String>, Vec<String>)>,
        paused: Vec<Option<String>>,
    ) -> PyResult<Self> {
        if groups.len() > rules::MOST_GROUPS {
            return Err(PyValueError::new_err(format!("more than {} groups", rules::MOST_GROUPS)));
        }
        let all = paused.contains(&None);
        let group = |(name, clients, keys): (String, Vec<String>, Vec<String>)| {
            let clients =
                Acl::parse(&clients).map_err(|errors| PyValueError::new_err(errors[0].to_string()))?;
            let keys: Result<Vec<Name>, _> = keys.iter().map(|key| key.parse::<Name>()).collect();
            let keys = keys.map_err(|error| PyValueError::new_err(error.to_string()))?;
            let is_paused = paused.iter().flatten().any(|paused| *paused == name);
            Ok(Group { view: View { name, clients, keys }, paused: is_paused })
        };
        let groups = groups.into_iter().map(group).collect::<PyResult<Vec<_>>>()?;
        let lists = lists.iter().map(|list| Arc::clone(&list.inner)).collect();
        Ok(Self { inner: Arc::new(rules::Policies::new(lists, groups, all)) })
    }

    /// Every list with a rule that applies to *client*, *name*, an answer with *addresses* or a name server, in order, with what decides
    /// in it. rtype: the type of the query; without it, `data` stands for records of any type. servers: labels of the zone, name and addresses of each name server.
    /// queried: whether *name* is the queried name, not the target of an alias. Nothing is counted.
    #[pyo3(signature = (name, client = "127.0.0.1", key = None, rtype = None, addresses = Vec::new(), servers = Vec::new(), queried = true))]
    #[expect(clippy::too_many_arguments, reason = "keyword arguments of Python are a named object")]
    fn test(
        &self,
        name: NameArg,
        client: &str,
        key: Option<NameArg>,
        rtype: Option<Code<RrType>>,
        addresses: Vec<String>,
        servers: Vec<(u8, NameArg, Vec<String>)>,
        queried: bool,
    ) -> PyResult<Vec<Applies>> {
        let parse = |text: &str| {
            text.parse::<IpAddr>()
                .map_err(|_| PyValueError::new_err(format!("{text:?} is not an IP address")))
        };
        let all = |texts: &[String]| texts.iter().map(|text| parse(text)).collect::<PyResult<Vec<_>>>();
        let (address, addresses) = (parse(client)?, all(&addresses)?);
        let of_servers = servers.iter().map(|(_, _, texts)| all(texts)).collect::<PyResult<Vec<_>>>()?;
        let servers = servers.iter().zip(&of_servers);
        let servers: Vec<Server<'_>> = servers
            .map(|((zone_labels, name, _), addresses)| Server {
                zone_labels: *zone_labels,
                name: name.0.as_ref(),
                addresses,
            })
            .collect();
        let key = key.as_ref().map(|key| key.0.as_ref());
        let client = Client { address, key, dnssec_ok: false };
        let link = Link { name: name.0.as_ref(), addresses: &addresses, servers: &servers };
        let found = self.inner.all_for(&client, &link, queried);
        let shown = found.iter().map(|found| {
            let settings = &found.list.settings;
            let other = |rtype: RrType, sets: &[Rrset]| {
                rtype != RrType::ANY && sets.iter().all(|set| set.rtype != rtype)
            };
            let action = match (&rtype, found.action) {
                (Some(rtype), Action::Data(sets)) if other(rtype.0, sets) => Action::Nodata.slug(),
                (_, action) => action.slug(),
            };
            let (trigger, owner) = (found.trigger.to_string(), found.trigger.owner());
            (settings.name.clone(), trigger, owner, action, settings.log_only)
        });
        Ok(shown.collect())
    }
}

/// The public suffix list, for `Engine.swap({"suffixes": ...})`: `Suffixes(text)` reads the format of publicsuffix.org.
#[pyclass(frozen, module = "namewise.engine")]
pub(crate) struct Suffixes {
    pub(crate) inner: Arc<nw_policy::Suffixes>,
}

#[pymethods]
impl Suffixes {
    #[new]
    fn new(py: Python<'_>, text: String) -> PyResult<Self> {
        let suffixes = call::detached(py, || Ok::<_, Raise>(nw_policy::Suffixes::parse(&text)))?;
        Ok(Self { inner: Arc::new(suffixes) })
    }

    fn __len__(&self) -> usize {
        self.inner.len()
    }
}

/// The local copy of the root (RFC 8806), for `Engine.swap({"local-root": ...})`: `LocalRoot(zone, expires)`.
///
/// zone: a checked copy of the root zone; expires: seconds since 1970 from which on it must not be used.
#[pyclass(frozen, module = "namewise.engine")]
pub(crate) struct LocalRoot {
    pub(crate) inner: Arc<nw_resolve::LocalRoot>,
}

#[pymethods]
impl LocalRoot {
    #[new]
    fn new(zone: &Zone, expires: u64) -> PyResult<Self> {
        if !zone.inner.apex().is_root() {
            return Err(PyValueError::new_err(format!("{} is not the root zone", zone.inner.apex())));
        }
        Ok(Self { inner: Arc::new(nw_serve::local_root(zone.inner.clone(), expires)) })
    }

    /// No copy can be used, for the reason *why*: the root servers are asked, and explanations say why.
    #[staticmethod]
    fn unusable(why: String) -> Self {
        Self { inner: Arc::new(nw_resolve::LocalRoot::Unusable(why)) }
    }
}

/// What `Engine.swap` accepts.
#[derive(FromPyObject)]
pub(crate) enum ArtifactArg<'py> {
    Names(PyRef<'py, NameList>),
    Policies(PyRef<'py, Policies>),
    LocalRoot(PyRef<'py, LocalRoot>),
    Suffixes(PyRef<'py, Suffixes>),
}

impl ArtifactArg<'_> {
    pub(crate) fn shared(&self) -> Artifact {
        match self {
            ArtifactArg::Names(list) => Arc::clone(&list.inner) as Artifact,
            ArtifactArg::Policies(policies) => Arc::clone(&policies.inner) as Artifact,
            ArtifactArg::LocalRoot(root) => Arc::clone(&root.inner) as Artifact,
            ArtifactArg::Suffixes(suffixes) => Arc::clone(&suffixes.inner) as Artifact,
        }
    }
}
