//! One catalog entry, and one occurrence of it.

use serde::{Deserialize, Serialize};

/// Who can put a problem right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Owner {
    /// The person at the box or at the portal.
    You,
    /// The distributor who sold the license.
    Distributor,
    /// The vendor's support.
    Support,
    /// Nobody needs to act: it heals by itself.
    Nobody,
}

/// One kind of problem. `{name}` in a text is filled in by [`Entry::problem`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// Stable, for example `SG-LIC-010`.
    pub code: &'static str,
    /// What is wrong, naming the object.
    pub cause: &'static str,
    /// What it does to recording; says what still works.
    pub effect: &'static str,
    /// What to do.
    pub cure: &'static str,
    /// Who can do it.
    pub owner: Owner,
}

/// One occurrence, as pages, API and command line show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{code}: {cause}")]
pub struct Problem {
    /// See [`Entry::code`].
    pub code: String,
    /// See [`Entry::cause`].
    pub cause: String,
    /// See [`Entry::effect`].
    pub effect: String,
    /// See [`Entry::cure`].
    pub cure: String,
    /// See [`Entry::owner`].
    pub owner: Owner,
    /// Finds this occurrence in the log; set where a log entry was written.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reference: Option<String>,
}

impl Entry {
    /// Fills in the texts; a placeholder that `values` does not name stays visible.
    pub fn problem(&self, values: &[(&str, &str)]) -> Problem {
        let fill = |text: &str| {
            values.iter().fold(text.to_owned(), |text, (name, value)| {
                text.replace(&format!("{{{name}}}"), value)
            })
        };
        Problem {
            code: self.code.to_owned(),
            cause: fill(self.cause),
            effect: fill(self.effect),
            cure: fill(self.cure),
            owner: self.owner,
            reference: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fills_in_what_it_is_given() {
        let entry = Entry {
            code: "SG-LIC-010",
            cause: "This file is for {theirs}; this is {ours}.",
            effect: "Nothing changed.",
            cure: "Ask for the file of {ours}.",
            owner: Owner::Distributor,
        };
        let problem = entry.problem(&[("theirs", "NVR-1"), ("ours", "NVR-2")]);
        assert_eq!(problem.cause, "This file is for NVR-1; this is NVR-2.");
        assert_eq!(problem.cure, "Ask for the file of NVR-2.");
    }
}
