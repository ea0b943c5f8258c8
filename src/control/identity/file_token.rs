//! The token that every call must bring: a file in the state directory that only its owner can read.

use std::fmt;
use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use aws_lc_rs::constant_time::verify_slices_are_equal;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;

use crate::control::state_dir::{ADMIN_TOKEN, Existing, write_whole};

/// Random bytes in a token of ours.
const BYTES: usize = 32;
/// Characters that a token must have, ours or the operator's, and may have.
const LENGTHS: std::ops::RangeInclusive<usize> = 32..=512;
/// More than a token has.
const MAX_FILE_BYTES: u64 = 4096;

/// A secret, which neither `Debug` nor a log shows, and which is compared in constant time.
#[derive(Clone)]
pub struct FileToken(Box<str>);

impl FileToken {
    /// The token of a state directory; it is made when there is none.
    ///
    /// # Errors
    /// See [`TokenError`].
    pub fn of_state(folder: &Path) -> Result<Self, TokenError> {
        let path = folder.join(ADMIN_TOKEN);
        match Self::read(&path) {
            Err(TokenError { fault: TokenFault::Io(error), .. }) if error.kind() == io::ErrorKind::NotFound => {}
            found => return found,
        }
        let failed = |error| TokenError { path: path.clone(), fault: TokenFault::Make(error) };
        let token = Self::random().map_err(failed)?;
        match write_whole(&path, format!("{}\n", token.0).as_bytes(), Existing::Kept) {
            Ok(()) => Ok(token),
            // Somebody else was faster: theirs counts.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Self::read(&path),
            Err(error) => Err(failed(error)),
        }
    }

    /// Reads the token from a file that the operator names. Others may be allowed to read it: a secret that Kubernetes mounts
    /// belongs to root and a group.
    ///
    /// # Errors
    /// See [`TokenError`].
    pub fn named(path: &Path) -> Result<Self, TokenError> {
        let fail = |fault| TokenError { path: path.to_owned(), fault };
        let file = fs::metadata(path).map_err(|error| fail(TokenFault::Io(error)))?;
        if !file.is_file() {
            return Err(fail(TokenFault::NamedContent));
        }
        Self::content(path)?.ok_or_else(|| fail(TokenFault::NamedContent))
    }

    /// A token that nobody knows, for a node whose own may be known to others: it serves, and refuses every request of the
    /// admin API.
    ///
    /// # Errors
    /// The host has no random numbers.
    pub fn unknown() -> io::Result<Self> {
        Self::random()
    }

    /// Reads a token from a file that nobody but its owner may read.
    ///
    /// # Errors
    /// See [`TokenError`].
    pub fn read(path: &Path) -> Result<Self, TokenError> {
        let fail = |fault| TokenError { path: path.to_owned(), fault };
        let mode = fs::metadata(path).map_err(|error| fail(TokenFault::Io(error)))?.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(fail(TokenFault::Readable(mode)));
        }
        Self::content(path)?.ok_or_else(|| fail(TokenFault::Content))
    }

    /// The token in a file; `None` if the file holds something else.
    fn content(path: &Path) -> Result<Option<Self>, TokenError> {
        let failed = |error| TokenError { path: path.to_owned(), fault: TokenFault::Io(error) };
        let mut bytes = Vec::new();
        let file = fs::File::open(path).map_err(failed)?;
        file.take(MAX_FILE_BYTES).read_to_end(&mut bytes).map_err(failed)?;
        let text = std::str::from_utf8(&bytes).ok().map(|text| text.strip_suffix('\n').unwrap_or(text));
        let is_token = |text: &&str| LENGTHS.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        Ok(text.filter(is_token).map(|text| Self(text.into())))
    }

    /// True if a client has given this token. The time this takes depends on nothing but the length of the given text.
    #[must_use]
    pub fn is(&self, given: &str) -> bool {
        verify_slices_are_equal(self.0.as_bytes(), given.as_bytes()).is_ok()
    }

    /// For the header of a call, and nothing else.
    #[must_use]
    pub fn secret(&self) -> &str {
        &self.0
    }

    fn random() -> io::Result<Self> {
        let mut bytes = [0; BYTES];
        getrandom::fill(&mut bytes).map_err(io::Error::from)?;
        Ok(Self(BASE64_URL_SAFE_NO_PAD.encode(bytes).into()))
    }
}

