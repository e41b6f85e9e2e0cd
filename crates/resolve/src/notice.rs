//! Events of the resolver for the log. The resolver reports each event once.

use std::fmt;

use nw_wire::name::Name;

use crate::reason::LoopEnds;

/// Something that the operator has to mend, or may want to.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Notice {
    /// A forwarder sends our own queries back to us.
    ForwardingLoop(LoopEnds),
    /// The root hints differ from what the root servers say (RFC 8109 §3.3).
    HintsDiffer {
        /// One sentence for each difference.
        differences: Vec<String>,
    },
    /// A zone has revoked a key that is a trust anchor: the key itself signs the DNSKEY RRset that says so (RFC 5011 §2.1).
    AnchorRevoked {
        /// The zone.
        zone: Name,
        /// The tag of the key with its REVOKE bit.
        key_tag: u16,
    },
}

impl Notice {
    /// The zone that the notice is about, if it is one that the owner of the resolver acts for.
    pub fn zone(&self) -> Option<&Name> {
        match self {
            Notice::AnchorRevoked { zone, .. } => Some(zone),
            Notice::ForwardingLoop(_) | Notice::HintsDiffer { .. } => None,
        }
    }

    /// The notice's stable name in logs.
    pub fn slug(&self) -> &'static str {
        match self {
            Notice::ForwardingLoop(_) => "forwarding-loop",
            Notice::HintsDiffer { .. } => "root-hints-differ",
            Notice::AnchorRevoked { .. } => "anchor-revoked",
        }
    }
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Notice::ForwardingLoop(ends) => {
                write!(f, "{ends}; remove one of the two from the forwarders of the other")
            }
            Notice::HintsDiffer { differences } => {
                write!(f, "the root hints are out of date: {}", differences.join("; "))
            }
            Notice::AnchorRevoked { zone, key_tag } => {
                write!(f, "{zone} has revoked its key {key_tag}, which is a trust anchor")
            }
        }
    }
}
