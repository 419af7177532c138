//! An explicit-state model of what can become of licenses: it tries everything that an
//! owner, a power cut and a restored portal can do, in every order, to a stated depth.
//!
//! The portal's half is the portal's own rule code ([`sealgate_portal::rules`], behind
//! [`PortalRules`] so that tests can break it on purpose); the box and its TPM are small
//! models of what `docs/` and the TPM specification promise: a counter that never falls,
//! import with a cut at each step, a boot check with its grace.
//!
//! The owner is stronger than any real one: all boxes are his, every license and every
//! activation secret ever made stay with him, and he can send a request that his TPM
//! could have signed at any time before. What he could run is compared with what is
//! charged in every state; in every state, too, an honest owner must get back what he
//! had, and be rid of what he gives back.
//!
//! Numbers are small (licenses four steps apart, one to three waiting): the rules' text
//! is the same at every scale. Not modelled: time, dongles, MAC licenses, snapshots of
//! virtual TPMs.

pub mod configurations;
mod honest;
mod moves;
mod owner;
mod portal;
mod search;
mod state;

pub use configurations::Configuration;
pub use moves::{Move, Want, moves};
pub use portal::PortalRules;
pub use search::{Found, Report, explore, replay};
pub use state::{Amount, BOXES, Paper, State, TpmBox};
