//! The only crate that talks to the TPM: identity, proof, counter.
