//! `Zone`: a handle to a compiled zone. Its records stay in Rust; Python objects are made on demand.

use std::ffi::OsString;
use std::path::PathBuf;

use nw_wire::edns::{EdnsOption, Opt, ttl_field};
use nw_wire::header::HEADER;
use nw_wire::{Class, Question, RrType, Rrset, Section, Writer};
use nw_zone::format::{FormatError, format_file};
use nw_zone::scan::{self, Checked, Files, LoadOptions, LoadedFile, ReadFile, Source, Text};
use nw_zone::{Finding, PROBLEMS, RULES, ZoneFileErrors, ZoneQuestion};
use pyo3::exceptions::{PyOSError, PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{IntoPyDict, PyBytes, PyDict, PyList, PyTuple};

use crate::call;
use crate::code::Code;
use crate::difference::Difference;
use crate::edit::ZoneEdit;
use crate::edns::UDP_PAYLOAD;
use crate::message::{Message, reply_flags};
use crate::name::{Name, NameArg};
use crate::raise::{Raise, ZoneFaults};
use crate::rrset::RRset;

/// An immutable zone: `Zone.from_file("example.com", "example.com.zone")`.
///
/// Loading uses all cores and can be interrupted. It raises `ZoneFileError` with every error of the file.
#[pyclass(frozen, module = "namewise.engine")]
pub(crate) struct Zone {
    pub(crate) inner: nw_zone::Zone,
}

impl From<nw_zone::Zone> for Zone {
    fn from(inner: nw_zone::Zone) -> Self {
        Self { inner }
    }
}

/// The fields of a `ZoneFault`: file, line, column, severity, id, message, expected item, RFC, remedy.
pub(crate) type Fault =
    (String, u32, u32, &'static str, &'static str, String, String, &'static str, &'static str);

/// A result of `Zone.check_file`: the zone, the findings, the number of findings by id.
type CheckedRow = (Option<Zone>, Py<PyAny>, Py<PyDict>);

/// A result of `Zone.load_files`: the version of the files, and the zone or its error.
type LoadedRow = Option<(Py<PyTuple>, Py<PyAny>)>;

/// The version of a zone: path, device, inode, size and modification time of the main file, then of each other file that was
/// read, in order.
fn version(py: Python<'_>, mut files: Vec<ReadFile>) -> PyResult<Py<PyTuple>> {
    if files.len() > 1 {
        files[1..].sort_unstable_by(|a, b| a.path.as_os_str().cmp(b.path.as_os_str()));
        files.dedup_by(|a, b| a.path == b.path);
    }
    let files = files.into_iter().map(|file| {
        let stamp = file.stamp.map_or((0, 0, 0, 0), |stamp| {
            (stamp.identity.0, stamp.identity.1, stamp.size, stamp.modified_ns)
        });
        (OsString::from(file.path), stamp.0, stamp.1, stamp.2, stamp.3)
    });
    Ok(PyTuple::new(py, files.collect::<Vec<_>>())?.unbind())
}

#[pymethods]
impl Zone {
    /// Load the zone `name` from master-file text (RFC 1035 §5). Errors use `file` as the file name. The text cannot
    /// include files.
    #[staticmethod]
    #[pyo3(signature = (name, text, *, file = "<text>", rclass = Code(Class::IN)))]
    fn from_text(
        py: Python<'_>,
        name: NameArg,
        text: String,
        file: &str,
        rclass: Code<Class>,
    ) -> PyResult<Self> {
        let (source, file) = (Text::new(file, text), file.to_owned());
        call::interruptible(py, move || load(source, &file, &name, rclass.0))
    }

    /// Load the zone `name` from a master file and the files that it includes.
    #[staticmethod]
    #[pyo3(signature = (name, path, *, rclass = Code(Class::IN)))]
    fn from_file(py: Python<'_>, name: NameArg, path: PathBuf, rclass: Code<Class>) -> PyResult<Self> {
        let file = path.to_string_lossy().into_owned();
        call::interruptible(py, move || load(Files::new(path), &file, &name, rclass.0))
    }

    /// Load many zones, each from its file, on all cores. Returns a list in the same order: `(version, zone)`, or
    /// `(version, ZoneFileError)`, or None for a pipe and for a file that cannot be opened. Equal versions at a later time mean
    /// an unchanged zone. A version is a tuple of `(path, device, inode, size, modification time in ns)` for the file and for
    /// each file that it includes.
    #[staticmethod]
    #[pyo3(signature = (sources, *, rclass = Code(Class::IN)))]
    fn load_files(
        py: Python<'_>,
        sources: Vec<(NameArg, PathBuf)>,
        rclass: Code<Class>,
    ) -> PyResult<Vec<LoadedRow>> {
        let sources: Vec<_> = sources.into_iter().map(|(name, path)| (name.0, path)).collect();
        let loaded =
            call::interruptible(py, move || Ok::<_, Raise>(scan::load_files(&sources, &options(rclass.0))))?;
        let row = |LoadedFile { zone, files }: LoadedFile| {
            let Some(main) = files.first() else { return Ok(None) };
            let outcome = match zone {
                Ok(zone) => Py::new(py, Self::from(zone))?.into_any(),
                Err(errors) => {
                    let faults = zone_faults(&errors, &main.path.to_string_lossy());
                    Raise::Zone(faults).into_err(py).into_value(py).into_any()
                }
            };
            Ok(Some((version(py, files)?, outcome)))
        };
        loaded.into_iter().map(row).collect()
    }

    /// Check master-file text like `from_text` with all rules, without raising: `(zone or None, findings, number of all
    /// findings by id)`. Each rule has at most 100 findings. `now`: seconds since 1970, by which signatures and serials are
    /// judged; None: they are not judged.
    #[staticmethod]
    #[pyo3(signature = (name, text, *, file = "<text>", rclass = Code(Class::IN), now = None))]
    fn check_text(
        py: Python<'_>,
        name: NameArg,
        text: String,
        file: &str,
        rclass: Code<Class>,
        now: Option<u64>,
    ) -> PyResult<CheckedRow> {
        let source = Text::new(file, text);
        let check = move || Ok::<_, Raise>(check(source, &name, rclass.0, now));
        checked(py, file, call::interruptible(py, check)?)
    }

    /// Check a master file like `from_file` with all rules, without raising: see `check_text`.
    #[staticmethod]
    #[pyo3(signature = (name, path, *, rclass = Code(Class::IN), now = None))]
    fn check_file(
        py: Python<'_>,
        name: NameArg,
        path: PathBuf,
        rclass: Code<Class>,
        now: Option<u64>,
    ) -> PyResult<CheckedRow> {
        let file = path.to_string_lossy().into_owned();
        let check = move || Ok::<_, Raise>(check(Files::new(path), &name, rclass.0, now));
        checked(py, &file, call::interruptible(py, check)?)
    }

    /// The name of the zone.
    #[getter]
    fn name(&self) -> Name {
        self.inner.apex().to_name().into()
    }

    /// The serial of the SOA record.
    #[getter]
    fn serial(&self) -> u32 {
        self.inner.serial()
    }

    /// The mnemonic of its class.
    #[getter]
    fn rclass(&self) -> String {
        self.inner.class().to_string()
    }

    /// Whether its answers carry proofs: the zone has signatures and NSEC or NSEC3 records.
    #[getter]
    fn is_signed(&self) -> bool {
        self.inner.is_signed()
    }

    /// The number of octets in memory.
    #[getter]
    fn octets(&self) -> usize {
        self.inner.octets()
    }

    /// Return the RRset of `rtype` at `owner`, or None. All RRSIGs of an owner are one RRset.
    fn rrset(&self, owner: NameArg, rtype: Code<RrType>) -> Option<RRset> {
        self.inner.rrset(owner.0.as_ref(), rtype.0).map(RRset::from)
    }

    /// Return at least `limit` RRsets in canonical order, with all RRsets of each owner, starting after the owner
    /// `after` or at the start. Empty at the end. The next page starts after the last owner of this page.
    #[pyo3(signature = (after = None, limit = 1000))]
    fn page<'py>(
        &self,
        py: Python<'py>,
        after: Option<NameArg>,
        limit: usize,
    ) -> PyResult<Bound<'py, PyTuple>> {
        let sets = call::detached(py, || {
            let mut sets = Vec::new();
            for node in self.inner.nodes_after(after.as_ref().map(|after| after.0.as_ref())) {
                if sets.len() >= limit.max(1) {
                    break;
                }
                sets.extend(node.rrsets());
            }
            Ok::<_, Raise>(sets)
        })?;
        PyTuple::new(py, sets.into_iter().map(RRset::from))
    }

    /// Return the number of RRSIG records, and how many of them `older` has at the same owner.
    fn signatures(&self, py: Python<'_>, older: &Self) -> PyResult<(u64, u64)> {
        call::detached(py, || Ok::<_, Raise>(self.inner.signatures(&older.inner)))
    }

    /// Return master-file text: the SOA first, then every record in canonical order, one per line, with absolute
    /// names.
    fn to_text(&self, py: Python<'_>) -> PyResult<String> {
        call::detached(py, || Ok::<_, Raise>(self.inner.to_text()))
    }

    /// Make the zone `name` from RRsets in any order. Raises `ZoneFileError` with every fault.
    #[staticmethod]
    #[pyo3(signature = (name, rrsets, *, rclass = Code(Class::IN)))]
    fn from_rrsets(
        py: Python<'_>,
        name: NameArg,
        rrsets: Vec<PyRef<'_, RRset>>,
        rclass: Code<Class>,
    ) -> PyResult<Self> {
        let sets: Vec<Rrset> = rrsets.iter().map(|rrset| rrset.inner.clone()).collect();
        call::interruptible(py, move || {
            nw_zone::Zone::from_rrsets(name.0.as_ref(), rclass.0, &sets)
                .map(Self::from)
                .map_err(|errors| Raise::Zone(zone_faults(&errors, "")))
        })
    }

    /// Return a `ZoneEdit` for changing the zone.
    fn edit(&self) -> ZoneEdit {
        self.inner.edit().into()
    }

    /// Return what turns this zone into `newer` (RFC 1995 §2). Raises ValueError if `newer` is another zone.
    fn difference(&self, py: Python<'_>, newer: &Zone) -> PyResult<Difference> {
        self.same_zone(newer)?;
        call::detached(py, || Ok::<_, Raise>(self.inner.difference(&newer.inner).into()))
    }

    /// Return the zone after `difference`. Raises `DifferenceMismatch` if it was made from other records than those of this zone,
    /// `ZoneFileError` if the result is not a zone.
    fn apply(&self, py: Python<'_>, difference: &Difference) -> PyResult<Self> {
        call::detached(py, || self.inner.apply(&difference.inner).map(Self::from))
    }

    /// Return all records in wire form without compression, in canonical order, in chunks of at least `octets` octets.
    #[pyo3(signature = (octets = 1 << 20))]
    fn to_wire<'py>(&self, py: Python<'py>, octets: usize) -> PyResult<Vec<Bound<'py, PyBytes>>> {
        let chunks = call::detached(py, || Ok::<_, Raise>(self.inner.to_wire(octets)))?;
        Ok(chunks.iter().map(|chunk| PyBytes::new(py, chunk)).collect())
    }

    /// Make the zone `name` from the chunks of `to_wire`. Raises `WireError` for octets that are not records, `ZoneFileError` with
    /// every fault.
    #[staticmethod]
    #[pyo3(signature = (name, chunks, *, rclass = Code(Class::IN)))]
    fn from_wire(py: Python<'_>, name: NameArg, chunks: Vec<Vec<u8>>, rclass: Code<Class>) -> PyResult<Self> {
        call::interruptible(py, move || {
            nw_zone::Zone::from_wire(name.0.as_ref(), rclass.0, chunks.iter().map(Vec::as_slice))
                .map(Self::from)
        })
    }

    /// `newer` as the version that follows this one, with the numbers of RRsets added, changed and removed; None if no record
    /// differs. The SOA counts if more than its serial differs.
    ///
    /// The version shares the memory of this zone where little differs, and is `newer` otherwise. Raises ValueError if `newer` is
    /// another zone.
    fn succeed(&self, py: Python<'_>, newer: &Zone) -> PyResult<Option<(Zone, usize, usize, usize)>> {
        self.same_zone(newer)?;
        let (old, new) = (&self.inner, &newer.inner);
        let next = call::detached(py, || Ok::<_, Raise>(old.succeed(new)))?;
        Ok(next.map(|(zone, counts)| (zone.into(), counts.added, counts.changed, counts.removed)))
    }

    /// Whether so much has changed since the zone was built that `fold` is worth its time.
    #[getter]
    fn wants_fold(&self) -> bool {
        self.inner.wants_fold()
    }

    /// The same zone, built anew: changed and unchanged records are stored together again. Costs as much as loading it.
    fn fold(&self, py: Python<'_>) -> PyResult<Self> {
        let zone = self.inner.clone();
        call::interruptible(py, move || Ok::<_, Raise>(Self::from(zone.fold())))
    }

    /// This zone, which is `older.fold()`, with what has changed from `older` to `newer`; None if `newer` was not made from
    /// `older` by a few changes.
    fn rebase(&self, py: Python<'_>, older: &Zone, newer: &Zone) -> PyResult<Option<Self>> {
        call::detached(py, || Ok::<_, Raise>(self.inner.rebase(&older.inner, &newer.inner).map(Self::from)))
    }

    /// Return the reply to `query` from this zone alone (RFC 1034 §4.3.2). This is a dry run without I/O.
    ///
    /// With the transport `udp`, the UDP payload size of the query limits the reply. Raises ValueError if the
    /// question is not in the zone.
    #[pyo3(signature = (query, *, transport = "udp"))]
    fn answer(&self, py: Python<'_>, query: &Message, transport: &str) -> PyResult<Message> {
        let asked = query.view(py);
        let question = asked.question().filter(|question| {
            question.class == self.inner.class() && question.name.as_ref().is_at_or_below(self.inner.apex())
        });
        let question = question.ok_or_else(|| {
            PyValueError::new_err(format!("not a question for the zone {}", self.inner.apex()))
        })?;
        let octets =
            call::attached(py, || Ok::<_, Raise>(self.reply(&asked, &question, transport == "udp")))?;
        Ok(Message::from_valid(pyo3::types::PyBytes::new(py, &octets).unbind()))
    }

    /// The number of records.
    fn __len__(&self) -> usize {
        self.inner.len() as usize
    }

    fn __bool__(&self) -> bool {
        true
    }

    fn __repr__(&self) -> String {
        format!("<Zone {} serial {}, {} records>", self.inner.apex(), self.inner.serial(), self.inner.len())
    }
}

