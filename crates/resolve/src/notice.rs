//! Events of the resolver for the log. The resolver reports each event once.

use std::fmt;

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
}

impl Notice {
    /// The notice's stable name in logs.
    pub fn slug(&self) -> &'static str {
        match self {
            Notice::ForwardingLoop(_) => "forwarding-loop",
            Notice::HintsDiffer { .. } => "root-hints-differ",
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
        }
    }
}
