//! Conversion between a recorded histogram and the figures and text that a report stores of it.

use std::io::Read;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::read::ZlibDecoder;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Deserializer, Serializer, V2DeflateSerializer};

use super::model::Latency;

/// The figures of a histogram of nanoseconds, or `None` if the histogram is empty. `what` names the measured time.
#[must_use]
pub fn latency(what: &str, histogram: &Histogram<u64>) -> Option<Latency> {
    if histogram.is_empty() {
        return None;
    }
    let at = |quantile| histogram.value_at_quantile(quantile);
    Some(Latency {
        what: what.to_owned(),
        count: histogram.len(),
        min_ns: histogram.min(),
        // A fraction of a nanosecond means nothing, and JSON preserves integers exactly.
        mean_ns: histogram.mean().round(),
        p50_ns: at(0.5),
        p90_ns: at(0.9),
        p99_ns: at(0.99),
        p999_ns: at(0.999),
        p9999_ns: at(0.9999),
        max_ns: histogram.max(),
        histogram: encode(histogram),
    })
}

/// Encodes a histogram as deflated HdrHistogram V2 in base64, which HdrHistogram's Java, C, Go and JavaScript tools
/// read.
fn encode(histogram: &Histogram<u64>) -> String {
    let mut bytes = Vec::new();
    // Writing into memory fails only for counts above 2^63; `decode` then reports that the histogram is cut off.
    match V2DeflateSerializer::new().serialize(histogram, &mut bytes) {
        Ok(_) => STANDARD.encode(bytes),
        Err(_) => String::new(),
    }
}

/// More compressed bytes than a histogram with three digits over all of u64 can need.
const MAX_ENCODED: usize = 1 << 20;
/// More inflated bytes than such a histogram can need.
const MAX_INFLATED: usize = 1 << 20;
/// Cookie, payload length, normalizing offset, digits, lowest and highest value, ratio.
const HEADER: usize = 40;

/// Decodes the histogram of a report from any source: no allocation depends on a length that the report declares.
///
/// # Errors
/// Fails if the histogram is not valid, or if its count of values is not the report's.
pub fn decode(latency: &Latency) -> Result<Histogram<u64>, String> {
    if latency.histogram.len() > MAX_ENCODED {
        return Err(format!("the histogram has {} characters, more than any needs", latency.histogram.len()));
    }
    let bytes = STANDARD.decode(&latency.histogram).map_err(|error| format!("the histogram is not base64: {error}"))?;
    // The deflated form begins with its own cookie and length.
    let deflated = bytes.get(8..).ok_or("the histogram is cut off")?;
    if bytes.first_chunk() != Some(&[0x1c, 0x84, 0x93, 0x14]) {
        return Err("the histogram is not in HdrHistogram's deflated V2 format".to_owned());
    }
    let mut inner = Vec::new();
    let limit = u64::try_from(MAX_INFLATED).unwrap_or(u64::MAX);
    let inflated = ZlibDecoder::new(deflated).take(limit + 1).read_to_end(&mut inner);
    inflated.map_err(|error| format!("the histogram cannot be inflated: {error}"))?;
    if inner.len() > MAX_INFLATED {
        return Err("the histogram inflates to more than any needs".to_owned());
    }
    let counted = vet(&inner)?;
    if counted != latency.count {
        return Err(format!("the histogram holds {counted} values where the report says {}", latency.count));
    }
    let histogram: Histogram<u64> = Deserializer::new()
        .deserialize(&mut inner.as_slice())
        .map_err(|error| format!("the histogram cannot be read: {error}"))?;
    // The decoder follows the bounds in the header; only the values that it really holds count.
    if histogram.len() == counted { Ok(histogram) } else { Err("the histogram contradicts itself".to_owned()) }
}

