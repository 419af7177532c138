//! What stands around every page.

use maud::{DOCTYPE, Markup, html};
use sealgate_words::Problem;

use crate::assets::{Asset, SCRIPT, STYLE};
use crate::components::Tone;
use crate::forms::{Button, button_link};
use crate::icons::{Icon, icon};
use crate::problems::problem_panel;

/// One entry of the navigation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NavItem {
    /// Where it leads.
    pub href: &'static str,
    /// One word.
    pub label: &'static str,
    /// Drawn before or above it.
    pub icon: Icon,
}

/// Who is signed in, and how they sign out.
#[derive(Debug, Clone, Copy)]
pub struct Account<'a> {
    /// Their name.
    pub name: &'a str,
    /// Their own page; empty where there is none.
    pub href: &'a str,
    /// Where the sign-out form goes, by POST.
    pub sign_out: &'a str,
    /// Its proof.
    pub csrf: &'a str,
}

/// The frame of a page.
#[derive(Debug, Clone, Copy)]
pub struct Layout<'a> {
    /// The page's one heading.
    pub title: &'a str,
    /// The product's name.
    pub product: &'a str,
    /// What this installation is called.
    pub place: &'a str,
    /// The navigation; empty before sign-in.
    pub nav: &'a [NavItem],
    /// The `href` of the entry this page belongs to.
    pub current: &'a str,
    /// Who is signed in.
    pub account: Option<Account<'a>>,
    /// Scripts besides the common one.
    pub scripts: &'a [&'a Asset],
    /// A column for reading and typing instead of the full width.
    pub narrow: bool,
    /// Seconds after which the script refreshes the page's parts; none for pages that stay.
    pub refresh_s: Option<u32>,
    /// What the page is for, behind the word Help; none for pages without.
    pub help: Option<&'a str>,
    /// One line below everything, for example version and serial number.
    pub footer: &'a str,
}

impl Layout<'_> {
    /// The whole page. `lead` stands between heading and body.
    pub fn render(&self, lead: Option<Markup>, body: Markup) -> Markup {
        html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    title { (self.title) " · " (self.place) " · " (self.product) }
                    link rel="icon" href="data:,";
                    link rel="stylesheet" href=(STYLE.url());
                    script type="module" src=(SCRIPT.url()) {}
                    @for script in self.scripts { script type="module" src=(script.url()) {} }
                }
                body {
                    a class="skip" href="#main" { "Skip to content" }
                    (self.header())
                    main id="main" class=[self.narrow.then_some("narrow")] data-refresh=[self.refresh_s] {
                        h1 { (self.title) }
                        @if let Some(lead) = lead { div class="lead" { (lead) } }
                        @if let Some(help) = self.help {
                            details class="help" { summary { "Help" } p { (help) } }
                        }
                        p class="stale" data-stale hidden { (icon(Icon::Warn)) span {} }
                        (body)
                    }
                    footer class="foot" { (self.footer) }
                }
            }
        }
    }

    fn header(&self) -> Markup {
        html! {
            header class="top" {
                div class="top-in" {
                    a class="brand" href="/" {
                        (icon(Icon::Mark))
                        span class="brand-name" { (self.product) }
                        span class="brand-place" { (self.place) }
                    }
                    @if !self.nav.is_empty() {
                        nav aria-label="Main" { ul {
                            @for item in self.nav {
                                li { a href=(item.href) aria-current=[(item.href == self.current).then_some("page")] {
                                    (icon(item.icon)) span { (item.label) }
                                } }
                            }
                        } }
                    }
                    @if let Some(account) = self.account {
                        form class="account" method="post" action=(account.sign_out) {
                            input type="hidden" name="csrf" value=(account.csrf);
                            @if account.href.is_empty() {
                                span class="account-name" { (icon(Icon::Person)) (account.name) }
                            } @else {
                                a class="account-name" href=(account.href) { (icon(Icon::Person)) span { (account.name) } }
                            }
                            button type="submit" class="quiet" { (icon(Icon::SignOut)) "Sign out" }
                        }
                    }
                }
            }
        }
    }
}

/// A page that only says what is wrong, with a way back.
pub fn error_page(layout: &Layout<'_>, problem: &Problem, back: &str, back_label: &str) -> Markup {
    layout.render(
        None,
        html! {
            (problem_panel(problem, Tone::Bad))
            p { (button_link(back, Button::secondary(back_label))) }
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout<'a>() -> Layout<'a> {
        Layout {
            title: "Cameras",
            product: "Product",
            place: "<b>NVR",
            nav: &[
                NavItem {
                    href: "/",
                    label: "Home",
                    icon: Icon::Home,
                },
                NavItem {
                    href: "/cameras",
                    label: "Cameras",
                    icon: Icon::Camera,
                },
            ],
            current: "/cameras",
            account: Some(Account {
                href: "/account",
                name: "owner",
                sign_out: "/sign-out",
                csrf: "proof",
            }),
            scripts: &[],
            narrow: false,
            refresh_s: Some(5),
            help: Some("What <cameras> are."),
            footer: "Version 1",
        }
    }

    #[test]
    fn nothing_is_inline() {
        let text = layout().render(None, html! { p { "body" } }).into_string();
        assert!(!text.contains(" style="), "{text}");
        assert!(!text.contains("<style"), "{text}");
        assert!(!text.contains(" onclick="), "{text}");
        for script in text.split("<script").skip(1) {
            assert!(script.contains("src=\"/static/"), "{script}");
            assert!(script.contains("></script>"), "{script}");
        }
    }

    #[test]
    fn one_heading_one_current_entry_and_the_place_is_text() {
        let text = layout().render(None, html! {}).into_string();
        assert_eq!(text.matches("<h1>").count(), 1);
        assert_eq!(text.matches("aria-current=\"page\"").count(), 1);
        assert!(text.contains("&lt;b&gt;NVR"));
        assert!(text.contains("<summary>Help</summary><p>What &lt;cameras&gt; are.</p>"));
    }
}
