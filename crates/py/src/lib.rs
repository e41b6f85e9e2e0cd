//! The border to Python: thin, no logic.
