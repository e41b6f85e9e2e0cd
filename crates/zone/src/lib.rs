//! Zone-file scanner, immutable store in canonical order, lookup and answer.
