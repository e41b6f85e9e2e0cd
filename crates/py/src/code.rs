//! The registries, as types for arguments and as dictionaries, so that Python needs no second table.

use nw_wire::{Class, Ede, Opcode, OptionCode, Rcode, RrType};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};

/// An argument that is a number, a mnemonic or the generic form (RFC 3597 §5), in any case.
pub(crate) struct Code<T>(pub(crate) T);

macro_rules! code_arguments {
    ($($type:ident($repr:ty) = $what:literal;)*) => {$(
        impl<'py> FromPyObject<'_, 'py> for Code<$type> {
            type Error = PyErr;

            fn extract(given: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
                if let Ok(text) = given.cast::<PyString>() {
                    let text = text.to_cow()?;
                    return text
                        .parse()
                        .map(Code)
                        .map_err(|_| PyValueError::new_err(format!(concat!("{:?} is not ", $what), text)));
                }
                match given.extract::<$repr>() {
                    Ok(number) => Ok(Code($type(number))),
                    Err(error) if error.is_instance_of::<PyTypeError>(given.py()) => {
                        Err(PyTypeError::new_err(concat!("expected ", $what, ", as a mnemonic or a number")))
                    }
                    Err(_) => Err(PyValueError::new_err(format!(concat!("{} is not ", $what), given.str()?))),
                }
            }
        }
    )*};
}

code_arguments! {
    RrType(u16) = "an RR type";
    Class(u16) = "a class";
    Opcode(u8) = "an opcode";
    Rcode(u16) = "a response code";
    OptionCode(u16) = "an EDNS option";
    Ede(u16) = "an extended error";
}

/// Return a registry (`types`, `classes`, `opcodes`, `rcodes`, `ede`, `options`) as a dictionary from number to
/// mnemonic. For `ede` the mnemonic is the registry's purpose text (RFC 8914 §5.2).
#[pyfunction]
pub(crate) fn registry<'py>(py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyDict>> {
    let table = PyDict::new(py);
    macro_rules! fill {
        ($type:ident) => {
            for (code, mnemonic) in $type::NAMED {
                table.set_item(code.0, *mnemonic)?;
            }
        };
    }
    match name {
        "types" => fill!(RrType),
        "classes" => fill!(Class),
        "opcodes" => fill!(Opcode),
        "rcodes" => fill!(Rcode),
        "ede" => fill!(Ede),
        "options" => fill!(OptionCode),
        _ => return Err(PyValueError::new_err(format!("no registry is named {name:?}"))),
    }
    Ok(table)
}

/// Return the number of an RR type that is given as a mnemonic or as `TYPE123`. Raises ValueError.
#[pyfunction]
pub(crate) fn type_value(name: Code<RrType>) -> u16 {
    name.0.0
}

/// Return the mnemonic of an RR type, or `TYPE123` if it has none.
#[pyfunction]
pub(crate) fn type_name(value: u16) -> String {
    RrType(value).to_string()
}
