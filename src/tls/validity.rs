//! The time in which a certificate is valid.

use rustls_pki_types::UnixTime;
use x509_parser::certificate::X509Certificate;

/// The side of its validity on which a certificate is outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OutOfDate {
    Expired,
    NotYetValid,
}

/// Checks a certificate's validity at a time.
///
/// # Errors
/// The certificate has expired, or is not valid yet.
pub(super) fn check(certificate: &X509Certificate<'_>, now: UnixTime) -> Result<(), OutOfDate> {
    let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    let validity = certificate.validity();
    if now > validity.not_after.timestamp() {
        return Err(OutOfDate::Expired);
    }
    if now < validity.not_before.timestamp() {
        return Err(OutOfDate::NotYetValid);
    }
    Ok(())
}
