//! Files whose address changes with their content, so that browsers may keep them for ever.

use std::sync::LazyLock;

use sha2::{Digest, Sha256};

/// `Cache-Control` for an [`Asset`].
pub const CACHE_FOR_EVER: &str = "public, max-age=31536000, immutable";

/// The style sheet of every page.
pub static STYLE: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new(
        "pages",
        "css",
        "text/css; charset=utf-8",
        include_str!("../assets/pages.css"),
    )
});

/// The script of every page; pages work without it.
pub static SCRIPT: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new(
        "pages",
        "js",
        "text/javascript; charset=utf-8",
        include_str!("../assets/pages.js"),
    )
});

/// One static file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asset {
    file_name: String,
    content_type: &'static str,
    body: &'static str,
}

impl Asset {
    /// A file with the hash of its content in its name.
    pub fn new(
        stem: &str,
        extension: &str,
        content_type: &'static str,
        body: &'static str,
    ) -> Self {
        let hash: String = Sha256::digest(body)
            .iter()
            .take(8)
            .map(|byte| format!("{byte:02x}"))
            .collect();
        Self {
            file_name: format!("{stem}-{hash}.{extension}"),
            content_type,
            body,
        }
    }

    /// Its name, for example `pages-0123456789abcdef.css`.
    pub fn file_name(&self) -> &str {
        &self.file_name
    }

    /// Where pages load it from: serve it there.
    pub fn url(&self) -> String {
        format!("/static/{}", self.file_name)
    }

    /// Its media type.
    pub fn content_type(&self) -> &'static str {
        self.content_type
    }

    /// Its content.
    pub fn body(&self) -> &'static str {
        self.body
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_follows_the_content() {
        let one = Asset::new("a", "js", "text/javascript", "1");
        let two = Asset::new("a", "js", "text/javascript", "2");
        assert_ne!(one.url(), two.url());
        assert_eq!(one.file_name().len(), "a-0123456789abcdef.js".len());
    }

    #[test]
    fn nothing_is_loaded_from_elsewhere() {
        for asset in [&STYLE, &SCRIPT] {
            for scheme in ["http:", "https:", "//cdn", "@import"] {
                assert!(!asset.body().contains(scheme), "{scheme}");
            }
        }
    }
}
