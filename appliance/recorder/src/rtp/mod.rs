//! From RTP packets to pictures and frames of sound.
//!
//! Invariants: what is held for a stream is bounded by one picture ([`MAX_PICTURE_BYTES`]) and its
//! parameter sets, whatever arrives; no packet ends the stream but one that would exceed that; a
//! picture that lacks a packet is never given.
//!
//! [`MAX_PICTURE_BYTES`]: crate::part::MAX_PICTURE_BYTES

pub mod aac;
mod bits;
pub mod h26x;
pub mod packet;
pub mod parameter_sets;
mod picture_size;
