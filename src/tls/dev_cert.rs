//! Certificates for development: an authority of the operator's own, and a certificate that it signs. Not for
//! production.
//!
//! In: a folder and names. Out: four files. An authority that exists is used again, and a key that was not created here
//! is never replaced.

use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    PKCS_ECDSA_P256_SHA256, PublicKeyData,
};
use rustls::crypto::aws_lc_rs;
use rustls_pki_types::CertificateDer;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;

use super::certificate::Certificate;
use super::client::server_name;
use super::pem::{LoadError, PemFile};

const DAY: Duration = Duration::from_secs(24 * 3600);
/// The validity of a certificate in days, unless the user asks for another: what Mozilla's profile and the authorities of the
/// web give.
pub const DEFAULT_DAYS: u16 = 90;
/// The longest validity in days. Browsers allow 398 at most, the hour before a certificate's creation included.
pub const MAX_DAYS: u16 = 397;
const CA_VALIDITY: Duration = Duration::from_secs(3650 * 24 * 3600);
/// The time before its creation from which a certificate is valid: the clocks of two machines differ.
const BEFORE: Duration = Duration::from_secs(3600);

const KEY_MODE: u32 = 0o600;
const CERTIFICATE_MODE: u32 = 0o644;

/// The reason why no certificate was created.
#[derive(Debug)]
pub enum DevCertError {
    /// A name cannot be in a certificate.
    Name(String),
    /// A file is in the way, or cannot be read, written or used.
    Failed(String),
}

/// The files, all in one folder.
#[derive(Debug)]
pub struct Files {
    /// The authority's certificate, `ca.pem`.
    pub ca: PathBuf,
    /// The authority's key, `ca-key.pem`.
    pub ca_key: PathBuf,
    /// The certificate, `cert.pem`.
    pub certificate: PathBuf,
    /// The certificate's key, `key.pem`.
    pub key: PathBuf,
}

/// The origin of the authority.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthorityIs {
    /// Created now.
    Created,
    /// The folder had one.
    Existing,
}

/// Creates a certificate for these names in a folder, valid from `now` for `days`, signed by the authority that the folder
/// has, or by a new one.
///
/// # Errors
/// A name cannot be in a certificate, or a file is in the way or cannot be used.
pub fn create(
    folder: &Path,
    names: &[String],
    days: u16,
    now: SystemTime,
) -> Result<(Files, AuthorityIs), DevCertError> {
    let validity = DAY.saturating_mul(u32::from(days));
    names.iter().try_for_each(|name| check_name(name))?;
    let files = Files::below(folder);
    fs::create_dir_all(folder).map_err(|error| failed(folder, error))?;
    let found = Authority::find(&files, validity, now)?;
    // Before anything is written.
    let existing = existing_leaf(found.as_ref(), &files)?;
    let (authority, is) = match found {
        Some(authority) => (authority, AuthorityIs::Existing),
        None => (Authority::make(&files, now)?, AuthorityIs::Created),
    };
    make_leaf(&authority, names, &files, existing, params(now, validity))?;
    Ok((files, is))
}

impl fmt::Display for DevCertError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(message) | Self::Failed(message) => f.write_str(message),
        }
    }
}

impl std::error::Error for DevCertError {}

impl Files {
    fn below(folder: &Path) -> Self {
        Self {
            ca: folder.join("ca.pem"),
            ca_key: folder.join("ca-key.pem"),
            certificate: folder.join("cert.pem"),
            key: folder.join("key.pem"),
        }
    }
}

fn check_name(name: &str) -> Result<(), DevCertError> {
    let wrong = |why: &str| DevCertError::Name(format!("`{name}` {why}"));
    if name.contains('/') || name.contains("://") {
        return Err(wrong("is neither a DNS name nor an address; give the host alone"));
    }
    let host = name.strip_prefix("*.").unwrap_or(name);
    if host.len() < name.len() && host.parse::<IpAddr>().is_ok() {
        return Err(wrong("is a wildcard for an address; wildcards are for DNS names only"));
    }
    server_name(host).map(|_| ()).map_err(|_| wrong("is neither a DNS name nor an address"))
}

struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
}

impl Authority {
    /// Reads the authority of the folder, which has both of its files or neither.
    fn find(files: &Files, validity: Duration, now: SystemTime) -> Result<Option<Self>, DevCertError> {
        match (is_there(&files.ca)?, is_there(&files.ca_key)?) {
            (true, true) => Self::read(files, validity, now).map(Some),
            (false, false) => Ok(None),
            (true, false) => Err(half(&files.ca, &files.ca_key)),
            (false, true) => Err(half(&files.ca_key, &files.ca)),
        }
    }

