//! What the license allows: System, Failover, Local, as the distributor's papers say it.

use sealgate_pages::{
    Cell, Fact, Markup, Meter, Table, Tone, code_text, facts, html, meter, panel, table,
};

use super::words::shown_time;
use crate::rooms::{Allowance, LicenseBinding, LicenseView, PoolView};

/// Servers that stand in for others.
const FAILOVER: &str = "failover";

/// The three parts, one below the other.
pub(super) fn places(license: &LicenseView) -> Markup {
    let (failover, local): (Vec<_>, Vec<_>) = license
        .allowances
        .iter()
        .partition(|allowance| allowance.kind == FAILOVER);
    html! {
        (panel("System", None, html! {}, system(license)))
        div class="columns" {
            (panel("Failover", None, html! {}, allowances(&failover,
                "Servers that stand in for another one when it fails.",
                "The license has no failover servers.")))
            (panel("Local", None, html! {}, allowances(&local,
                "What this box may do besides recording cameras.",
                "The license allows nothing besides camera places.")))
        }
    }
}

fn binding_words(binding: Option<LicenseBinding>) -> &'static str {
    match binding {
        Some(LicenseBinding::Tpm) => "The TPM of this box (software license)",
        Some(LicenseBinding::Dongle) => "A dongle (dongle license)",
        Some(LicenseBinding::Mac) => "The cameras on its list (MAC license)",
        None => "No license is in force",
    }
}

fn system(license: &LicenseView) -> Markup {
    let places = license.places;
    html! {
        (meter(Meter {
            label: "Camera places",
            value: &format!("{} of {} used, {} free", places.used, places.total, places.free),
            share: f64::from(places.used) / f64::from(places.total.max(1)),
            tone: if license.ok { Tone::Ok } else { Tone::Idle },
        }))
        (table(&Table {
            caption: "Camera places: bought, used and unused",
            columns: &["", "Purchased", "Used, own brand", "Used, other brand", "Free other-brand places", "Unused"],
            rows: rows(license),
        }))
        (facts(&[
            Fact { name: "Bound to", value: Some(html! { (binding_words(license.binding)) }) },
            Fact { name: "License", value: license.license_id.as_deref().map(code_text) },
            Fact { name: "Revision", value: license.revision.map(|revision| html! { (revision) }) },
            Fact {
                name: "Ends",
                value: license.license_id.as_ref().map(|_| html! {
                    @match license.ends_utc_ms { Some(end) => (shown_time(end)), None => "Never" }
                }),
            },
            Fact { name: "Server", value: text(license.server.as_ref()) },
            Fact { name: "Project", value: text(license.project.as_ref()) },
            Fact { name: "Distributor", value: text(license.distributor.as_ref()) },
        ]))
    }
}

/// One row for what any camera may hold, one for a list of cameras where there is one.
fn rows(license: &LicenseView) -> Vec<Vec<Cell>> {
    let pools = license.pools;
    let (own, other, free) = (pools.camera, pools.other_brand, pools.other_brand_free);
    let mut rows = vec![row(
        "System",
        PoolView {
            total: own.total + other.total,
            used: own.used + other.used,
        },
        own.used,
        // Free places come first, as far as there are any.
        other.used + free.used,
        html! { (free.used) " of " (free.total) " used" },
    )];
    if pools.listed.total > 0 {
        rows.push(row(
            "Listed cameras",
            pools.listed,
            pools.listed.used,
            0,
            html! { "–" },
        ));
    }
    rows
}

fn row(name: &str, bought: PoolView, own: u32, other: u32, free: Markup) -> Vec<Cell> {
    vec![
        Cell(html! { (name) }),
        Cell(html! { (bought.total) }),
        Cell(html! { (own) }),
        Cell(html! { (other) }),
        Cell(free),
        Cell(html! { (bought.total.saturating_sub(bought.used)) }),
    ]
}

fn allowances(allowances: &[&Allowance], lead: &str, none: &str) -> Markup {
    html! {
        @if allowances.is_empty() {
            p class="muted" { (none) }
        } @else {
            p class="muted" { (lead) }
            (table(&Table {
                caption: lead,
                columns: &["What", "Purchased"],
                rows: allowances
                    .iter()
                    .map(|it| vec![Cell(html! { (it.label) }), Cell(html! { (it.count) })])
                    .collect(),
            }))
        }
    }
}

fn text(value: Option<&String>) -> Option<Markup> {
    value.map(|value| html! { (value) })
}
