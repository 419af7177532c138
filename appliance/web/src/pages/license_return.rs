//! Giving places back, step by step, and which step is next.

use sealgate_pages::Tone;
use sealgate_pages::{
    Button, Cell, Form, Icon, Markup, Step, StepState, Table, html, inline_form, panel, pill,
    stepper, table,
};

use super::words::shown_time;
use crate::rooms::{LicenseEventKind, LicenseEventView, LicenseView};

/// A smaller license is in force, and no request was made that proves it.
const UNPROVEN: &str = "SG-STA-010";
/// Nothing is left of the license.
const RETURNED: &str = "SG-STA-011";

/// Where a return is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// None was begun, as far as the box knows.
    None,
    /// The smaller license is in force; its proof is to be made.
    Prove,
    /// The proof was made; it is to be sent.
    Send,
}

fn stage(license: &LicenseView, history: &[LicenseEventView]) -> Stage {
    let is_unproven = license.state.code == UNPROVEN
        || license.notices.iter().any(|notice| notice.code == UNPROVEN);
    let newest = history
        .iter()
        .find(|event| event.kind != LicenseEventKind::Request);
    match newest.map(|event| event.kind) {
        _ if is_unproven => Stage::Prove,
        Some(LicenseEventKind::Proof) => Stage::Send,
        _ if license.state.code == RETURNED => Stage::Prove,
        _ => Stage::None,
    }
}

/// The steps of a return. `csrf` is of somebody who may make requests.
pub(super) fn returning(
    license: &LicenseView,
    history: &[LicenseEventView],
    csrf: Option<&str>,
) -> Markup {
    let stage = stage(license, history);
    let proof = history
        .iter()
        .find(|event| event.kind == LicenseEventKind::Proof);
    let body = html! {
        (stepper("Return of places", &steps(stage)))
        @match stage {
            Stage::None => {
                ol class="steps" {
                    li { div { p { "Create a request above and tell your distributor how many places you want to keep: a smaller license file comes back." } } }
                    li { div { p { "Import it. You see what changes, for example 64 → 32 places, and choose which cameras stay; the others stop when you confirm." } } }
                    li { div { p { "Create the return file here. It proves that the larger license can't be used any more." } } }
                    li { div { p { "Send it to your distributor, who confirms it: then the places are credited." } } }
                }
            }
            Stage::Prove => {
                p { "The smaller license is in force. Now create the return file: until your distributor has it, nothing is credited." }
                @if let Some(csrf) = csrf {
                    (inline_form(&Form {
                        action: "/license/request",
                        csrf,
                        file: false,
                        download: true,
                        button: Button::primary("Create return file").with(Icon::Download),
                    }, ""))
                }
            }
            Stage::Send => {
                p {
                    "This box has done its part. Send the return file to your distributor, who must confirm the credit"
                    @if let Some(proof) = proof { " (made on " (shown_time(proof.utc_ms)) ")" }
                    "."
                }
                @if let Some(proof) = proof && let Some(id) = &proof.license_id {
                    p { "Quote " strong class="mono" { (id) @if let Some(revision) = proof.revision { "/" (revision) } } "." }
                }
                @if let Some(csrf) = csrf {
                    (inline_form(&Form {
                        action: "/license/request",
                        csrf,
                        file: false,
                        download: true,
                        button: Button::secondary("Create it again").with(Icon::Download),
                    }, ""))
                }
            }
        }
    };
    if stage == Stage::None {
        panel(
            "Give places back",
            None,
            html! {},
            html! { details { summary { "How a return goes" } div class="stack" { (body) } } },
        )
    } else {
        panel("Give places back", None, html! {}, body)
    }
}

fn steps(stage: Stage) -> [Step<'static>; 4] {
    let current = match stage {
        Stage::None => 0,
        Stage::Prove => 2,
        Stage::Send => 3,
    };
    let titles = ["Order fewer", "Import", "Create return file", "Send it"];
    let mut number = 0;
    titles.map(|title| {
        let state = match number {
            it if it < current => StepState::Done,
            it if it == current && stage != Stage::None => StepState::Current,
            _ => StepState::Ahead,
        };
        number += 1;
        Step { title, state }
    })
}

/// What became of licenses on this box.
pub(super) fn history(history: &[LicenseEventView]) -> Markup {
    let rows = history
        .iter()
        .map(|event| {
            let or_dash = |value: Option<String>| value.unwrap_or_else(|| "–".to_owned());
            vec![
                Cell(html! { (shown_time(event.utc_ms)) }),
                Cell(match event.kind {
                    LicenseEventKind::Import => pill(Tone::Ok, "Imported"),
                    LicenseEventKind::Request => pill(Tone::Info, "Request made"),
                    LicenseEventKind::Proof => pill(Tone::Info, "Return file made"),
                }),
                Cell(html! { span class="mono" { (or_dash(event.license_id.clone())) } }),
                Cell(html! { (or_dash(event.revision.map(|it| it.to_string()))) }),
                Cell(html! { (or_dash(event.places.map(|it| it.to_string()))) }),
            ]
        })
        .collect();
    html! {
        @if history.is_empty() {
            p class="muted" { "Nothing was imported or requested yet." }
        } @else {
            (table(&Table {
                caption: "Licenses of this box, the newest first",
                columns: &["When", "What", "License", "Revision", "Places"],
                rows,
            }))
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use sealgate_words::catalog;

    use super::*;
    use crate::rooms::{Places, PoolsView, TpmView};

    fn license(code: &str, notices: &[&str]) -> LicenseView {
        let words = |code: &str| catalog::find(code).unwrap().problem(&[]);
        LicenseView {
            state: words(code),
            ok: true,
            license_id: None,
            revision: None,
            server: None,
            project: None,
            distributor: None,
            binding: None,
            ends_utc_ms: None,
            places: Places::default(),
            pools: PoolsView::default(),
            allowances: Vec::new(),
            tpm: TpmView::default(),
            notices: notices.iter().map(|code| words(code)).collect(),
        }
    }

    fn events(kinds: &[LicenseEventKind]) -> Vec<LicenseEventView> {
        let event = |kind: &LicenseEventKind| LicenseEventView {
            utc_ms: 0,
            kind: *kind,
            license_id: None,
            revision: None,
            places: None,
        };
        kinds.iter().map(event).collect()
    }

    #[test]
    fn says_which_step_is_next() {
        use LicenseEventKind::{Import, Proof, Request};
        for (code, notices, kinds, expected) in [
            ("SG-STA-009", &[][..], &[][..], Stage::None),
            ("SG-STA-009", &[], &[Import, Request], Stage::None),
            ("SG-STA-010", &[], &[Import, Request], Stage::Prove),
            ("SG-STA-012", &["SG-STA-010"], &[Import], Stage::Prove),
            ("SG-STA-011", &[], &[Import], Stage::Prove),
            ("SG-STA-009", &[], &[Proof, Import], Stage::Send),
            // What comes after the proof belongs to another exchange, once it is imported.
            ("SG-STA-009", &[], &[Request, Proof, Import], Stage::Send),
            ("SG-STA-009", &[], &[Import, Proof, Import], Stage::None),
        ] {
            assert_eq!(
                stage(&license(code, notices), &events(kinds)),
                expected,
                "{code} {kinds:?}"
            );
        }
    }
}
