//! The head of every page: its policy, its style, and the links to the other pages.

use std::sync::LazyLock;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{PageName, Site, words};

/// The style of all pages, the only thing that a page may use.
const STYLE: &str = include_str!("../../templates/contract/pages.css");

/// The Content-Security-Policy of the pages: nothing is loaded and nothing runs; the one style is known by its hash.
pub static POLICY: LazyLock<String> = LazyLock::new(|| {
    let hash = STANDARD.encode(digest(&SHA256, STYLE.as_bytes()));
    format!("default-src 'none'; style-src 'sha256-{hash}'; img-src data:; base-uri 'none'; form-action 'none'")
});

/// A link.
#[derive(Clone, Debug)]
pub(super) struct Link {
    pub(super) href: String,
    pub(super) label: String,
    pub(super) is_here: bool,
}

/// The parts of a page that all have.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) policy: &'static str,
    pub(super) style: &'static str,
    pub(super) api: String,
    pub(super) heading: String,
    pub(super) links: Vec<Link>,
}

impl Head {
    pub(super) fn new(site: &Site<'_>, page: PageName, heading: String) -> Self {
        let link = |to: PageName, label: String| Link { href: to.name(), label, is_here: to == page };
        let mut links = vec![link(PageName::Index, "Overview".to_owned())];
        if let PageName::Channel(_) = page {
            links.push(link(page, heading.clone()));
        }
        let last = site.atlas.pages();
        links.extend((0..last).take(100).map(|position| {
            let label =
                if last == 1 { "Schemas".to_owned() } else { format!("Schemas {}", position.saturating_add(1)) };
            link(PageName::Schemas(position), label)
        }));
        Self { policy: &POLICY, style: STYLE, api: words::name(site.documentation.api), heading, links }
    }
}
