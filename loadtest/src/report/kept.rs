//! A second's distribution, encoded compactly once the second is over.

use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Deserializer, Serializer, V2Serializer};

use crate::record;

/// A distribution, in either of two forms.
#[derive(Clone, Debug)]
pub enum Kept {
    /// The form for recording.
    Live(Histogram<u64>),
    /// HdrHistogram's V2 encoding, some hundred bytes.
    Packed(Vec<u8>),
}

impl Kept {
    /// The decoded distribution.
    #[must_use]
    pub fn unpacked(&self) -> Histogram<u64> {
        match self {
            Self::Live(histogram) => histogram.clone(),
            // These bytes were encoded by `packed`, so they decode.
            Self::Packed(bytes) => {
                Deserializer::new().deserialize(&mut bytes.as_slice()).unwrap_or_else(|_| record::times())
            }
        }
    }

    /// The encoded distribution.
    #[must_use]
    pub fn packed(&self) -> Vec<u8> {
        match self {
            Self::Packed(bytes) => bytes.clone(),
            Self::Live(histogram) => {
                let mut bytes = Vec::new();
                // Writing into memory does not fail.
                let _ = V2Serializer::new().serialize(histogram, &mut bytes);
                bytes
            }
        }
    }

    /// Replaces the distribution by its encoding.
    pub fn pack(&mut self) {
        if let Self::Live(_) = self {
            *self = Self::Packed(self.packed());
        }
    }

    /// Adds another distribution, with the same bounds.
    pub fn add(&mut self, more: &Histogram<u64>) {
        if let Self::Packed(_) = self {
            *self = Self::Live(self.unpacked());
        }
        if let Self::Live(histogram) = self {
            // Both have the same bounds.
            let _ = histogram.add(more);
        }
    }

    /// The value at this quantile; 0 if the distribution is empty.
    #[must_use]
    pub fn quantile(&self, quantile: f64) -> u64 {
        match self {
            Self::Live(histogram) => histogram.value_at_quantile(quantile),
            Self::Packed(_) => self.unpacked().value_at_quantile(quantile),
        }
    }

    /// Returns `true` if the distribution holds no value.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The number of values.
    #[must_use]
    pub fn len(&self) -> u64 {
        match self {
            Self::Live(histogram) => histogram.len(),
            Self::Packed(_) => self.unpacked().len(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Kept;
    use crate::record;

    #[test]
    fn what_is_packed_reads_back_and_can_be_added_to() {
        let mut histogram = record::times();
        for nanos in [1_000, 2_000_000, 3_000_000_000] {
            histogram.saturating_record(nanos);
        }
        let mut kept = Kept::Live(histogram.clone());
        kept.pack();
        assert_eq!(kept.unpacked(), histogram);
        assert!(kept.packed().len() < 2000, "{}", kept.packed().len());
        kept.add(&histogram);
        assert_eq!((kept.len(), kept.quantile(1.0)), (6, histogram.max()));
    }
}
