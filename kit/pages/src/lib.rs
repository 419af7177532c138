//! The visual language that box and portal share: layout, forms, tables, icons, one style
//! sheet and one small script.
//!
//! Invariants: a page works without its script; no state is said by colour alone; text that
//! comes from outside is escaped (maud does that, and nothing here undoes it); no page needs
//! an inline script or style, so that [`CONTENT_SECURITY_POLICY`] can forbid both.
//! Deliberately absent: routes, sessions, and anything that names the product.

mod assets;
mod components;
mod forms;
mod icons;
mod layout;
mod problems;
mod qr;

pub use assets::{Asset, CACHE_FOR_EVER, SCRIPT, STYLE};
pub use components::{
    Cell, DiffRow, Fact, Meter, Step, StepState, Table, Tone, code_text, diff_table, empty_state,
    event_stream, facts, meter, notice, panel, pill, stepper, table,
};
pub use forms::{
    Button, Choice, Field, FieldError, FieldKind, Form, button_link, choices, error_summary, field,
    form, inline_form, options,
};
pub use icons::{Icon, icon};
pub use layout::{Account, Layout, NavItem, error_page};
pub use maud::{Markup, PreEscaped, html};
pub use problems::{owner_words, problem_panel};
pub use qr::qr_code;

/// What a page may load: its own files, and video from memory. Nothing inline, no frames.
pub const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; style-src 'self'; \
script-src 'self'; img-src 'self' data:; media-src 'self' blob:; connect-src 'self'; \
form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/// Headers for every answer. No HSTS: with a certificate of the box's own, browsers would
/// then refuse the owner's exception.
pub const SECURITY_HEADERS: &[(&str, &str)] = &[
    ("content-security-policy", CONTENT_SECURITY_POLICY),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "same-origin"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("x-frame-options", "DENY"),
    (
        "permissions-policy",
        "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
    ),
];
