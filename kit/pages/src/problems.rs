//! How a problem from the catalog looks.

use maud::{Markup, html};
use sealgate_words::{Owner, Problem};

use crate::components::Tone;
use crate::icons::icon;

/// Who can put it right, as an answer to 'Who?'.
pub fn owner_words(owner: Owner) -> &'static str {
    match owner {
        Owner::You => "You can do this yourself.",
        Owner::Distributor => "Your distributor.",
        Owner::Support => "Support.",
        Owner::Nobody => "Nobody needs to do anything.",
    }
}

/// Cause, effect, cure, owner, code and reference, in this order. `tone` says how bad it
/// is; only [`Tone::Bad`] interrupts a screen reader.
pub fn problem_panel(problem: &Problem, tone: Tone) -> Markup {
    html! {
        div class={ "problem " (tone.class()) } role=(if tone == Tone::Bad { "alert" } else { "status" })
            data-code=(problem.code) {
            (icon(tone.icon()))
            div {
                p class="problem-cause" { (problem.cause) }
                p { (problem.effect) }
                p { (problem.cure) }
                p class="problem-foot" {
                    span { "Who: " (owner_words(problem.owner)) }
                    span { "Code " span class="mono" { (problem.code) } }
                    @if let Some(reference) = &problem.reference {
                        span { "Reference " span class="mono" { (reference) } }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_cause_effect_cure_owner_in_this_order() {
        let problem = Problem {
            code: "SG-LIC-010".into(),
            cause: "This file is for <NVR-1>.".into(),
            effect: "Nothing changed.".into(),
            cure: "Ask for another.".into(),
            owner: Owner::Distributor,
            reference: Some("ab12".into()),
        };
        let text = problem_panel(&problem, Tone::Bad).into_string();
        let mut rest = text.as_str();
        for part in [
            "&lt;NVR-1&gt;",
            "Nothing changed.",
            "Ask for another.",
            "Your distributor.",
            "SG-LIC-010",
            "ab12",
        ] {
            let at = rest.find(part);
            assert!(at.is_some(), "{part} is missing after what comes before it");
            rest = &rest[at.unwrap_or_default()..];
        }
    }
}
