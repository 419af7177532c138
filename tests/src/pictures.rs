//! The pictures that the documents show: what the journeys photographed, not what somebody
//! drew once.

use std::path::Path;

use anyhow::{Context, Result};

/// Name in the documents, and the photograph it is.
pub const PICTURES: &[(&str, &str)] = &[
    ("home.png", "home-recording-desktop.png"),
    ("home-phone.png", "home-recording-phone.png"),
    ("license.png", "license-licensed-desktop.png"),
    ("license-return.png", "license-check-desktop.png"),
    ("live-phone.png", "live-phone.png"),
    ("start-password.png", "start-password-phone.png"),
    ("start-cameras.png", "start-cameras-phone.png"),
    ("start-license.png", "start-license-phone.png"),
    ("start-done.png", "start-done-phone.png"),
];

/// Copies them from the journey's photographs into the documents' folder.
///
/// # Errors
/// A photograph was not taken, or the folder can't be written.
pub fn publish(photographs: &Path, folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder).context("make the folder of pictures")?;
    for (name, photograph) in PICTURES {
        let from = photographs.join(photograph);
        std::fs::copy(&from, folder.join(name))
            .with_context(|| format!("publish {}", from.display()))?;
    }
    eprintln!("{} pictures are in {}", PICTURES.len(), folder.display());
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// A picture that nothing makes would grow stale, one that nothing shows is in the way.
    #[test]
    fn every_picture_of_the_documents_is_made_and_shown() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let made: BTreeSet<String> = PICTURES
            .iter()
            .map(|(name, _)| (*name).to_owned())
            .collect();
        let there: BTreeSet<String> = std::fs::read_dir(root.join("docs/images"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        assert_eq!(there, made);
        let mut shown = std::fs::read_to_string(root.join("README.md")).unwrap();
        shown += &std::fs::read_to_string(root.join("docs/first-start.md")).unwrap();
        for name in &made {
            assert!(
                shown.contains(&format!("images/{name}")),
                "{name} is shown nowhere"
            );
        }
    }
}
