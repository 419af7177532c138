//! The codes in the portal's sources, and the catalog.

use std::path::Path;

use sealgate_words::catalog;

fn sources(folder: &Path, texts: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, texts);
        } else {
            texts.push(std::fs::read_to_string(path).unwrap());
        }
    }
}

#[test]
fn every_code_that_the_portal_says_has_words() {
    let mut texts = Vec::new();
    sources(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("src"),
        &mut texts,
    );
    let mut codes = 0;
    for text in texts {
        for (position, _) in text.match_indices("\"SG-") {
            let code = text[position + 1..].split('"').next().unwrap();
            assert!(catalog::find(code).is_some(), "{code} has no words");
            codes += 1;
        }
    }
    assert!(codes > 30, "{codes}");
}
