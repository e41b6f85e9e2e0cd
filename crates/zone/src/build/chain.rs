//! The chain of NSEC or NSEC3 records. It is found before the nodes are rendered, so that the nodes can refer to it.

use nw_dnssec::{Nsec3, Nsec3Hash, Nsec3Param, nsec3};
use nw_wire::{NameRef, RrType};

use super::Input;
use super::tree::{Tree, TreeNode};
use crate::batch::TypeMask;
use crate::denial::{Denial, HashParameters, NO_LINK, Nsec3Chain, NsecChain, locate};
use crate::store::NodeFlags;
use crate::suffix::{LabelStarts, sort_key};

/// A chain whose records are identified by the numbers of their nodes.
pub(super) enum ChainPlan {
    Unsigned,
    Nsec(Vec<u32>),
    Nsec3 { parameters: HashParameters, hashes: Vec<Nsec3Hash>, nodes: Vec<u32> },
}

impl ChainPlan {
    pub(super) fn of(input: &Input<'_>, tree: &Tree) -> ChainPlan {
        let (part, apex) = tree.apex();
        if apex.types.has(TypeMask::NSEC) {
            let has =
                |node: &TreeNode| node.types.has(TypeMask::NSEC) && !node.flags.has(NodeFlags::OCCLUDED);
            return ChainPlan::Nsec(tree.nodes().filter(|node| has(node.2)).map(|node| node.0).collect());
        }
        let parameters = part
            .records(input, apex)
            .filter(|record| record.1 == RrType::NSEC3PARAM)
            .filter_map(|record| Nsec3Param::parse(record.3))
            .find(|parameters| parameters.algorithm == nsec3::SHA1);
        let Some(parameters) = parameters else { return ChainPlan::Unsigned };
        let (mut hashes, mut nodes) = (Vec::new(), Vec::new());
        for (number, part, node) in tree.nodes().filter(|node| node.2.types.has(TypeMask::NSEC3)) {
            let owner = NameRef::from_wire(part.wire(input, node)).expect("owners are valid names");
            let hash = part
                .records(input, node)
                .filter(|record| record.1 == RrType::NSEC3)
                .filter_map(|record| Nsec3::parse(owner, input.apex, record.3))
                .find(|its| {
                    (its.param.iterations, its.param.salt) == (parameters.iterations, parameters.salt)
                });
            if let Some(nsec3) = hash {
                // Canonical order of the owners is the order of the hashes (RFC 5155 §1.3), so they are already
                // sorted.
                hashes.push(nsec3.owner);
                nodes.push(number);
            }
        }
        if nodes.is_empty() {
            return ChainPlan::Unsigned;
        }
        let parameters = HashParameters { salt: parameters.salt.into(), iterations: parameters.iterations };
        ChainPlan::Nsec3 { parameters, hashes, nodes }
    }

    /// The numbers, in the chain, of the record of `wire` and of the one that matches or covers `*.wire`. None if
    /// there is no such chain.
    pub(super) fn links(&self, wire: &[u8]) -> Option<(u32, u32)> {
        let ChainPlan::Nsec3 { parameters, hashes, .. } = self else { return None };
        let name = NameRef::from_wire(wire).expect("owners are valid names");
        let own = match locate(hashes, &parameters.hash(name)) {
            Some(Ok(at)) => at as u32,
            _ => NO_LINK,
        };
        let wildcard = name.with_label(b"*").and_then(|wildcard| {
            let (Ok(at) | Err(at)) = locate(hashes, &parameters.hash(wildcard.as_ref()))?;
            Some(at as u32)
        });
        Some((own, wildcard.unwrap_or(NO_LINK)))
    }

    /// The chain with the places of the nodes instead of their numbers.
    pub(super) fn finish(self, input: &Input<'_>, tree: &Tree, places: &[u32]) -> Denial {
        let placed = |nodes: Vec<u32>| nodes.into_iter().map(|node| places[node as usize]).collect();
        match self {
            ChainPlan::Unsigned => Denial::Unsigned,
            ChainPlan::Nsec(nodes) => {
                let key = |&number: &u32| {
                    let (part, node) = tree.node(number);
                    let wire = part.wire(input, node);
                    sort_key(wire, &LabelStarts::of(wire), input.apex_labels)
                };
                Denial::Nsec(NsecChain { keys: nodes.iter().map(key).collect(), places: placed(nodes) })
            }
            ChainPlan::Nsec3 { parameters, hashes, nodes } => {
                Denial::Nsec3(Nsec3Chain { parameters, hashes: hashes.into(), places: placed(nodes) })
            }
        }
    }
}