impl fmt::Debug for FileToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FileToken(..)")
    }
}

/// Why there is no token.
#[derive(Debug)]
pub struct TokenError {
    path: PathBuf,
    fault: TokenFault,
}

#[derive(Debug)]
enum TokenFault {
    /// The file cannot be read.
    Io(io::Error),
    /// There is none, and it cannot be made.
    Make(io::Error),
    /// Others may read it; its mode.
    Readable(u32),
    /// The file holds no token.
    Content,
    /// The file that the operator names holds no token.
    NamedContent,
}

impl TokenError {
    /// True if the token is there, and others may know it.
    #[must_use]
    pub fn is_readable_by_others(&self) -> bool {
        matches!(self.fault, TokenFault::Readable(_))
    }
}

impl fmt::Display for TokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        match &self.fault {
            TokenFault::Io(error) => write!(f, "the admin token cannot be read from {path}: {error}"),
            TokenFault::Make(error) => write!(f, "the admin token cannot be written to {path}: {error}"),
            TokenFault::Readable(mode) => write!(
                f,
                "the admin token in {path} can be read by others (mode {mode:04o}), who may know it by now: \
                 delete the file, and the next start makes a new one; or keep it with `chmod 600 {path}`"
            ),
            TokenFault::Content => write!(
                f,
                "{path} holds no admin token: one line of {} to {} visible ASCII characters; \
                 delete the file, and the next start makes a new one",
                LENGTHS.start(),
                LENGTHS.end()
            ),
            TokenFault::NamedContent => write!(
                f,
                "{path} holds no admin token: one line of {} to {} visible ASCII characters",
                LENGTHS.start(),
                LENGTHS.end()
            ),
        }
    }
}

impl std::error::Error for TokenError {}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::FileToken;
    use crate::control::state_dir::ADMIN_TOKEN;

    #[test]
    fn a_token_is_made_once_for_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let made = FileToken::of_state(folder.path()).unwrap();
        let path = folder.path().join(ADMIN_TOKEN);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(FileToken::of_state(folder.path()).unwrap().is(made.secret()));
        assert!(FileToken::read(&path).unwrap().is(made.secret()));
        // 32 bytes in base64 without its padding.
        assert_eq!(made.secret().len(), 43);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        let other = tempfile::tempdir().unwrap();
        assert!(!FileToken::of_state(other.path()).unwrap().is(made.secret()));
    }

    #[test]
    fn a_token_that_others_can_read_is_refused_with_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        FileToken::of_state(folder.path()).unwrap();
        let path = folder.path().join(ADMIN_TOKEN);
        for mode in [0o640, 0o604, 0o620, 0o666] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let error = FileToken::of_state(folder.path()).unwrap_err().to_string();
            assert!(error.contains(&format!("mode {mode:04o}")), "{error}");
            assert!(error.contains(&format!("chmod 600 {}", path.display())), "{error}");
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).unwrap();
        FileToken::of_state(folder.path()).unwrap();
    }

    #[test]
    fn what_is_no_token_is_refused_and_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        FileToken::of_state(folder.path()).unwrap();
        let path = folder.path().join(ADMIN_TOKEN);
        let long = "x".repeat(513);
        for text in [
            "",
            "\n",
            "short",
            "with a space in the middle of it all....",
            "two\nlines and many more characters",
            &long,
        ] {
            fs::write(&path, text).unwrap();
            let error = FileToken::of_state(folder.path()).unwrap_err().to_string();
            assert!(error.contains("holds no admin token"), "{error}");
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
        fs::write(&path, "an-operators-own-secret-of-32-cc").unwrap();
        assert!(FileToken::of_state(folder.path()).unwrap().is("an-operators-own-secret-of-32-cc"));
    }

    #[test]
    fn only_the_token_itself_is_it() {
        let folder = tempfile::tempdir().unwrap();
        let token = FileToken::of_state(folder.path()).unwrap();
        let secret = token.secret().to_owned();
        assert!(token.is(&secret));
        let mut last = secret.clone();
        let end = if last.pop() == Some('A') { 'B' } else { 'A' };
        last.push(end);
        for wrong in [String::new(), last, format!("{secret}x"), secret[..42].to_owned(), secret.to_uppercase() + "x"] {
            assert!(!token.is(&wrong), "{wrong}");
        }
        assert!(!format!("{token:?}").contains(&secret));
    }
}
