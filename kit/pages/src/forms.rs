//! Forms that work without a script and say every error at once.

use maud::{Markup, html};

use crate::icons::{Icon, icon};

/// One thing that is wrong with one field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldError {
    /// The field's id.
    pub field: &'static str,
    /// What is wrong, as a sentence.
    pub message: String,
}

/// What is wrong, above the form, each line leading to its field.
pub fn error_summary(errors: &[FieldError]) -> Markup {
    html! {
        @if !errors.is_empty() {
            div class="problem bad" role="alert" tabindex="-1" autofocus {
                (icon(Icon::Bad))
                div {
                    p class="problem-cause" { "Please look at " @if errors.len() == 1 { "this field" } @else { "these fields" } ":" }
                    ul { @for error in errors { li { a href={ "#" (error.field) } { (error.message) } } } }
                }
            }
        }
    }
}

/// What is typed into a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldKind<'a> {
    /// One line.
    Text,
    /// One line, hidden.
    Password,
    /// An address.
    Url,
    /// A whole number, at least this.
    Number {
        /// The least.
        min: i64,
    },
    /// Many lines.
    Lines,
    /// A file with one of these suffixes, for example `.lic`.
    File {
        /// As in the `accept` attribute.
        accept: &'a str,
    },
}

/// One field of a form.
#[derive(Debug, Clone, Copy)]
pub struct Field<'a> {
    /// Its id and its name in the request.
    pub name: &'static str,
    /// What it asks for.
    pub label: &'a str,
    /// A sentence of help, if it needs one.
    pub hint: Option<&'a str>,
    /// What is typed.
    pub kind: FieldKind<'a>,
    /// What stands there already.
    pub value: &'a str,
    /// As in the `autocomplete` attribute, for example `current-password`.
    pub autocomplete: &'a str,
    /// It must not stay empty.
    pub required: bool,
}

impl Default for Field<'_> {
    fn default() -> Self {
        Self {
            name: "",
            label: "",
            hint: None,
            kind: FieldKind::Text,
            value: "",
            autocomplete: "off",
            required: true,
        }
    }
}

/// The field with label, hint and, if `errors` names it, what is wrong.
pub fn field(field: &Field<'_>, errors: &[FieldError]) -> Markup {
    let error = errors.iter().find(|error| error.field == field.name);
    let hint_id = format!("{}-hint", field.name);
    let error_id = format!("{}-error", field.name);
    let described = match (field.hint.is_some(), error.is_some()) {
        (true, true) => Some(format!("{hint_id} {error_id}")),
        (true, false) => Some(hint_id.clone()),
        (false, true) => Some(error_id.clone()),
        (false, false) => None,
    };
    let kind = match field.kind {
        FieldKind::Text | FieldKind::Lines => "text",
        FieldKind::Password => "password",
        FieldKind::Url => "url",
        FieldKind::Number { .. } => "number",
        FieldKind::File { .. } => "file",
    };
    let accept = match field.kind {
        FieldKind::File { accept } => Some(accept),
        _ => None,
    };
    let min = match field.kind {
        FieldKind::Number { min } => Some(min),
        _ => None,
    };
    // What was typed as a password never comes back; a file can't.
    let value = (!matches!(field.kind, FieldKind::Password | FieldKind::File { .. })
        && !field.value.is_empty())
    .then_some(field.value);
    html! {
        div class={ "field" @if error.is_some() { " wrong" } } {
            label for=(field.name) { (field.label) @if !field.required { span class="muted" { " (optional)" } } }
            @if let Some(hint) = field.hint { p class="hint" id=(hint_id) { (hint) } }
            @if let Some(error) = error { p class="field-error" id=(error_id) { (icon(Icon::Bad)) (error.message) } }
            @if field.kind == FieldKind::Lines {
                textarea id=(field.name) name=(field.name) rows="8" autocomplete=(field.autocomplete)
                    required[field.required] aria-describedby=[described]
                    aria-invalid=[error.map(|_| "true")] { (field.value) }
            } @else {
                input id=(field.name) name=(field.name) type=(kind) value=[value] accept=[accept] min=[min]
                    autocomplete=(field.autocomplete) autocapitalize="none" spellcheck="false"
                    required[field.required] aria-describedby=[described]
                    aria-invalid=[error.map(|_| "true")];
            }
        }
    }
}

/// One of several things to choose.
#[derive(Debug, Clone, Copy)]
pub struct Choice<'a> {
    /// Its value in the request.
    pub value: &'a str,
    /// What it is.
    pub label: &'a str,
    /// A sentence of help, if it needs one.
    pub hint: Option<&'a str>,
    /// It is chosen already.
    pub chosen: bool,
}

