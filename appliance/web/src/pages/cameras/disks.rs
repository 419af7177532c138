//! What is said of disks of recordings that are not in use.

use sealgate_pages::{Markup, Tone, html, problem_panel};
use sealgate_words::Problem;

use crate::errors::problem;
use crate::rooms::{DiskView, Rooms};

/// A panel for each disk that takes no recordings; none where all do.
pub(super) async fn disk_troubles(rooms: &Rooms) -> Markup {
    let storage = rooms.recordings.status().await;
    // Where the recorder does not answer, each camera's row says so.
    let disks = storage.map(|storage| storage.disks).unwrap_or_default();
    let troubles: Vec<Problem> = disks.iter().filter_map(trouble).collect();
    html! { @for trouble in &troubles { (problem_panel(trouble, Tone::Bad)) } }
}

/// Why a disk is not in use; none if it is, or if nobody wants it to be.
fn trouble(disk: &DiskView) -> Option<Problem> {
    let code = match disk.state.as_str() {
        "failed" => "SG-REC-021",
        "read_only" => "SG-REC-022",
        "away" => "SG-REC-023",
        "full" => "SG-REC-024",
        "hanging" => "SG-REC-025",
        "double" => "SG-REC-026",
        "not_initialized" => "SG-REC-027",
        _ => return None,
    };
    let detail = disk.detail.as_deref().unwrap_or("no cause was given");
    Some(problem(code, &[("disk", &disk.name), ("detail", detail)]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_state_says_which_disk_and_why() {
        let of = |state: &str| {
            let disk = DiskView {
                name: "second".into(),
                state: state.into(),
                detail: Some("Input/output error (os error 5)".into()),
                free_bytes: 0,
                total_bytes: 0,
            };
            trouble(&disk)
        };
        assert_eq!(of("in_use"), None);
        let states = [
            "failed",
            "read_only",
            "away",
            "full",
            "hanging",
            "double",
            "not_initialized",
        ];
        let found: Vec<Problem> = states.iter().filter_map(|state| of(state)).collect();
        assert_eq!(found.len(), states.len());
        assert!(
            found
                .iter()
                .all(|problem| problem.cause.contains("Disk second"))
        );
        assert!(found[0].cause.contains("Input/output error"));
    }
}
