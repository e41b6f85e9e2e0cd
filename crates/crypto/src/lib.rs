//! Digest, HMAC, sign and verify behind one trait; the only crate that names a crypto library.
