//! The two files the pages load, under names that change with their content.

use std::sync::LazyLock;

/// A static file: where it is served, as what, and its bytes. It never changes under its path, so it may be kept
/// by browsers for ever.
#[derive(Debug)]
pub struct Asset {
    /// Absolute path on this host, with the digest of the content in it.
    pub path: String,
    /// The `Content-Type` to serve it with.
    pub media_type: &'static str,
    /// The file.
    pub bytes: &'static [u8],
}

const STYLESHEET: &[u8] = include_bytes!("../../assets/portcullis.css");
const LOGO: &[u8] = include_bytes!("../../assets/logo.svg");

/// The one stylesheet.
#[must_use]
pub fn stylesheet() -> &'static Asset {
    static IT: LazyLock<Asset> = LazyLock::new(|| Asset {
        path: format!("/assets/portcullis-{:08x}.css", fingerprint(STYLESHEET)),
        media_type: "text/css; charset=utf-8",
        bytes: STYLESHEET,
    });
    &IT
}

/// The mark.
#[must_use]
pub fn logo() -> &'static Asset {
    static IT: LazyLock<Asset> = LazyLock::new(|| Asset {
        path: format!("/assets/logo-{:08x}.svg", fingerprint(LOGO)),
        media_type: "image/svg+xml",
        bytes: LOGO,
    });
    &IT
}

/// FNV-1a, 32 bits: it tells one version of our own file from the next, and protects nothing.
const fn fingerprint(bytes: &[u8]) -> u32 {
    let mut hash: u32 = 0x811c_9dc5;
    let mut i = 0;
    while i < bytes.len() {
        hash = (hash ^ bytes[i] as u32).wrapping_mul(0x0100_0193);
        i += 1;
    }
    hash
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_follows_the_content() {
        assert_eq!(fingerprint(b""), 0x811c_9dc5);
        assert_eq!(fingerprint(b"a"), 0xe40c_292c);
        assert_ne!(fingerprint(STYLESHEET), fingerprint(LOGO));
        assert_eq!(stylesheet().path.len(), "/assets/portcullis-01234567.css".len());
    }

    #[test]
    fn assets_load_nothing_further() {
        let css = String::from_utf8(STYLESHEET.to_vec()).unwrap();
        for word in ["url(", "@import", "@font-face", "http:", "https:", "expression("] {
            assert!(!css.contains(word), "{word}");
        }
        let svg = String::from_utf8(LOGO.to_vec()).unwrap();
        for word in ["<script", "href", "style="] {
            assert!(!svg.contains(word), "{word}");
        }
    }

    #[test]
    fn t_clickjack_allow_cannot_be_pressed_in_its_first_half_second() {
        let css = String::from_utf8(STYLESHEET.to_vec()).unwrap();
        assert!(css.contains("--arm: 500ms"));
        assert!(css.contains("@keyframes arm { from { pointer-events: none; } }"));
    }
}
