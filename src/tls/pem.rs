//! Reads PEM files (RFC 7468) of certificates and keys: whole files of bounded size. Errors name the option, the file
//! and the fault.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::PathBuf;

use rustls::RootCertStore;
use rustls_pki_types::pem::{PemObject, SectionKind, SliceIter};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

/// The longest file. The bundle of all authorities that browsers trust is a fifth of it.
pub const MAX_FILE_BYTES: u64 = 1024 * 1024;

/// A file, and the option that names it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PemFile {
    /// The option as the operator knows it, for example `--tls-cert`.
    pub option: &'static str,
    /// The path, resolved at each read: it may be a link that the operator swaps.
    pub path: PathBuf,
}

/// The reason why certificates or keys cannot be used: the file, and what to do about it. Holds nothing of a key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LoadError(String);

impl LoadError {
    /// An error that no single file has caused.
    #[must_use]
    pub fn new(why: impl fmt::Display) -> Self {
        Self(why.to_string())
    }
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for LoadError {}

impl fmt::Display for PemFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.option, self.path.display())
    }
}

impl PemFile {
    /// A file, and the option that names it.
    #[must_use]
    pub fn new(option: &'static str, path: impl Into<PathBuf>) -> Self {
        Self { option, path: path.into() }
    }

    /// An error about this file.
    #[must_use]
    pub fn error(&self, why: impl fmt::Display) -> LoadError {
        LoadError(format!("{self}: {why}"))
    }

    /// Reads the file.
    ///
    /// # Errors
    /// The file is missing, not readable, not a regular file, or longer than [`MAX_FILE_BYTES`].
    pub fn read(&self) -> Result<Vec<u8>, LoadError> {
        let failed = |error: io::Error| match error.kind() {
            io::ErrorKind::NotFound => self.error("there is no such file"),
            io::ErrorKind::PermissionDenied => self.error("this user may not read it"),
            _ => self.error(error),
        };
        // Checked before opening: the opening of a pipe would wait for a writer.
        if !fs::metadata(&self.path).map_err(failed)?.is_file() {
            return Err(self.error("it is not a regular file"));
        }
        let mut bytes = Vec::new();
        let file = File::open(&self.path).map_err(failed)?;
        file.take(MAX_FILE_BYTES.saturating_add(1)).read_to_end(&mut bytes).map_err(failed)?;
        if bytes.len() as u64 > MAX_FILE_BYTES {
            return Err(self.error(format!("it is longer than {MAX_FILE_BYTES} bytes")));
        }
        Ok(bytes)
    }

    /// Reads the certificates in `bytes`, the contents of this file, in their order; at least one.
    ///
    /// # Errors
    /// The file is not PEM, or holds no certificate. The error says what it holds instead.
    pub fn certificates(&self, bytes: &[u8]) -> Result<Vec<CertificateDer<'static>>, LoadError> {
        let sections = self.sections(bytes)?;
        let found = kinds(&sections, bytes);
        let certificates: Vec<_> = sections
            .into_iter()
            .filter(|(kind, _)| *kind == SectionKind::Certificate)
            .map(|(_, der)| CertificateDer::from(der))
            .collect();
        if certificates.is_empty() {
            return Err(self.error(format!("there is no certificate in it{found}")));
        }
        Ok(certificates)
    }

    /// Reads the private key in `bytes`, the contents of this file: PKCS#8, SEC1 or PKCS#1, not encrypted.
    ///
    /// # Errors
    /// The file is not PEM, or does not hold exactly one key. The error says what it holds instead.
    pub fn private_key(&self, bytes: &[u8]) -> Result<PrivateKeyDer<'static>, LoadError> {
        // The PEM reader skips encrypted keys, or fails on them without a reason.
        if holds(bytes, b"BEGIN ENCRYPTED PRIVATE KEY") || holds(bytes, b"Proc-Type: 4,ENCRYPTED") {
            return Err(self.error("the key is encrypted; decrypt it, for example with `openssl pkey -in FILE`"));
        }
        let sections = self.sections(bytes)?;
        let found = kinds(&sections, bytes);
        let mut keys = sections.into_iter().filter_map(|(kind, der)| PrivateKeyDer::from_pem(kind, der));
        match (keys.next(), keys.next()) {
            (Some(key), None) => Ok(key),
            (Some(_), Some(_)) => Err(self.error("there is more than one private key in it")),
            (None, _) => Err(self.error(format!("there is no private key in it{found}"))),
        }
    }

    /// Adds the authorities in `bytes`, the contents of this file. A single unusable one fails the whole file: Ringway
    /// trusts exactly the authorities that the operator wrote down.
    ///
    /// # Errors
    /// See [`PemFile::certificates`]; or one of the certificates cannot be used.
    pub fn add_authorities(&self, bytes: &[u8], roots: &mut RootCertStore) -> Result<(), LoadError> {
        for (index, certificate) in self.certificates(bytes)?.into_iter().enumerate() {
            roots.add(certificate).map_err(|error| {
                let number = index.saturating_add(1);
                self.error(format!("certificate {number} in it cannot be used as an authority: {error}"))
            })?;
        }
        Ok(())
    }

    fn sections(&self, bytes: &[u8]) -> Result<Vec<(SectionKind, Vec<u8>)>, LoadError> {
        let sections: Result<Vec<_>, _> = SliceIter::<(SectionKind, Vec<u8>)>::new(bytes).collect();
        sections.map_err(|error| {
            use rustls_pki_types::pem::Error;
            match error {
                Error::MissingSectionEnd { .. } => self.error("it ends in the midst of a PEM section; is it whole?"),
                Error::IllegalSectionStart { .. } => self.error("a BEGIN line in it is broken"),
                // The bytes may be part of a key: the error shows none of them.
                _ => self.error("a PEM section in it is not base64"),
            }
        })
    }
}

