//! Proofs that something does not exist.

use nw_wire::{Full, RrType, Writer};

use crate::batch::TypeMask;
use crate::store::{Node, NodeFlags, Store};
use crate::suffix::LabelStarts;

/// How a zone proves that something does not exist.
#[derive(Debug, Default)]
pub(crate) enum Denial {
    /// Not at all.
    #[default]
    Unsigned,
}

impl Denial {
    pub(crate) fn of(_store: &Store, _places: &[u32], _nodes: &[(NodeFlags, TypeMask)]) -> Denial {
        Denial::Unsigned
    }
    pub(crate) fn octets(&self) -> usize {
        0
    }
}

#[derive(Debug, Default)]
pub(crate) struct Proofs;

impl Proofs {
    pub(crate) fn is_empty(&self) -> bool {
        true
    }
    pub(crate) fn expanded(&mut self, _: &Store, _: &[u8], _: &LabelStarts, _: &Node<'_>) {}
    pub(crate) fn name_error(&mut self, _: &Store, _: &[u8], _: &LabelStarts, _: &Node<'_>) {}
    pub(crate) fn no_data(&mut self, _: &Store, _: &Node<'_>, _: &[u8], _: RrType) {}
    pub(crate) fn wildcard_no_data(&mut self, _: &Store, _: &Node<'_>, _: &Node<'_>) {}
    pub(crate) fn unsigned_delegation(&mut self, _: &Store, _: &Node<'_>) {}
    pub(crate) fn write(self, _: &Store, _: &mut Writer<'_>) -> Result<(), Full> {
        Ok(())
    }
}
