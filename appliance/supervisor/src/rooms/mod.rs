//! What the pages ask, answered: one file per room of the box.

mod video;

pub use video::Video;
