//! Values of the configuration file: a number in the unit that the option's name ends with, or text as a flag takes it.
//! [`units`](super::units) reads both, as it reads flags.

use std::fmt;
use std::marker::PhantomData;
use std::net::SocketAddr;
use std::time::Duration;

use clap::ValueEnum;
use ipnet::IpNet;
use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, Visitor};
use serde::ser::{Serialize, Serializer};

use super::units::{self, Cpus, LossCode, Optional};
use crate::api::nearest;
use crate::routing::plain::PlainPath;

/// Reads a word of a fixed list as its flag does: in upper or lower case.
pub(super) fn word<'de, T: ValueEnum, D: Deserializer<'de>>(from: D) -> Result<T, D::Error> {
    from.deserialize_any(WordReader(PhantomData))
}

struct WordReader<T>(PhantomData<T>);

/// The most characters of a wrong word that a fault repeats.
const MAX_SHOWN: usize = 40;

impl<T: ValueEnum> Visitor<'_> for WordReader<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&words_of::<T>())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        T::from_str(text, true).map_err(|_| {
            let given: String = text.chars().take(MAX_SHOWN).flat_map(char::escape_debug).collect();
            let words = T::value_variants().iter().filter_map(ValueEnum::to_possible_value);
            let words: Vec<String> = words.map(|word| word.get_name().to_owned()).collect();
            let meant = nearest(&text.to_ascii_lowercase(), words.iter().map(String::as_str));
            let meant = meant.map(|word| format!("; did you mean `{word}`?")).unwrap_or_default();
            let is = if given.is_empty() { "empty".to_owned() } else { format!("`{given}`") };
            E::custom(format!("it must be {}, and is {is}{meant}", words_of::<T>()))
        })
    }
}

/// The words of a list: `` `a`, `b` or `c` ``.
fn words_of<T: ValueEnum>() -> String {
    let words = T::value_variants().iter().filter_map(ValueEnum::to_possible_value);
    let words: Vec<String> = words.map(|word| format!("`{}`", word.get_name())).collect();
    match words.split_last() {
        Some((last, others)) if !others.is_empty() => format!("{} or {last}", others.join(", ")),
        _ => words.concat(),
    }
}

/// A kind of value for [`Reader`].
trait Kind {
    type Value;
    const EXPECTED: &'static str;
    /// The unit of a bare number.
    const UNIT: &'static str = "";
    fn read(text: &str) -> Result<Self::Value, String>;
}

struct Reader<K>(PhantomData<K>);

impl<K: Kind> Visitor<'_> for Reader<K> {
    type Value = K::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(K::EXPECTED)
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<K::Value, E> {
        K::read(&format!("{number}{}", K::UNIT)).map_err(E::custom)
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<K::Value, E> {
        K::read(&format!("{number}{}", K::UNIT)).map_err(E::custom)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<K::Value, E> {
        K::read(text).map_err(E::custom)
    }
}

fn read<'de, K: Kind, D: Deserializer<'de>>(from: D) -> Result<K::Value, D::Error> {
    from.deserialize_any(Reader::<K>(PhantomData))
}

/// A kind of number, and its functions for `#[serde(with)]`.
macro_rules! kind {
    ($name:ident: $value:ty, $read:path, $unit:literal, $expected:literal, $shown:expr) => {
        pub(super) mod $name {
            use super::*;

            pub(super) struct Read;

            impl Kind for Read {
                type Value = $value;
                const EXPECTED: &'static str = $expected;
                const UNIT: &'static str = $unit;
                fn read(text: &str) -> Result<$value, String> {
                    $read(text)
                }
            }

            pub(in crate::config) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<$value, D::Error> {
                read::<Read, D>(from)
            }

            pub(in crate::config) fn serialize<S: Serializer>(value: &$value, into: S) -> Result<S::Ok, S::Error> {
                let shown: fn(&$value) -> u64 = $shown;
                into.serialize_u64(shown(value))
            }
        }
    };
}

kind!(time: Duration, units::duration, "ms", "a number of milliseconds, or text such as \"30s\"", millis);
kind!(delay: Duration, units::delay, "ms", "a number of milliseconds, or text such as \"30s\"; 0 for none", millis);
kind!(size: u64, units::bytes, "", "a number of bytes, or text such as \"64KiB\"", |bytes| *bytes);
kind!(count: u64, units::count, "", "a whole number above 0", |count| *count);

/// A count that may be left out, for `#[serde(with)]`.
pub(super) mod optional_count {
    use super::{Deserializer, Serializer, count};

    pub(in crate::config) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u64>, D::Error> {
        count::deserialize(from).map(Some)
    }

    pub(in crate::config) fn serialize<S: Serializer>(value: &Option<u64>, into: S) -> Result<S::Ok, S::Error> {
        match value {
            Some(value) => count::serialize(value, into),
            None => into.serialize_none(),
        }
    }
}

/// A size that may be left out, for `#[serde(with)]`.
pub(super) mod optional_size {
    use super::{Deserializer, Serializer, size};

    pub(in crate::config) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u64>, D::Error> {
        size::deserialize(from).map(Some)
    }

    pub(in crate::config) fn serialize<S: Serializer>(value: &Option<u64>, into: S) -> Result<S::Ok, S::Error> {
        match value {
            Some(value) => size::serialize(value, into),
            None => into.serialize_none(),
        }
    }
}

fn millis(duration: &Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

struct OptionalTime;

impl Kind for OptionalTime {
    type Value = Optional<Duration>;
    const EXPECTED: &'static str = "a number of milliseconds, text such as \"30s\", or \"off\"";
    const UNIT: &'static str = "ms";
    fn read(text: &str) -> Result<Self::Value, String> {
        units::optional_duration(text)
    }
}

impl<'de> Deserialize<'de> for Optional<Duration> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        read::<OptionalTime, D>(from)
    }
}

