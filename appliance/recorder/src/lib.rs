//! RTSP in, fragmented MP4 to disk and to viewers, retention.
//!
//! One task per desired camera takes its session's pictures and sound ([`channel`]), on a few
//! threads that read many cameras in one turn ([`sessions`]); a plan decides what becomes of its
//! parts ([`keeper`]). Each disk has a thread that writes ([`writer`]) and one that deletes the
//! oldest before it is full ([`care`]). A smaller stream is fetched while somebody watches it
//! ([`sub_stream`]). The supervisor asks over a Unix socket ([`server`]), also for what was
//! recorded.
//!
//! Invariants: only what is desired is recorded; a session never waits for the disk or a viewer;
//! everything that waits is bounded; a recording is whole up to its last part, and readable
//! without the index. Deliberately absent: licenses, MAC decisions, the TPM, and any network
//! access but to the desired cameras.

pub mod backoff;
mod box_reader;
pub mod boxes;
pub mod care;
pub mod channel;
pub mod codecs;
pub mod config;
pub mod disk;
pub mod disks;
pub mod export;
pub mod feed;
pub mod flac;
pub mod format;
pub mod fragments;
pub mod g711;
pub mod group;
pub mod history;
pub mod index;
pub mod keeper;
pub mod layout;
pub mod live;
pub mod marks;
pub mod movie;
pub mod part;
pub mod plan;
pub mod playback;
pub mod preroll;
pub mod recorder;
pub mod recording;
pub mod reorder;
pub mod retention;
pub mod rtp;
pub mod rtsp;
pub mod scan;
pub mod server;
pub mod sessions;
pub mod sound;
pub mod source;
pub mod sub_stream;
pub mod threads;
pub mod timeline;
pub mod viewer;
pub mod writer;

pub use config::{Config, ConfigError};
pub use recorder::{Recorder, Settings, SourceFactory, StartError};
pub use rtsp::RtspSource;
pub use server::{ServeError, Server};
