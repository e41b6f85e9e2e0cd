//! A signer that does no arithmetic, for tests of what is signed and not how.

use nw_crypto::{Algorithm, SignError, Signer};

pub(crate) struct Stamp;

impl Signer for Stamp {
    fn algorithm(&self) -> Algorithm {
        Algorithm::ED25519
    }

    fn public_key(&self) -> &[u8] {
        &[0; 32]
    }

    fn sign(&self, _message: &[u8], signature: &mut Vec<u8>) -> Result<(), SignError> {
        signature.extend_from_slice(b"stamp");
        Ok(())
    }
}
