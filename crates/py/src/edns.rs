//! `Edns` and `EdnsOption`: the OPT record of a message (RFC 6891).

use std::fmt::Write;

use nw_wire::edns::{self, Opt, push_option, ttl_field};
use nw_wire::{Ede, OptionCode, Rcode};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyTuple};

use crate::code::Code;
use crate::dict::hex;

/// The default UDP payload size of queries. Packets of this size are not fragmented on usual paths.
pub(crate) const UDP_PAYLOAD: u16 = 1232;

/// The maximum number of octets of an option. The message also needs a header, a question and the rest of OPT.
const MOST_OCTETS: usize = 65_000;

/// One EDNS option: `EdnsOption("NSID", b"")`.
#[pyclass(frozen, eq, hash, module = "namewise.engine", from_py_object)]
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct EdnsOption {
    pub(crate) code: OptionCode,
    pub(crate) octets: Vec<u8>,
}

#[pymethods]
impl EdnsOption {
    #[new]
    #[pyo3(signature = (code, data = Vec::new()))]
    fn new(code: Code<OptionCode>, data: Vec<u8>) -> PyResult<Self> {
        if data.len() > MOST_OCTETS {
            return Err(PyValueError::new_err(format!("an option of {} octets fits no message", data.len())));
        }
        Ok(Self { code: code.0, octets: data })
    }

    /// The mnemonic of the option, `OPT123` without one.
    #[getter]
    fn name(&self) -> String {
        self.code.to_string()
    }

    /// The number of the option.
    #[getter]
    fn code(&self) -> u16 {
        self.code.0
    }

    /// The octets of the option's value.
    #[getter]
    fn data<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.octets)
    }

    /// The decoded value, in the format of dig, or hex if the value is malformed.
    #[getter]
    fn text(&self) -> String {
        match edns::EdnsOption::decode(self.code, &self.octets) {
            Ok(option) => {
                let line = option.to_string();
                line.split_once(':').map_or_else(String::new, |(_, value)| value.trim_start().to_owned())
            }
            Err(_) => hex(&self.octets),
        }
    }

    /// The reason why the value is malformed, with the RFC section, or None.
    #[getter]
    fn fault(&self) -> Option<String> {
        edns::EdnsOption::decode(self.code, &self.octets).err().map(|error| error.to_string())
    }

    /// Make an option with a client's network (RFC 7871), such as `192.0.2.0/24`. Bits after the prefix are cleared.
    #[staticmethod]
    fn client_subnet(prefix: &str) -> PyResult<Self> {
        let parsed = prefix.split_once('/').and_then(|(address, length)| {
            let (address, length): (std::net::IpAddr, u8) = (address.parse().ok()?, length.parse().ok()?);
            (length <= if address.is_ipv4() { 32 } else { 128 }).then_some((address, length))
        });
        let (address, length) =
            parsed.ok_or_else(|| PyValueError::new_err(format!("{prefix:?} is not ADDRESS/LENGTH")))?;
        let mut wire = Vec::new();
        edns::EdnsOption::ClientSubnet(edns::ClientSubnet::new(address, length)).write(&mut wire);
        Ok(Self { code: OptionCode::CLIENT_SUBNET, octets: wire.split_off(4) })
    }

    /// Make an extended error (RFC 8914) with human-readable text.
    #[staticmethod]
    #[pyo3(signature = (code, text = ""))]
    fn extended_error(code: Code<Ede>, text: &str) -> PyResult<Self> {
        let octets = [&code.0.0.to_be_bytes(), text.as_bytes()].concat();
        Self::new(Code(OptionCode::EDE), octets)
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> (Bound<'py, PyAny>, (u16, Bound<'py, PyBytes>)) {
        (py.get_type::<EdnsOption>().into_any(), (self.code.0, self.data(py)))
    }

    fn __repr__(&self) -> String {
        format!("EdnsOption('{}', bytes.fromhex('{}'))", self.code, hex(&self.octets))
    }
}

/// The EDNS part of a message: `Edns(udp_payload=1232, dnssec_ok=True, options=[EdnsOption("NSID")])`.
#[pyclass(frozen, eq, hash, module = "namewise.engine", from_py_object)]
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Edns {
    pub(crate) payload: u16,
    pub(crate) extended_rcode: u8,
    pub(crate) edns_version: u8,
    pub(crate) flag_bits: u16,
    pub(crate) options: Vec<EdnsOption>,
}

type EdnsParts<'py> = (u16, u8, u8, u16, Bound<'py, PyTuple>);

/// DO (RFC 3225).
const DNSSEC_OK: u16 = 0x8000;
/// CO (RFC 9824 §5.1).
const COMPACT_OK: u16 = 0x4000;

