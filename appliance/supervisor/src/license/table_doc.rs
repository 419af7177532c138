//! `docs/license-states.md`, made of the table of states and the catalog of words.

use std::fmt::Write as _;
use std::path::Path;

use sealgate_license::state::{StateKind, TRANSITIONS};
use sealgate_words::{Owner, catalog};

/// Set to anything, the document is written instead of compared.
const UPDATE: &str = "SEALGATE_UPDATE_DOCS";

fn owner(owner: Owner) -> &'static str {
    match owner {
        Owner::You => "the owner",
        Owner::Distributor => "the distributor",
        Owner::Support => "support",
        Owner::Nobody => "nobody",
    }
}

fn document() -> String {
    let mut text = String::from(
        "# The states of a license\n\n\
         Made of `kit/license/src/state/table.rs` and `kit/words/src/catalog/sta.rs`; a test\n\
         compares. To write it anew: `SEALGATE_UPDATE_DOCS=1 cargo nextest run --workspace -E\n\
         'test(the_document_of_states)'`. Every transition is driven on a software TPM in\n\
         `tests/tests/tpm/states.rs`, those of dongles and lists of addresses where these are\n\
         tested.\n\n\
         The license page, `GET /api/v1/license` and `sealgate license status` say the words below.\n\
         Parts in braces are filled in. A *notice* stands beside the state and closes nothing.\n\n\
         ## States\n",
    );
    for kind in StateKind::ALL {
        let words = catalog::find(kind.code()).expect("each state has its words");
        let _ = write!(
            text,
            "\n### {} {kind:?}\n\n\
             | | |\n|---|---|\n\
             | seen by | {} |\n\
             | channels | {} |\n\
             | cause | {} |\n\
             | effect | {} |\n\
             | cure | {} |\n\
             | by | {} |\n",
            kind.code(),
            kind.detection(),
            kind.channels().text(),
            words.cause,
            words.effect,
            words.cure,
            owner(words.owner),
        );
    }
    text.push_str(
        "\n## Transitions\n\n\
         What the TPM, the disk or the clock does to an active license, it does to a box in any\n\
         other state too; the cure then leads back to that one.\n\n\
         | from | when | to |\n|---|---|---|\n",
    );
    for line in TRANSITIONS {
        let _ = writeln!(
            text,
            "| {:?} | {} | {:?} |",
            line.from,
            line.event.text(),
            line.to
        );
    }
    text
}

#[test]
fn the_document_of_states_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/license-states.md");
    let wanted = document();
    if std::env::var_os(UPDATE).is_some() {
        std::fs::write(&path, &wanted).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == wanted,
        "docs/license-states.md is old: run this test with {UPDATE}=1"
    );
}