impl Zone {
    /// Raise ValueError unless `newer` is a version of this zone.
    fn same_zone(&self, newer: &Zone) -> PyResult<()> {
        let (old, new) = (&self.inner, &newer.inner);
        if old.apex() == new.apex() && old.class() == new.class() {
            return Ok(());
        }
        let message = format!("zone {} cannot follow zone {}", new.apex(), old.apex());
        Err(PyValueError::new_err(message))
    }

    fn reply(&self, asked: &nw_wire::Message<'_>, question: &Question, udp: bool) -> Vec<u8> {
        let opt = asked.opt();
        let limit = match (udp, &opt) {
            (false, _) => usize::from(u16::MAX),
            (true, Some(opt)) => usize::from(opt.udp_payload().min(UDP_PAYLOAD)),
            (true, None) => 512,
        };
        let mut buf = vec![0; limit];
        let mut out = Writer::new(&mut buf, limit, asked.id(), reply_flags(asked.flags()));
        out.question(question.name.as_ref(), question.rtype, question.class)
            .expect("a question fits the least message");
        // The OPT record, with space for one extended error.
        let reserved = opt.as_ref().map_or(0, |_| 11 + 4 + 2);
        out.reserve(reserved).expect("512 octets hold a question and an OPT record");
        let dnssec_ok = opt.as_ref().is_some_and(Opt::dnssec_ok);
        let outcome = self.inner.answer(
            &ZoneQuestion {
                qname: question.name.as_ref(),
                qtype: question.rtype,
                dnssec_ok,
                transport_udp: udp,
            },
            &mut out,
        );
        let flags = out.flags().with_aa(outcome.aa).with_tc(outcome.truncated).with_rcode(outcome.rcode);
        out.set_flags(flags);
        out.release();
        if opt.is_some() {
            let mut options = Vec::new();
            if let Some(code) = outcome.ede {
                EdnsOption::Ede { code, text: b"" }.write(&mut options);
            }
            let mut record = vec![0, 0, 41];
            record.extend_from_slice(&UDP_PAYLOAD.to_be_bytes());
            record.extend_from_slice(&ttl_field(outcome.rcode, 0, dnssec_ok).to_be_bytes());
            record.extend_from_slice(&(options.len() as u16).to_be_bytes());
            record.extend_from_slice(&options);
            out.raw(Section::Additional, 1, &record).expect("the room was reserved");
        }
        let length = out.finish();
        debug_assert!(length >= HEADER);
        buf.truncate(length);
        buf
    }
}

