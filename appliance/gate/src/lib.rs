//! Decides which cameras may stream, and why not; pure.
