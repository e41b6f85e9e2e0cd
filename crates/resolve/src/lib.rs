//! Recursion over a World: RFC 1034 §5.3.3 as an async function.