fn options(class: Class) -> LoadOptions {
    LoadOptions { class, ..LoadOptions::default() }
}

fn load(mut source: impl Source, file: &str, name: &NameArg, class: Class) -> Result<Zone, Raise> {
    scan::load(&mut source, name.0.as_ref(), &options(class))
        .map(Zone::from)
        .map_err(|errors| Raise::Zone(zone_faults(&errors, file)))
}

/// Convert errors to rows, and count those that are not listed. `file` is used for errors of the whole zone.
pub(crate) fn zone_faults(errors: &ZoneFileErrors, file: &str) -> ZoneFaults {
    let listed: Vec<Fault> = errors
        .findings
        .iter()
        .filter(|finding| finding.problem.is_error())
        .map(|finding| fault(finding, file))
        .collect();
    let more = errors.total - listed.len();
    ZoneFaults { listed, more }
}

fn check(mut source: impl Source, name: &NameArg, class: Class, now: Option<u64>) -> Checked {
    scan::check(&mut source, name.0.as_ref(), &LoadOptions { now, ..options(class) })
}

fn checked(py: Python<'_>, file: &str, checked: Checked) -> PyResult<CheckedRow> {
    let findings: Vec<Fault> = checked.findings.iter().map(|finding| fault(finding, file)).collect();
    let faults =
        py.import("namewise.engine.errors")?.call_method1("zone_faults", (PyList::new(py, findings)?,))?;
    let counts = checked.counts.into_iter().into_py_dict(py)?;
    Ok((checked.zone.map(Zone::from), faults.unbind(), counts.unbind()))
}

