//! A report, as the readers of its JSON see it.

use std::collections::HashMap;

use serde_json::Value;

/// A report, as its readers see it.
#[derive(Debug)]
pub(crate) struct Seen(pub(crate) Value);

impl Seen {
    /// A number under `part.name`.
    #[track_caller]
    pub(crate) fn number(&self, part: &str, name: &str) -> u64 {
        self.0[part][name].as_u64().unwrap_or_else(|| panic!("no {part}.{name}: {self}"))
    }

    #[track_caller]
    pub(crate) fn messages(&self, name: &str) -> u64 {
        self.number("messages", name)
    }

    #[track_caller]
    pub(crate) fn connections(&self, name: &str) -> u64 {
        self.number("connections", name)
    }

    pub(crate) fn outcome(&self) -> &str {
        self.0["verdict"]["outcome"].as_str().unwrap()
    }

    pub(crate) fn reasons(&self) -> Vec<&str> {
        self.0["verdict"]["reasons"].as_array().unwrap().iter().map(|reason| reason.as_str().unwrap()).collect()
    }

    /// The number of times that each reason was given, whatever was being done.
    pub(crate) fn errors(&self) -> HashMap<String, u64> {
        let errors = self.0["errors"].as_array().unwrap().iter();
        errors.map(|one| (one["reason"].as_str().unwrap().to_owned(), one["count"].as_u64().unwrap())).collect()
    }

    /// Nothing was wrong with the target. On a host that is busy with other things, the generator may have been slow.
    #[track_caller]
    pub(crate) fn is_sound(&self) {
        assert_ne!(self.outcome(), "failed", "{self}");
        let blamed = |reason: &&str| reason.contains("generator");
        assert!(self.reasons().iter().all(blamed), "{self}");
        assert_eq!(self.errors(), HashMap::new(), "{self}");
        if self.0["messages"].is_object() {
            for name in ["lost", "unsent", "duplicates", "out_of_order", "mismatched", "other_form"] {
                assert_eq!(self.messages(name), 0, "{name}: {self}");
            }
        }
    }

    /// Something was wrong with the target, and the report says so.
    #[track_caller]
    pub(crate) fn has_failed(&self) {
        assert_eq!(self.outcome(), "failed", "{self}");
        assert_ne!(self.reasons(), [""; 0], "{self}");
    }

    /// The counts of `messages` that must be zero and are not.
    pub(crate) fn faults(&self) -> Vec<(&'static str, u64)> {
        ["lost", "duplicates", "out_of_order", "mismatched", "other_form", "unsent"]
            .map(|name| (name, self.messages(name)))
            .into_iter()
            .filter(|(_, count)| *count > 0)
            .collect()
    }

    /// The distribution that is kept under `name`, decoded by HdrHistogram's own library.
    pub(crate) fn histogram(&self, name: &str) -> hdrhistogram::Histogram<u64> {
        use base64::Engine;
        let text = self.0[name]["histogram"].as_str().unwrap();
        let bytes = base64::engine::general_purpose::STANDARD.decode(text).unwrap();
        hdrhistogram::serialization::Deserializer::new().deserialize(&mut bytes.as_slice()).unwrap()
    }
}

impl std::fmt::Display for Seen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = self.0.clone();
        for part in ["latency", "handshake"] {
            if let Some(part) = shown[part].as_object_mut() {
                part.remove("histogram");
            }
        }
        write!(f, "{shown:#}")
    }
}