    fn read(files: &Files, validity: Duration, now: SystemTime) -> Result<Self, DevCertError> {
        let refused = |error: LoadError| DevCertError::Failed(error.to_string());
        let (file, key_file) = (PemFile::new("the authority", &files.ca), PemFile::new("its key", &files.ca_key));
        let certificates = file.read().and_then(|bytes| file.certificates(&bytes)).map_err(refused)?;
        let [certificate] = certificates.as_slice() else {
            return Err(refused(file.error("there is more than one certificate in it")));
        };
        let described = Certificate::read(certificate).map_err(|error| refused(file.error(error)))?;
        let needed = now.checked_add(validity);
        if needed.is_none_or(|needed| described.not_after < needed) {
            let until = &described.expires;
            let why = format!(
                "it expires at {until}, too early for a new certificate; move it, its key and its certificates away, and run the command again"
            );
            return Err(refused(file.error(why)));
        }
        let bytes = key_file.read().map_err(refused)?;
        // A fault that is found here has an error in plain words; rcgen reports the others.
        key_file.private_key(&bytes).map_err(refused)?;
        let key = std::str::from_utf8(&bytes).ok().and_then(|text| KeyPair::from_pem(text).ok());
        let key = key.ok_or_else(|| refused(key_file.error("the key in it cannot be used to sign")))?;
        if !is_key_of(&key, certificate) {
            return Err(refused(key_file.error("the key in it does not belong to the certificate")));
        }
        let issuer = Issuer::from_ca_cert_der(certificate, key).map_err(|error| refused(file.error(error)))?;
        Ok(Self { issuer, certificate: certificate.clone() })
    }

    /// Says whether the authority's key has signed a certificate.
    fn has_signed(&self, certificate: &CertificateDer<'_>) -> bool {
        let (Ok((_, own)), Ok((_, signed))) =
            (X509Certificate::from_der(&self.certificate), X509Certificate::from_der(certificate))
        else {
            return false;
        };
        let key = &own.public_key().subject_public_key.data;
        let (text, signature) = (signed.tbs_certificate.as_ref(), &signed.signature_value.data);
        let algorithms = aws_lc_rs::default_provider().signature_verification_algorithms.all;
        signed.issuer() == own.subject()
            && algorithms.iter().any(|algorithm| algorithm.verify_signature(key, text, signature).is_ok())
    }

    fn make(files: &Files, now: SystemTime) -> Result<Self, DevCertError> {
        // Two authorities with one name and different keys confuse a client that trusts both.
        let mut number = [0; 4];
        getrandom::fill(&mut number).map_err(|error| DevCertError::Failed(error.to_string()))?;
        let mut params = params(now, CA_VALIDITY);
        let name = format!("Ringway development CA {:08x}", u32::from_be_bytes(number));
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = new_key()?;
        let certificate = params.self_signed(&key).map_err(|error| not_made(&error))?;
        // The key is written first: a key without its certificate does no harm, a certificate without its key is
        // useless.
        write(&files.ca_key, key.serialize_pem().as_bytes(), KEY_MODE, Existing::Kept)?;
        write(&files.ca, certificate.pem().as_bytes(), CERTIFICATE_MODE, Existing::Kept)?;
        let certificate = certificate.der().clone();
        Ok(Self { issuer: Issuer::new(params, key), certificate })
    }
}

/// Checks that an existing certificate and key may be replaced: only if this folder's authority has signed them,
/// because an overwritten key is lost for good.
fn existing_leaf(authority: Option<&Authority>, files: &Files) -> Result<Existing, DevCertError> {
    let (has_certificate, has_key) = (is_there(&files.certificate)?, is_there(&files.key)?);
    let (file, key_file) = (PemFile::new("the certificate", &files.certificate), PemFile::new("the key", &files.key));
    let foreign = |file: &PemFile, why: &str| {
        let why = format!("{why}, so it is not replaced; move it away, or name another directory with --out");
        DevCertError::Failed(file.error(why).to_string())
    };
    if !has_certificate {
        return match has_key {
            true => Err(foreign(&key_file, "it has no certificate beside it, so another program may have created it")),
            false => Ok(Existing::Kept),
        };
    }
    let certificates = file.read().and_then(|bytes| file.certificates(&bytes)).unwrap_or_default();
    let own = match (certificates.as_slice(), authority) {
        ([certificate], Some(authority)) if authority.has_signed(certificate) => certificate,
        _ => return Err(foreign(&file, &format!("it was not signed by {}", files.ca.display()))),
    };
    if has_key {
        let bytes = key_file.read().unwrap_or_default();
        let key = std::str::from_utf8(&bytes).ok().and_then(|text| KeyPair::from_pem(text).ok());
        if !key.is_some_and(|key| is_key_of(&key, own)) {
            return Err(foreign(&key_file, "it does not belong to the certificate beside it"));
        }
    }
    Ok(Existing::Replaced)
}

