//! RTSP in, fragmented MP4 to disk and to viewers, retention.
//!
//! One task per desired camera polls its session ([`channel`]); one thread writes all
//! recordings ([`writer`]); one deletes the oldest before the disk is full ([`retention`]).
//! The supervisor asks over a Unix socket ([`server`]).
//!
//! Invariants: only what is desired is recorded; a session never waits for the disk or a viewer;
//! everything that waits is bounded; a recording is whole up to its last part, and readable
//! without the index. Deliberately absent: licenses, MAC decisions, the TPM, audio, and any
//! network access but to the desired cameras.

pub mod backoff;
pub mod boxes;
pub mod channel;
pub mod config;
pub mod format;
pub mod index;
pub mod layout;
pub mod live;
pub mod part;
pub mod recorder;
pub mod recording;
pub mod retention;
pub mod scan;
pub mod server;
pub mod sessions;
pub mod source;
pub mod timeline;
pub mod writer;

pub use config::{Config, ConfigError};
pub use recorder::{Recorder, Settings, SourceFactory, StartError};
pub use server::{ServeError, Server};
pub use source::RtspSource;