/// The rules of the check, as the fields of `ZoneRule`: first those of the scanner and the load check.
#[pyfunction]
pub(crate) fn zone_rules(py: Python<'_>) -> PyResult<Py<PyAny>> {
    let all = PROBLEMS.iter().chain(RULES.iter().map(|rule| &rule.facts));
    let rows: Vec<_> =
        all.map(|facts| (facts.id, facts.severity.as_str(), facts.about, facts.rfc, facts.remedy)).collect();
    let rules = py.import("namewise.engine.errors")?.call_method1("zone_rules", (PyList::new(py, rows)?,))?;
    Ok(rules.unbind())
}

/// Return the text of the zone file `path` with its records in columns, after a proof that it is the same zone `name`.
///
/// Raises `ZoneFileError` if the zone has errors, `OSError` if the file cannot be read, and `RuntimeError` if the proof fails,
/// which is a bug.
#[pyfunction]
pub(crate) fn format_zone<'py>(
    py: Python<'py>,
    name: NameArg,
    path: PathBuf,
) -> PyResult<Bound<'py, PyBytes>> {
    let file = path.to_string_lossy().into_owned();
    let formatted = call::interruptible(py, move || {
        Ok::<_, Raise>(format_file(&path, name.0.as_ref(), &LoadOptions::default()))
    })?;
    match formatted {
        Ok(text) => Ok(PyBytes::new(py, &text)),
        Err(FormatError::Zone(errors)) => Err(Raise::Zone(zone_faults(&errors, &file)).into_err(py)),
        Err(FormatError::Unreadable(reason)) => Err(PyOSError::new_err(format!("{file}: {reason}"))),
        Err(error @ FormatError::Proof(_)) => Err(PyRuntimeError::new_err(format!("{file}: {error}"))),
    }
}

fn fault(finding: &Finding, file: &str) -> Fault {
    let problem = &finding.problem;
    let facts = problem.facts();
    (
        finding.file.as_deref().unwrap_or(file).to_owned(),
        finding.line,
        finding.column,
        facts.severity.as_str(),
        facts.id,
        problem.to_string(),
        problem.expected().unwrap_or_default(),
        facts.rfc,
        facts.remedy,
    )
}