fn is_there(path: &Path) -> Result<bool, DevCertError> {
    path.try_exists().map_err(|error| failed(path, error))
}

fn is_key_of(key: &KeyPair, certificate: &CertificateDer<'_>) -> bool {
    let parsed = X509Certificate::from_der(certificate);
    parsed.is_ok_and(|(_, parsed)| parsed.public_key().raw == key.subject_public_key_info())
}

fn make_leaf(
    authority: &Authority,
    names: &[String],
    files: &Files,
    existing: Existing,
    mut params: CertificateParams,
) -> Result<(), DevCertError> {
    params.subject_alt_names = CertificateParams::new(names).map_err(|error| not_made(&error))?.subject_alt_names;
    params.distinguished_name.push(DnType::CommonName, "Ringway development certificate");
    params.use_authority_key_identifier_extension = true;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    let key = new_key()?;
    let certificate = params.signed_by(&key, &authority.issuer).map_err(|error| not_made(&error))?;
    write(&files.key, key.serialize_pem().as_bytes(), KEY_MODE, existing)?;
    write(&files.certificate, certificate.pem().as_bytes(), CERTIFICATE_MODE, existing)
}

#[expect(clippy::arithmetic_side_effects, reason = "the calendar goes on until the year 9999")]
fn params(now: SystemTime, validity: Duration) -> CertificateParams {
    let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.not_before = epoch + now.saturating_sub(BEFORE);
    params.not_after = epoch + now + validity;
    params
}

fn new_key() -> Result<KeyPair, DevCertError> {
    KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(|error| not_made(&error))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Existing {
    Kept,
    Replaced,
}

/// Writes a file under a temporary name first, so that a reader sees all of it or nothing.
fn write(path: &Path, bytes: &[u8], mode: u32, existing: Existing) -> Result<(), DevCertError> {
    write_linking(path, bytes, mode, existing, |from, to| fs::hard_link(from, to)).map_err(|error| failed(path, error))
}

fn write_linking(
    path: &Path,
    bytes: &[u8],
    mode: u32,
    existing: Existing,
    link: impl FnOnce(&Path, &Path) -> io::Result<()>,
) -> io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.new", std::process::id()));
    let temporary = path.with_file_name(name);
    create_file(&temporary, bytes, mode)?;
    let placed = match existing {
        Existing::Replaced => fs::rename(&temporary, path),
        // A hard link, unlike a rename, fails if the file exists.
        Existing::Kept => match link(&temporary, path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(error),
            // Not all file systems have hard links. There a reader may see the file while it is written.
            Err(_) => create_file(path, bytes, mode),
            Ok(()) => Ok(()),
        },
    };
    if placed.is_err() || existing == Existing::Kept {
        let _ = fs::remove_file(&temporary);
    }
    placed
}

/// Creates a file, and removes it again if it cannot be written whole.
fn create_file(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    if written.is_err() {
        let _ = fs::remove_file(path);
    }
    written
}

fn failed(path: &Path, error: impl fmt::Display) -> DevCertError {
    DevCertError::Failed(format!("{}: {error}", path.display()))
}

fn half(there: &Path, missing: &Path) -> DevCertError {
    failed(there, format!("this file exists and {} does not; restore that file, or remove both", missing.display()))
}

fn not_made(error: &rcgen::Error) -> DevCertError {
    DevCertError::Failed(format!("cannot create the certificate: {error}"))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io;

    use super::{Existing, write_linking};
    use crate::tls::testing::Folder;

    #[test]
    fn a_file_system_without_links_gets_its_files_and_keeps_what_it_has() {
        let folder = Folder::new();
        let path = folder.path("key.pem");
        let write = |text: &str| {
            let none = |_: &std::path::Path, _: &std::path::Path| Err(io::Error::from_raw_os_error(libc::EPERM));
            write_linking(&path, text.as_bytes(), 0o600, Existing::Kept, none)
        };
        write("one").unwrap();
        assert_eq!(write("two").unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&path).unwrap(), b"one");
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "nothing else is left there");
    }
}
