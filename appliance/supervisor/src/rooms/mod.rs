//! What the pages ask, answered: one file per room of the box.

mod adding;
mod adding_jobs;
mod by_hand;
mod camera_rows;
mod cameras;
mod clips;
mod details;
mod gate;
mod license;
mod pending;
mod people;
mod replace;
mod steering;
mod streams;
mod video;

pub use adding_jobs::Jobs;
pub use cameras::Cameras;
pub use clips::Clips;
pub use gate::Gate;
pub use license::License;
pub use pending::Pending;
pub use people::People;
pub use steering::Steerer;
pub use video::Video;

use sealgate_web::internal_fault;
use sealgate_words::{Problem, catalog};

/// A catalog entry, filled in.
fn entry(code: &str, values: &[(&str, &str)]) -> Problem {
    catalog::find(code)
        .expect("codes of the box stand in the catalog: a test walks them")
        .problem(values)
}

/// Runs store and password work where it may block; a failure is the box's own fault.
async fn blocking<T, E>(
    operation: &'static str,
    work: impl FnOnce() -> Result<T, E> + Send + 'static,
) -> Result<T, Problem>
where
    T: Send + 'static,
    E: std::error::Error + Send + 'static,
{
    match tokio::task::spawn_blocking(work).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(internal_fault(operation, &error)),
        Err(error) => Err(internal_fault(operation, &error)),
    }
}
