//! The two fields of a new password, as every form that sets one's own has them.

use sealgate_pages::{Field, FieldError, FieldKind, Markup, field, html};

use crate::rooms::MIN_PASSWORD_CHARS;

/// `password` and `again`; `then` is what else the change does, for the hint.
pub(crate) fn new_password(then: &str, errors: &[FieldError]) -> Markup {
    let hint = format!("At least {MIN_PASSWORD_CHARS} characters. {then}");
    html! {
        (field(&Field {
            name: "password",
            label: "New password",
            hint: Some(hint.trim_end()),
            kind: FieldKind::Password,
            autocomplete: "new-password",
            ..Field::default()
        }, errors))
        (field(&Field {
            name: "again",
            label: "The same password again",
            kind: FieldKind::Password,
            autocomplete: "new-password",
            ..Field::default()
        }, errors))
    }
}
