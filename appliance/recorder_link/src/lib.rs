//! What crosses the Unix socket between supervisor and recorder.
//!
//! Each message is one frame: a 32-bit big-endian length, then that many bytes, at most
//! a fixed limit. A connection carries [`Request`]s from the supervisor, each answered
//! by one [`Reply`]; after `Reply::Live` the connection carries live frames until either
//! side closes it.
//!
//! Invariant: the desired set is declarative. Sending it twice changes nothing, and what it
//! does not name is not recorded. Deliberately absent: licenses, MAC decisions, the TPM.

mod client;
mod codec;
mod kept;
mod messages;
mod plan;

pub use client::{ClientError, LiveVideo, RecordedFile, RecorderClient};
pub use codec::{Connection, LinkError, LiveFrame, MAX_FRAME_BYTES, MAX_MIME_TYPE_BYTES};
pub use kept::{
    DiskState, DiskStatus, Event, EventKind, ExportInfo, Gap, GapCause, Recording, Span, Timeline,
};
pub use messages::{
    CameraStatus, DesiredCamera, DesiredSet, Keeping, LiveStream, RecorderRefusal, RecorderStatus,
    Reply, Request, SessionState, Transport,
};
pub use plan::{DAYS, HALF_HOURS, Keep, MAX_AFTER, MAX_BEFORE, PlanError, RecordPlan, Week, When};