/// Checks the parts that the library's decoder does not check (lengths, runs of zeros, sums), and adds up the counts.
fn vet(inner: &[u8]) -> Result<u64, String> {
    let word = |at: usize| inner.get(at..)?.first_chunk().map(|bytes| u32::from_be_bytes(*bytes));
    let long = |at: usize| inner.get(at..)?.first_chunk().map(|bytes| u64::from_be_bytes(*bytes));
    let payload = inner.get(HEADER..).ok_or("the histogram is cut off")?;
    if word(4).and_then(|length| usize::try_from(length).ok()) != Some(payload.len()) {
        return Err("the histogram's length is not what it declares".to_owned());
    }
    if !matches!(word(12), Some(1..=3)) {
        return Err("the histogram's precision is not one to three digits".to_owned());
    }
    // A year in nanoseconds is 2^55; the bound keeps the decoder's sums of values within u64.
    if !matches!((long(16), long(24)), (Some(low), Some(high)) if low == 1 && high <= u64::MAX / 2) {
        return Err("the histogram's range is not one of times in nanoseconds".to_owned());
    }
    let (mut rest, mut counted) = (payload, 0_u64);
    while !rest.is_empty() {
        let (number, used) = varint(rest).ok_or("the histogram's counts are cut off")?;
        rest = rest.get(used..).unwrap_or_default();
        let magnitude = number >> 1;
        if number & 1 == 0 {
            counted = counted
                .checked_add(magnitude)
                .filter(|sum| *sum <= MAX_COUNT)
                .ok_or("the histogram counts too much")?;
        } else if magnitude > MAX_COUNT {
            return Err("the histogram skips too far".to_owned());
        }
    }
    Ok(counted)
}

/// More values than any run has, and few enough for sums and for f64.
const MAX_COUNT: u64 = 1 << 53;