/// One of several, as a list that opens.
pub fn options(name: &str, label: &str, choices: &[Choice<'_>]) -> Markup {
    html! {
        div class="field" {
            label for=(name) { (label) }
            select id=(name) name=(name) {
                @for choice in choices {
                    option value=(choice.value) selected[choice.chosen] { (choice.label) }
                }
            }
        }
    }
}

/// Any of several: each chosen one is a field of its own name with the value `on`.
pub fn choices(legend: &str, choices: &[Choice<'_>]) -> Markup {
    html! {
        fieldset class="ticks" {
            legend { (legend) }
            @for choice in choices {
                label class="tick" {
                    input type="checkbox" name=(choice.value) checked[choice.chosen];
                    span {
                        (choice.label)
                        @if let Some(hint) = choice.hint { span class="hint" { (hint) } }
                    }
                }
            }
        }
    }
}

/// The button that sends a form.
#[derive(Debug, Clone, Copy)]
pub struct Button<'a> {
    /// What it does, as a verb.
    pub label: &'a str,
    /// Drawn before it.
    pub icon: Option<Icon>,
    /// `primary`, `secondary` or `danger`.
    pub class: &'static str,
}

impl<'a> Button<'a> {
    /// What the page is for.
    pub fn primary(label: &'a str) -> Self {
        Self {
            label,
            icon: None,
            class: "primary",
        }
    }

    /// Anything else.
    pub fn secondary(label: &'a str) -> Self {
        Self {
            label,
            icon: None,
            class: "secondary",
        }
    }

    /// Something that stops or removes.
    pub fn danger(label: &'a str) -> Self {
        Self {
            label,
            icon: None,
            class: "danger",
        }
    }

    /// With a drawing before it.
    pub fn with(self, icon: Icon) -> Self {
        Self {
            icon: Some(icon),
            ..self
        }
    }

    fn draw(&self, about: Option<&str>) -> Markup {
        html! {
            button type="submit" class={ "button " (self.class) } {
                @if let Some(drawing) = self.icon { (icon(drawing)) }
                (self.label)
                @if let Some(about) = about { span class="unseen" { " " (about) } }
            }
        }
    }
}

/// A link that looks like a button: for going somewhere, not for changing anything.
pub fn button_link(href: &str, button: Button<'_>) -> Markup {
    html! {
        a class={ "button " (button.class) } href=(href) {
            @if let Some(drawing) = button.icon { (icon(drawing)) }
            (button.label)
        }
    }
}

/// A form of its own.
#[derive(Debug, Clone, Copy)]
pub struct Form<'a> {
    /// Where it goes, by POST.
    pub action: &'a str,
    /// Proves that the page it comes from is ours.
    pub csrf: &'a str,
    /// It carries a file.
    pub file: bool,
    /// The answer is a file, so the page stays and the button must work again.
    pub download: bool,
    /// Sends it.
    pub button: Button<'a>,
}

/// Fields below each other, then the button.
pub fn form(form: &Form<'_>, fields: Markup) -> Markup {
    html! {
        form class="form" method="post" action=(form.action)
            enctype=[form.file.then_some("multipart/form-data")]
            data-download[form.download] {
            input type="hidden" name="csrf" value=(form.csrf);
            (fields)
            div class="actions" { (form.button.draw(None)) }
        }
    }
}

/// A form that is only its button, for a row of a table. `about` names the row's object
/// for screen readers.
pub fn inline_form(form: &Form<'_>, about: &str) -> Markup {
    html! {
        form class="inline" method="post" action=(form.action) data-download[form.download] {
            input type="hidden" name="csrf" value=(form.csrf);
            (form.button.draw(Some(about)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_tied_to_its_field_and_a_password_never_returns() {
        let errors = [FieldError {
            field: "password",
            message: "Too <short>.".into(),
        }];
        let text = field(
            &Field {
                name: "password",
                label: "Password",
                hint: Some("At least 12 characters."),
                kind: FieldKind::Password,
                value: "secret",
                ..Field::default()
            },
            &errors,
        )
        .into_string();
        assert!(text.contains("aria-describedby=\"password-hint password-error\""));
        assert!(text.contains("aria-invalid=\"true\""));
        assert!(text.contains("Too &lt;short&gt;."));
        assert!(!text.contains("secret"));
        assert!(
            error_summary(&errors)
                .into_string()
                .contains("href=\"#password\"")
        );
        assert_eq!(error_summary(&[]).into_string(), "");
    }

    #[test]
    fn every_form_carries_its_proof() {
        let form_of = Form {
            action: "/x",
            csrf: "proof",
            file: true,
            download: false,
            button: Button::primary("Send"),
        };
        for text in [
            form(&form_of, html! {}).into_string(),
            inline_form(&form_of, "Dock").into_string(),
        ] {
            assert!(text.contains("name=\"csrf\" value=\"proof\""), "{text}");
        }
    }
}