fn holds(bytes: &[u8], text: &[u8]) -> bool {
    memchr::memmem::find(bytes, text).is_some()
}

/// Describes the contents of a file that holds nothing usable, for its error.
fn kinds(sections: &[(SectionKind, Vec<u8>)], bytes: &[u8]) -> &'static str {
    let is_key = |kind: &SectionKind| {
        matches!(kind, SectionKind::PrivateKey | SectionKind::EcPrivateKey | SectionKind::RsaPrivateKey)
    };
    match sections {
        _ if sections.iter().any(|(kind, _)| is_key(kind)) => ", but a private key",
        _ if sections.iter().any(|(kind, _)| *kind == SectionKind::Certificate) => ", but a certificate",
        _ if sections.iter().any(|(kind, _)| *kind == SectionKind::Csr) => ", but a request for a certificate",
        // An ASN.1 SEQUENCE with a length of two bytes: the start of a certificate or key in DER.
        _ if bytes.starts_with(&[0x30, 0x82]) => "; it looks like DER, and PEM is needed (`openssl x509 -inform der`)",
        [] if bytes.is_empty() => "; it is empty",
        [] => "; it is not PEM",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::{MAX_FILE_BYTES, PemFile};
    use crate::tls::testing::{Authority, Folder};
    use rustls::RootCertStore;
    use rustls_pki_types::PrivateKeyDer;

    fn file() -> PemFile {
        PemFile::new("--tls-cert", "/x.pem")
    }

    #[test]
    fn keys_of_all_three_kinds_are_read() {
        let pem = |kind: &str| format!("-----BEGIN {kind}-----\nAAEC\n-----END {kind}-----\n");
        let key = |kind: &str| file().private_key(pem(kind).as_bytes());
        assert!(matches!(key("PRIVATE KEY"), Ok(PrivateKeyDer::Pkcs8(_))));
        assert!(matches!(key("EC PRIVATE KEY"), Ok(PrivateKeyDer::Sec1(_))));
        assert!(matches!(key("RSA PRIVATE KEY"), Ok(PrivateKeyDer::Pkcs1(_))));
        let with_parameters = [pem("EC PARAMETERS"), pem("EC PRIVATE KEY")].concat();
        assert!(matches!(file().private_key(with_parameters.as_bytes()), Ok(PrivateKeyDer::Sec1(_))));
    }

    #[test]
    fn an_error_says_what_is_wrong_with_a_file() {
        let leaf = Authority::new("ca").leaf(&["a.test"]);
        let cut = leaf.certificate.split("-----END").next().unwrap();
        let encrypted = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAEC\n-----END ENCRYPTED PRIVATE KEY-----\n";
        let certificates = |text: &str| file().certificates(text.as_bytes()).map(|_| ()).unwrap_err().to_string();
        let key = |text: &str| file().private_key(text.as_bytes()).map(|_| ()).unwrap_err().to_string();
        for (error, says) in [
            (certificates(""), "no certificate in it; it is empty"),
            (certificates("hello"), "no certificate in it; it is not PEM"),
            (certificates(&leaf.key), "no certificate in it, but a private key"),
            (certificates(cut), "ends in the midst"),
            (certificates("-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----\n"), "not base64"),
            (certificates("-----BEGIN CERTIFICATE--\n"), "BEGIN line"),
            (key(&leaf.certificate), "no private key in it, but a certificate"),
            (key(&[leaf.key.clone(), leaf.key.clone()].concat()), "more than one private key"),
            (key(encrypted), "the key is encrypted"),
        ] {
            assert!(
                error.starts_with("--tls-cert /x.pem: ") && error.contains(says),
                "{error:?} does not say {says:?}"
            );
        }
        let der = file().certificates(&[0x30, 0x82, 1, 1, 0, 0]).unwrap_err().to_string();
        assert!(der.contains("DER"), "{der}");
    }

    #[test]
    fn an_authority_that_cannot_be_used_spoils_its_file() {
        let mut text = Authority::new("ca").certificate;
        text.push_str("-----BEGIN CERTIFICATE-----\nAAEC\n-----END CERTIFICATE-----\n");
        let error = file().add_authorities(text.as_bytes(), &mut RootCertStore::empty()).unwrap_err().to_string();
        assert!(error.contains("certificate 2 in it"), "{error}");
    }

    #[test]
    fn an_error_says_why_a_file_cannot_be_read() {
        let folder = Folder::new();
        let at = |name: &str| PemFile::new("--tls-key", folder.path(name));
        let error = |name: &str| at(name).read().unwrap_err().to_string();
        assert!(error("none").contains("no such file"), "{}", error("none"));
        assert!(error("").contains("not a regular file"), "{}", error(""));
        folder.write("long", &"x".repeat(usize::try_from(MAX_FILE_BYTES).unwrap() + 1));
        assert!(error("long").contains("longer than 1048576 bytes"), "{}", error("long"));
        folder.write("most", &"x".repeat(usize::try_from(MAX_FILE_BYTES).unwrap()));
        assert!(at("most").read().is_ok());
    }
}