impl Serialize for Optional<Duration> {
    fn serialize<S: Serializer>(&self, into: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            Some(duration) => into.serialize_u64(millis(duration)),
            None => into.serialize_str("off"),
        }
    }
}

struct OptionalSize;

impl Kind for OptionalSize {
    type Value = Optional<u64>;
    const EXPECTED: &'static str = "a number of bytes, text such as \"64KiB\", or \"off\"";
    fn read(text: &str) -> Result<Self::Value, String> {
        units::optional_bytes(text)
    }
}

/// A size that may be `off`, for `#[serde(with)]`.
pub(super) mod size_or_off {
    use super::{Deserializer, Optional, OptionalSize, Serialize, Serializer, read};

    pub(in crate::config) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Optional<u64>, D::Error> {
        read::<OptionalSize, D>(from)
    }

    pub(in crate::config) fn serialize<S: Serializer>(value: &Optional<u64>, into: S) -> Result<S::Ok, S::Error> {
        value.serialize(into)
    }
}

struct OptionalCount;

impl Kind for OptionalCount {
    type Value = Optional<u64>;
    const EXPECTED: &'static str = "a whole number above 0, or \"off\"";
    fn read(text: &str) -> Result<Self::Value, String> {
        units::optional_count(text)
    }
}

impl<'de> Deserialize<'de> for Optional<u64> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        read::<OptionalCount, D>(from)
    }
}

impl Serialize for Optional<u64> {
    fn serialize<S: Serializer>(&self, into: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Some(count) => into.serialize_u64(count),
            None => into.serialize_str("off"),
        }
    }
}

struct OptionalLossCode;

impl Kind for OptionalLossCode {
    type Value = Optional<LossCode>;
    const EXPECTED: &'static str = "a close code such as 1012, or \"off\"";
    fn read(text: &str) -> Result<Self::Value, String> {
        units::optional_loss_code(text)
    }
}

impl<'de> Deserialize<'de> for Optional<LossCode> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        read::<OptionalLossCode, D>(from)
    }
}

impl Serialize for Optional<LossCode> {
    fn serialize<S: Serializer>(&self, into: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Some(LossCode(code)) => into.serialize_u16(code),
            None => into.serialize_str("off"),
        }
    }
}

/// A value that is written as text.
macro_rules! text {
    ($(#[$doc:meta])* $name:ident: $value:ty, $read:path, $expected:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub(super) struct $name(pub(super) $value);

        impl Kind for $name {
            type Value = Self;
            const EXPECTED: &'static str = $expected;
            fn read(text: &str) -> Result<Self, String> {
                $read(text).map(Self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                read::<Self, D>(from)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, into: S) -> Result<S::Ok, S::Error> {
                into.collect_str(&self.0)
            }
        }
    };
}

text!(
    /// `0-3,6`.
    CpuList: Cpus, units::cpus, "text with CPUs such as \"0-3,6\""
);
text!(
    /// `10.0.0.0/8`.
    Network: IpNet, units::network, "text with an address or a network such as \"10.0.0.0/8\""
);
text!(
    /// `127.0.0.1:8080`.
    Listen: SocketAddr, units::socket, "text with an address and a port such as \"127.0.0.1:8080\""
);
text!(
    /// `/healthz`.
    HttpPath: PlainPath, units::plain_path, "text with a path such as \"/healthz\""
);
text!(
    /// `10.0.0.53` or `10.0.0.53:53`.
    Server: SocketAddr, units::dns_server, "text with an address and perhaps a port such as \"10.0.0.53:53\""
);

/// A value that may be a secret. Errors, logs and `config show` never contain it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Secret(String);

/// The text shown in place of a secret.
const MASKED: &str = "********";

impl Secret {
    /// Wraps a value.
    #[must_use]
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// The value itself. It must not be logged or shown.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASKED)
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, into: S) -> Result<S::Ok, S::Error> {
        into.serialize_str(MASKED)
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        // serde's own error would show the value.
        #[derive(serde::Deserialize)]
        #[serde(untagged)]
        enum Given {
            Text(String),
            Other(IgnoredAny),
        }
        match Given::deserialize(from)? {
            Given::Text(text) => Ok(Self(text)),
            Given::Other(_) => Err(Error::custom("it must be text: write it in quotes")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Secret;

    #[test]
    fn a_secret_is_never_shown() {
        let secret = Secret::new("hunter2");
        assert_eq!((secret.reveal(), format!("{secret:?}").contains("hunter2")), ("hunter2", false));
        assert!(!serde_json::to_string(&secret).unwrap().contains("hunter2"));
        let error = serde_json::from_str::<Secret>("71077345").unwrap_err().to_string();
        assert!(error.contains("write it in quotes") && !error.contains("71077345"), "{error}");
    }
}
