//! The wire contract of box and portal: documents, signatures, binding proofs.
