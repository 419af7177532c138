//! Icons of our own, drawn on a grid of 20 with a line of 1.6. Always beside a word.

use maud::{Markup, html};

/// One drawing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names say what is drawn")]
pub enum Icon {
    Mark,
    Home,
    License,
    Camera,
    Record,
    Disk,
    Chip,
    Ok,
    Warn,
    Bad,
    Info,
    Idle,
    Busy,
    Person,
    SignOut,
    Download,
    Upload,
    Play,
    Search,
    Lock,
    Plus,
    Minus,
    Arrow,
    List,
    Server,
}

impl Icon {
    fn path(self) -> &'static str {
        match self {
            Self::Mark => "M10 2l7 2.6v5c0 4.1-2.8 7-7 8.4-4.2-1.4-7-4.3-7-8.400v-5zM8 7v6l5-3z",
            Self::Home => "M3 9.500L10 3l7 6.500V17h-4.500v-5h-5v5H3z",
            Self::License => {
                "M9 15H3.500V3.500h13V9M6.5 7h7M6.5 10.500H9M16.5 13a2.5 2.5 0 1 1-5 0a2.5 2.5 0 0 1 5 0zM12.5 15.300V18l1.5-.8 1.5.8v-2.7"
            }
            Self::Camera => "M2.5 6h10.500v8H2.500zM13 9l4.5-2.300v6.600L13 11",
            Self::Record => {
                "M17 10a7 7 0 1 1-14 0a7 7 0 0 1 14 0zM12 10a2 2 0 1 1-4 0a2 2 0 0 1 4 0z"
            }
            Self::Disk => {
                "M16 5c0 1.1-2.7 2-6 2s-6-.9-6-2 2.7-2 6-2 6 .9 6 2zM4 5v10c0 1.1 2.7 2 6 2s6-.9 6-2V5M4 10c0 1.1 2.7 2 6 2s6-.9 6-2"
            }
            Self::Chip => {
                "M5 5h10v10H5zM8 8h4v4H8zM8 2v3M12 2v3M8 15v3M12 15v3M2 8h3M2 12h3M15 8h3M15 12h3"
            }
            Self::Ok => "M17 10a7 7 0 1 1-14 0a7 7 0 0 1 14 0zM6.8 10.300l2.3 2.3 4.2-4.8",
            Self::Warn => "M10 3L18 16.500H2zM10 8v4M10 14.200v.1",
            Self::Bad => "M17 10a7 7 0 1 1-14 0a7 7 0 0 1 14 0zM7.5 7.500l5 5M12.5 7.500l-5 5",
            Self::Info => "M17 10a7 7 0 1 1-14 0a7 7 0 0 1 14 0zM10 9.300v4M10 6.600v.1",
            Self::Idle => "M17 10a7 7 0 1 1-14 0a7 7 0 0 1 14 0zM7 10h6",
            Self::Busy => "M16.5 10a6.5 6.5 0 1 1-2-4.700M15 2v3.700h-3.7",
            Self::Person => {
                "M13 6.500a3 3 0 1 1-6 0a3 3 0 0 1 6 0zM3.5 17c.6-3.3 3.2-5 6.5-5s5.9 1.7 6.5 5"
            }
            Self::SignOut => "M8 3.500H3.500v13H8M12.5 6.500L16 10l-3.5 3.500M7.5 10H16",
            Self::Download => "M10 3v9.500M6 8.800l4 4 4-4M3.5 16.500h13",
            Self::Upload => "M10 13V3.500M6 7.200l4-4 4 4M3.5 16.500h13",
            Self::Play => "M6 4l10 6-10 6z",
            Self::Search => "M14 8.500a5.5 5.5 0 1 1-11 0a5.5 5.5 0 0 1 11 0zM12.5 12.500L17 17",
            Self::Lock => "M6 9V7a4 4 0 0 1 8 0v2M4 9h12v8H4zM10 12v2",
            Self::Plus => "M10 4v12M4 10h12",
            Self::Minus => "M4 10h12",
            Self::Arrow => "M4 10h12M11.5 5.500L16 10l-4.5 4.5",
            Self::List => "M7 5h10M7 10h10M7 15h10M3.5 5v.1M3.5 10v.1M3.5 15v.1",
            Self::Server => "M3 4h14v5H3zM3 11h14v5H3zM6 6.500v.1M6 13.500v.1M9 6.500h5M9 13.500h5",
        }
    }
}

/// The drawing, hidden from screen readers: the word beside it says the same.
pub fn icon(icon: Icon) -> Markup {
    html! {
        svg class="icon" viewBox="0 0 20 20" width="20" height="20" aria-hidden="true" focusable="false" {
            path d=(icon.path()) fill="none" stroke="currentColor" stroke-width="1.6"
                stroke-linecap="round" stroke-linejoin="round" {}
        }
    }
}