/// Decodes HdrHistogram's LEB128, of at most nine bytes, the ninth of which has eight data bits. Returns the number and
/// its length in bytes.
fn varint(bytes: &[u8]) -> Option<(u64, usize)> {
    let mut number = 0;
    for (index, byte) in bytes.iter().take(9).enumerate() {
        let bits = if index == 8 { *byte } else { *byte & 0x7f };
        number |= u64::from(bits) << (7 * index);
        if index == 8 || byte & 0x80 == 0 {
            return Some((number, index + 1));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::{decode, latency};
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use hdrhistogram::Histogram;
    use proptest::prelude::{ProptestConfig, any, proptest};

    fn recorded(values: impl IntoIterator<Item = (u64, u64)>) -> Histogram<u64> {
        let mut histogram = Histogram::new(3).unwrap();
        for (value, times) in values {
            histogram.record_n(value, times).unwrap();
        }
        histogram
    }

    /// Compares with three significant digits: above by a thousandth at most, and never below.
    fn about(value: u64, expected: u64) -> bool {
        value >= expected && value - expected <= expected / 1000
    }

    #[test]
    fn percentiles_of_an_even_series_are_its_values() {
        let even = latency("t", &recorded((1..=10_000).map(|us| (us * 1000, 1)))).unwrap();
        assert_eq!(even.count, 10_000);
        for (value, us) in [
            (even.p50_ns, 5000),
            (even.p90_ns, 9000),
            (even.p99_ns, 9900),
            (even.p999_ns, 9990),
            (even.p9999_ns, 9999),
            (even.max_ns, 10_000),
        ] {
            assert!(about(value, us * 1000), "{value} for {us}us");
        }
        assert!(even.min_ns <= 1000 && even.min_ns > 990);
        assert!((even.mean_ns / 5_000_500.0 - 1.0).abs() < 0.001, "{}", even.mean_ns);
    }

    #[test]
    fn percentiles_of_a_skewed_series_are_those_computed_by_hand() {
        // 9,000 of 100us, 900 of 1ms, 90 of 10ms, 9 of 100ms and one of 1s: each percentile is the last of its kind.
        let series = [(100_000, 9000), (1_000_000, 900), (10_000_000, 90), (100_000_000, 9), (1_000_000_000, 1)];
        let skewed = latency("t", &recorded(series)).unwrap();
        assert!(about(skewed.p50_ns, 100_000) && about(skewed.p90_ns, 100_000));
        assert!(about(skewed.p99_ns, 1_000_000), "{}", skewed.p99_ns);
        assert!(about(skewed.p999_ns, 10_000_000), "{}", skewed.p999_ns);
        assert!(about(skewed.p9999_ns, 100_000_000), "{}", skewed.p9999_ns);
        assert!(about(skewed.max_ns, 1_000_000_000));
        // (0.9 + 0.9 + 0.9 + 0.9 + 1) s over 10,000.
        assert!((skewed.mean_ns / 460_000.0 - 1.0).abs() < 0.001, "{}", skewed.mean_ns);
    }

    #[test]
    fn nothing_recorded_is_no_latency() {
        assert!(latency("t", &recorded([])).is_none());
    }

    #[test]
    fn what_is_encoded_is_decoded() {
        let before = recorded([(1, 3), (77_000, 5), (3_600_000_000_000, 1), (9_000_000, 40_000)]);
        let after = decode(&latency("t", &before).unwrap()).unwrap();
        assert_eq!(before, after);
        assert_eq!(before.value_at_quantile(0.99), after.value_at_quantile(0.99));
        let wide = Histogram::<u64>::new_with_bounds(1, u64::MAX / 2, 3).unwrap();
        let wide = Histogram::clone(&wide) + recorded([(u64::MAX / 2, 1)]);
        assert_eq!(decode(&latency("t", &wide).unwrap()).unwrap().len(), 1);
    }

    #[test]
    fn a_histogram_that_lies_is_refused() {
        let honest = latency("t", &recorded([(5000, 7)])).unwrap();
        let with = |histogram: String| decode(&super::Latency { histogram, ..honest.clone() }).unwrap_err();
        assert!(with("%".to_owned()).contains("not base64"));
        assert!(with(String::new()).contains("cut off"));
        assert!(with(STANDARD.encode([0; 64])).contains("V2 format"));
        assert!(with("A".repeat(2 << 20)).contains("more than any needs"));
        let miscounted = super::Latency { count: 8, ..honest.clone() };
        assert!(decode(&miscounted).unwrap_err().contains("holds 7 values where the report says 8"));
    }

    #[test]
    fn a_small_text_cannot_claim_much_memory() {
        let refused = |header: &[u8], payload: &[u8]| {
            let inner = [header, payload].concat();
            let histogram = deflated(&inner);
            let claims = super::Latency { histogram, ..latency("t", &recorded([(5000, 7)])).unwrap() };
            decode(&claims).unwrap_err()
        };
        let header = |length: u32, digits: u32, high: u64| {
            let mut bytes = vec![0x1c, 0x84, 0x93, 0x13];
            bytes.extend(length.to_be_bytes());
            bytes.extend(0_u32.to_be_bytes());
            bytes.extend(digits.to_be_bytes());
            bytes.extend(1_u64.to_be_bytes());
            bytes.extend(high.to_be_bytes());
            bytes.extend(1.0_f64.to_be_bytes());
            bytes
        };
        assert!(refused(&header(u32::MAX, 3, 2), &[]).contains("not what it declares"));
        assert!(refused(&header(0, 5, u64::MAX), &[]).contains("precision"));
        assert!(refused(&header(0, 3, u64::MAX), &[]).contains("range"));
        assert!(refused(&header(9, 3, 2), &[0xff; 9]).contains("skips too far"));
        assert!(refused(&header(9, 3, 2), &[0xfe, 255, 255, 255, 255, 255, 255, 255, 255]).contains("counts too much"));
        assert!(refused(&header(1, 3, 2), &[0x80]).contains("cut off"));
        assert!(refused(&vec![0; 4 << 20], &[]).contains("inflates"));
    }

    fn deflated(inner: &[u8]) -> String {
        let mut bytes = vec![0x1c, 0x84, 0x93, 0x14, 0, 0, 0, 0];
        let mut encoder = flate2::write::ZlibEncoder::new(&mut bytes, flate2::Compression::fast());
        std::io::Write::write_all(&mut encoder, inner).unwrap();
        encoder.finish().unwrap();
        let length = u32::try_from(bytes.len() - 8).unwrap();
        bytes[4..8].copy_from_slice(&length.to_be_bytes());
        STANDARD.encode(bytes)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        #[test]
        fn no_payload_panics(payload: Vec<u8>, digits in 0_u32..7, high: u64, count in 0_u64..100, any_bytes in any::<Vec<u8>>()) {
            let mut inner = vec![0x1c, 0x84, 0x93, 0x13];
            inner.extend(u32::try_from(payload.len()).unwrap().to_be_bytes());
            inner.extend(0_u32.to_be_bytes());
            inner.extend(digits.to_be_bytes());
            inner.extend(1_u64.to_be_bytes());
            inner.extend(high.to_be_bytes());
            inner.extend(1.0_f64.to_be_bytes());
            inner.extend(payload);
            let mut claims = latency("t", &recorded([(5000, 7)])).unwrap();
            claims.count = count;
            for histogram in [deflated(&inner), deflated(&any_bytes), STANDARD.encode(&any_bytes)] {
                claims.histogram = histogram;
                if let Ok(histogram) = decode(&claims) {
                    histogram.value_at_quantile(0.999);
                    histogram.mean();
                }
            }
        }
    }
}
