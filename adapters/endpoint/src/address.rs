//! `Address`: how a place to meet is spelled. Anybody may call it; it knows `error` only and asks
//! the operating system nothing (that is `resolve`).

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::error::OpenError;

/// Where a server is met.
///
/// | spelled | is | in this version |
/// |---|---|---|
/// | `/run/app.sock`, `./app.sock` | a path: whatever contains `/` | served |
/// | `app` | a name: `app.sock` in the user's runtime folder | served |
/// | `@app` | an abstract name (Linux) | not yet |
/// | `tcp:HOST:PORT` | TCP | not yet |
/// | `\\.\pipe\app` | a named pipe (Windows) | not yet |
/// | `stdio` | standard input and output | not yet |
///
/// The runtime folder is `$XDG_RUNTIME_DIR`, else `/run/user/UID`. A name is 1 to 64 of `A`-`Z`,
/// `a`-`z`, `0`-`9`, `.`, `_` and `-`, and does not start with `.`.
///
/// ```
/// use switchboard_endpoint::Address;
///
/// let address: Address = "editor".parse()?;
/// assert_eq!(address.to_string(), "editor");
/// assert!("tcp:localhost:80".parse::<Address>().is_err());
/// # Ok::<(), switchboard_endpoint::OpenError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Address(pub(crate) Place);

/// What an address names. Private, so that a name has always been checked.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Place {
    Path(PathBuf),
    Name(String),
}

/// The longest name. With the folder before it and `.sock` behind it, it must fit the 104 bytes
/// that some systems have for a path.
const NAME_MAX: usize = 64;

impl FromStr for Address {
    type Err = OpenError;

    /// Reads an address. Whether it can be used shows when it is.
    ///
    /// # Errors
    ///
    /// [`OpenError::BadAddress`] if it is no address, or one that this version does not serve.
    fn from_str(text: &str) -> Result<Self, OpenError> {
        if text.contains('/') {
            return Ok(Self(Place::Path(text.into())));
        }
        let unserved = if text.starts_with('@') {
            "an abstract name"
        } else if text.starts_with("tcp:") {
            "a TCP address"
        } else if text.starts_with(r"\\") {
            "a named pipe"
        } else if text == "stdio" {
            "standard input and output"
        } else {
            check_name(text)?;
            return Ok(Self(Place::Name(text.into())));
        };
        Err(OpenError::BadAddress(format!(
            "{text:?} is {unserved}, which this version does not serve; it serves paths \
             (\"/run/app.sock\", \"./app.sock\") and names in the user's runtime folder (\"app\")"
        )))
    }
}

fn check_name(name: &str) -> Result<(), OpenError> {
    let good = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    if (1..=NAME_MAX).contains(&name.len()) && !name.starts_with('.') && name.bytes().all(good) {
        return Ok(());
    }
    Err(OpenError::BadAddress(format!(
        "{name:?} is no name: that is 1 to {NAME_MAX} letters, digits, '.', '_' and '-', and does \
         not start with '.'; a path contains '/'"
    )))
}

impl From<PathBuf> for Address {
    /// The path as it is, also where it contains no `/`.
    fn from(path: PathBuf) -> Self {
        Self(Place::Path(path))
    }
}

impl From<&Path> for Address {
    /// The path as it is, also where it contains no `/`.
    fn from(path: &Path) -> Self {
        Self(Place::Path(path.into()))
    }
}

impl fmt::Display for Address {
    /// As it is parsed. Bytes of a path that are no text are replaced.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Place::Name(name) => f.write_str(name),
            Place::Path(path) => {
                let text = path.to_string_lossy();
                if text.contains('/') { f.write_str(&text) } else { write!(f, "./{text}") }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_form_is_told_from_the_others() {
        let place = |text: &str| text.parse::<Address>().unwrap().0;
        for path in ["/run/app.sock", "./app", "a/b", "@a/b", "tcp:a/b", "stdio/"] {
            assert_eq!(place(path), Place::Path(path.into()));
        }
        for name in ["app", "stdio2", "A.b_c-9", "-", &"x".repeat(64)] {
            assert_eq!(place(name), Place::Name(name.into()));
        }
    }

    #[test]
    fn what_is_not_served_is_named() {
        for (text, what) in [
            ("@app", "abstract"),
            ("tcp:localhost:1", "TCP"),
            (r"\\.\pipe\app", "pipe"),
            ("stdio", "standard"),
        ] {
            let error = text.parse::<Address>().unwrap_err();
            assert!(matches!(error, OpenError::BadAddress(_)), "{error}");
            assert!(error.to_string().contains(what), "{error}");
            assert!(error.to_string().contains("it serves paths"), "{error}");
        }
    }

    #[test]
    fn bad_names_are_refused() {
        for name in ["", ".", "..", ".app", "a b", "a\\b", "a:b", "a\0", "é", &"x".repeat(65)] {
            let error = name.parse::<Address>().unwrap_err();
            assert!(matches!(error, OpenError::BadAddress(_)), "{name:?}: {error}");
        }
    }

    #[test]
    fn it_is_printed_as_it_is_parsed() {
        for text in ["app", "/run/app.sock", "./app"] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
        }
        assert_eq!(Address::from(Path::new("app")).to_string(), "./app");
    }
}