impl Edns {
    /// Convert an OPT record of a checked message.
    pub(crate) fn from_opt(opt: &Opt<'_>) -> Self {
        let options =
            opt.raw_options().map(|(code, data)| EdnsOption { code, octets: data.to_vec() }).collect();
        Self {
            payload: opt.udp_payload(),
            extended_rcode: opt.extended_rcode(),
            edns_version: opt.version(),
            flag_bits: opt.flags(),
            options,
        }
    }

    /// Return the OPT record in wire form, with the upper bits of `rcode`. Returns None if its options fit no
    /// message.
    pub(crate) fn record(&self, rcode: u16) -> Option<Vec<u8>> {
        let mut rdata = Vec::new();
        for option in &self.options {
            push_option(&mut rdata, option.code, &option.octets);
        }
        let ttl = ttl_field(Rcode(rcode), self.edns_version, false) | u32::from(self.flag_bits);
        let mut out = vec![0, 0, 41];
        out.extend_from_slice(&self.payload.to_be_bytes());
        out.extend_from_slice(&ttl.to_be_bytes());
        out.extend_from_slice(&u16::try_from(rdata.len()).ok()?.to_be_bytes());
        out.extend_from_slice(&rdata);
        Some(out)
    }

    /// Return the lines that dig prints, without the heading and the final newline.
    pub(crate) fn dig_text(&self) -> String {
        let mut flags = String::new();
        for (bit, name) in [(DNSSEC_OK, " do"), (COMPACT_OK, " co")] {
            if self.flag_bits & bit != 0 {
                flags.push_str(name);
            }
        }
        let mut out = format!("; EDNS: version: {}, flags:{flags}; udp: {}", self.edns_version, self.payload);
        for option in &self.options {
            // Writing to a String does not fail.
            let _ = match option.text() {
                text if text.is_empty() => write!(out, "\n; {}", option.code),
                text => write!(out, "\n; {}: {text}", option.code),
            };
        }
        out
    }

    pub(crate) fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let out = PyDict::new(py);
        out.set_item("Version", self.edns_version)?;
        out.set_item("UDPsize", self.payload)?;
        out.set_item("DO", u8::from(self.dnssec_ok()))?;
        let options = self.options.iter().map(|option| {
            let one = PyDict::new(py);
            one.set_item("code", option.code.0)?;
            one.set_item("name", option.code.to_string())?;
            one.set_item("hex", hex(&option.octets))?;
            one.set_item("text", option.text())?;
            Ok(one)
        });
        out.set_item("options", options.collect::<PyResult<Vec<_>>>()?)?;
        Ok(out)
    }
}

#[pymethods]
impl Edns {
    #[new]
    #[pyo3(signature = (*, udp_payload = UDP_PAYLOAD, dnssec_ok = false, version = 0, options = Vec::new()))]
    fn new(udp_payload: u16, dnssec_ok: bool, version: u8, options: Vec<EdnsOption>) -> Self {
        let flag_bits = if dnssec_ok { DNSSEC_OK } else { 0 };
        Self { payload: udp_payload, extended_rcode: 0, edns_version: version, flag_bits, options }
    }

    /// The UDP payload size of the sender in octets (RFC 6891 §6.2.3).
    #[getter]
    fn udp_payload(&self) -> u16 {
        self.payload
    }

    /// The EDNS version. Only version 0 exists.
    #[getter]
    fn version(&self) -> u8 {
        self.edns_version
    }

    /// Whether the sender requests DNSSEC records (DO, RFC 3225).
    #[getter]
    fn dnssec_ok(&self) -> bool {
        self.flag_bits & DNSSEC_OK != 0
    }

    /// All sixteen flags (RFC 6891 §6.1.4): DO is 0x8000, CO is 0x4000 (RFC 9824 §5.1). The others must be zero.
    #[getter]
    fn flags_value(&self) -> u16 {
        self.flag_bits
    }

    /// Make an object from the values of `__reduce__`, for pickling.
    #[staticmethod]
    fn _restore(payload: u16, extended_rcode: u8, version: u8, flags: u16, options: Vec<EdnsOption>) -> Self {
        Self { payload, extended_rcode, edns_version: version, flag_bits: flags, options }
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyAny>, EdnsParts<'py>)> {
        let parts = (self.payload, self.extended_rcode, self.edns_version, self.flag_bits, self.options(py)?);
        Ok((py.get_type::<Edns>().getattr("_restore")?, parts))
    }

    /// The options in the order of the message.
    #[getter]
    fn options<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, self.options.iter().cloned())
    }

    /// Return the first option with this code, or None.
    fn option(&self, code: Code<OptionCode>) -> Option<EdnsOption> {
        self.options.iter().find(|option| option.code == code.0).cloned()
    }

    /// Return the lines of dig's OPT pseudosection, without heading and final newline.
    fn to_text(&self) -> String {
        self.dig_text()
    }

    fn __repr__(&self) -> String {
        format!("<Edns {}>", self.dig_text().replace('\n', " "))
    }
}
