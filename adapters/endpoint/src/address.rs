//! `Address`: how a place to meet is spelled. Anybody may call it; it knows `error` only and asks
//! the operating system nothing (that is `resolve`).

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::error::OpenError;

/// Where a server is met.
///
/// | spelled | is | in this version |
/// |---|---|---|
/// | `/run/app.sock`, `./app.sock` | a path: whatever contains `/` | served |
/// | `app` | a name: `app.sock` in the user's runtime folder | served |
/// | `@app` | an abstract name, without a file | served on Linux and Android |
/// | `tcp:HOST:PORT` | TCP on this machine: `127.0.0.1`, `[::1]` or `localhost` | served |
/// | `stdio` | standard input and output | served |
/// | `\\.\pipe\app` | a named pipe (Windows) | not yet |
///
/// The runtime folder is `$XDG_RUNTIME_DIR`, else `/run/user/UID`. A name is 1 to 64 of `A`-`Z`,
/// `a`-`z`, `0`-`9`, `.`, `_` and `-`, and does not start with `.`. An abstract name is 1 to 107
/// bytes of text without NUL (and without `/`, which makes a path). `localhost` is looked up
/// nowhere: for a client it is 127.0.0.1 and then `[::1]`, for a server 127.0.0.1.
///
/// **An abstract name has no mode:** every user of the machine can connect to it, and can take it
/// before the server does. What protects is that the server asks who the client is, which
/// [`default_authorize`](crate::default_authorize) does, and the client who the server is.
///
/// **TCP does not say who is there.** Every user of the machine can connect, and programs in a
/// browser can try: a server must ask for a secret ([`needs_authorize`](Self::needs_authorize)).
///
/// ```
/// use switchboard_endpoint::Address;
///
/// let address: Address = "editor".parse()?;
/// assert_eq!(address.to_string(), "editor");
/// assert!("tcp:localhost:4000".parse::<Address>()?.needs_authorize());
/// assert!("tcp:192.168.0.7:4000".parse::<Address>().is_err());
/// # Ok::<(), switchboard_endpoint::OpenError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Address(pub(crate) Place);

/// What an address names. Private, so that a name has always been checked.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Place {
    Path(PathBuf),
    Name(String),
    /// Without the `@`.
    Abstract(String),
    Tcp(Host, u16),
    Stdio,
}

/// A host of TCP: always this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Host {
    Localhost,
    /// A loopback address.
    Ip(IpAddr),
}

/// The longest name. With the folder before it and `.sock` behind it, it must fit the 104 bytes
/// that some systems have for a path.
const NAME_MAX: usize = 64;

/// The longest abstract name: `sun_path` has 108 bytes on Linux, and a NUL stands before the name.
const ABSTRACT_MAX: usize = 107;

impl Address {
    /// Whether a server there must bring an authorisation of its own, because nothing tells who the
    /// clients are: true for TCP.
    #[must_use]
    pub const fn needs_authorize(&self) -> bool {
        matches!(self.0, Place::Tcp(..))
    }

    /// Refuses to serve there without a rule for who may come in, where one is needed. Every adapter asks
    /// this when it binds.
    ///
    /// # Errors
    ///
    /// [`OpenError::BadConfig`] if it [needs](Self::needs_authorize) an authorisation and has none.
    pub fn check_authorize(&self, authorizes: bool) -> Result<(), OpenError> {
        if authorizes || !self.needs_authorize() {
            return Ok(());
        }
        Err(OpenError::BadConfig(format!(
            "nothing tells who connects to {self}: say with `ServerBuilder::authorize` who may \
             come in, such as whoever knows a secret"
        )))
    }
}

impl FromStr for Address {
    type Err = OpenError;

    /// Reads an address. Whether it can be used shows when it is.
    ///
    /// # Errors
    ///
    /// [`OpenError::BadAddress`] if it is no address, or one that no version or not this one
    /// serves: TCP beyond this machine, a named pipe.
    fn from_str(text: &str) -> Result<Self, OpenError> {
        if text.contains('/') {
            return Ok(Self(Place::Path(text.into())));
        }
        if let Some(name) = text.strip_prefix('@') {
            return check_abstract(text, name).map(|()| Self(Place::Abstract(name.into())));
        }
        if let Some(rest) = text.strip_prefix("tcp:") {
            return read_tcp(text, rest).map(Self);
        }
        if text.starts_with(r"\\") {
            return Err(OpenError::BadAddress(format!(
                "{text:?} is a named pipe, which this version does not serve; it serves paths \
                 (\"/run/app.sock\", \"./app.sock\"), names in the user's runtime folder \
                 (\"app\"), \"@app\", \"tcp:127.0.0.1:4000\" and \"stdio\""
            )));
        }
        if text == "stdio" {
            return Ok(Self(Place::Stdio));
        }
        check_name(text)?;
        Ok(Self(Place::Name(text.into())))
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

fn check_abstract(text: &str, name: &str) -> Result<(), OpenError> {
    if (1..=ABSTRACT_MAX).contains(&name.len()) && !name.contains('\0') {
        return Ok(());
    }
    Err(OpenError::BadAddress(format!(
        "{text:?} is no abstract name: that is '@' and 1 to {ABSTRACT_MAX} bytes without NUL, and \
         these are {}; choose another one",
        name.len()
    )))
}

/// Reads `HOST:PORT`. Names but `localhost` are not looked up: only this machine is served.
fn read_tcp(text: &str, rest: &str) -> Result<Place, OpenError> {
    let read = |(host, port): (&str, &str)| {
        let digits = port.bytes().all(|byte| byte.is_ascii_digit());
        let port = port.parse().ok().filter(|_| digits)?;
        (!host.is_empty()).then(|| (host.to_owned(), port))
    };
    let (host, port) = rest.rsplit_once(':').and_then(read).ok_or_else(|| {
        OpenError::BadAddress(format!(
            "{text:?} is no TCP address: that is tcp:HOST:PORT with a port of 0 to 65535, such as \
             tcp:127.0.0.1:4000, tcp:[::1]:4000 or tcp:localhost:4000"
        ))
    })?;
    if host == "localhost" {
        return Ok(Place::Tcp(Host::Localhost, port));
    }
    let v6 = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let ip = match v6 {
        Some(v6) => v6.parse::<Ipv6Addr>().map(IpAddr::V6),
        None => host.parse::<Ipv4Addr>().map(IpAddr::V4),
    };
    match ip {
        Ok(ip) if ip.is_loopback() => Ok(Place::Tcp(Host::Ip(ip), port)),
        _ => Err(OpenError::BadAddress(format!(
            "{text:?}: over TCP this version serves this machine only (127.0.0.1, [::1], \
             localhost), because nothing there encrypts or says who is at the other end; for \
             another machine use an SSH tunnel (ssh -L 4000:127.0.0.1:4000 HOST) and \
             tcp:127.0.0.1:4000"
        ))),
    }
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
            Place::Abstract(name) => write!(f, "@{name}"),
            Place::Tcp(Host::Localhost, port) => write!(f, "tcp:localhost:{port}"),
            Place::Tcp(Host::Ip(IpAddr::V4(ip)), port) => write!(f, "tcp:{ip}:{port}"),
            Place::Tcp(Host::Ip(IpAddr::V6(ip)), port) => write!(f, "tcp:[{ip}]:{port}"),
            Place::Stdio => f.write_str("stdio"),
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

    fn place(text: &str) -> Place {
        text.parse::<Address>().unwrap().0
    }

    fn refused(text: &str) -> String {
        let error = text.parse::<Address>().unwrap_err();
        assert!(matches!(error, OpenError::BadAddress(_)), "{text:?}: {error}");
        error.to_string()
    }

    #[test]
    fn each_form_is_told_from_the_others() {
        for path in ["/run/app.sock", "./app", "a/b", "@a/b", "tcp:a/b", "stdio/"] {
            assert_eq!(place(path), Place::Path(path.into()));
        }
        for name in ["app", "stdio2", "tcp", "A.b_c-9", "-", &"x".repeat(64)] {
            assert_eq!(place(name), Place::Name(name.into()));
        }
        for name in ["app", "@", "tcp:1", ".", "a b", "é", &"x".repeat(107)] {
            assert_eq!(place(&format!("@{name}")), Place::Abstract(name.into()));
        }
        assert_eq!(place("stdio"), Place::Stdio);
    }

    #[test]
    fn tcp_is_this_machine() {
        let ip = |text: &str| Host::Ip(text.parse().unwrap());
        assert_eq!(place("tcp:127.0.0.1:4000"), Place::Tcp(ip("127.0.0.1"), 4000));
        assert_eq!(place("tcp:127.9.9.9:65535"), Place::Tcp(ip("127.9.9.9"), 65535));
        assert_eq!(place("tcp:[::1]:0"), Place::Tcp(ip("::1"), 0));
        assert_eq!(place("tcp:localhost:1"), Place::Tcp(Host::Localhost, 1));
        for host in ["0.0.0.0", "[::]", "192.168.0.7", "[::ffff:127.0.0.1]", "a.example", "::1"] {
            let error = refused(&format!("tcp:{host}:4000"));
            assert!(error.contains("this machine only"), "{error}");
            assert!(error.contains("ssh -L"), "{error}");
        }
        for rest in ["", ":", "1", "localhost", "localhost:", "localhost:65536", "localhost:+1"] {
            let error = refused(&format!("tcp:{rest}"));
            assert!(error.contains("tcp:HOST:PORT"), "{error}");
        }
        for rest in [":1", "localhost:-1", "localhost:1 ", "localhost:x"] {
            refused(&format!("tcp:{rest}"));
        }
    }

    #[test]
    fn only_tcp_needs_an_authorisation() {
        for (text, needs) in [
            ("app", false),
            ("./app", false),
            ("@app", false),
            ("stdio", false),
            ("tcp:[::1]:1", true),
        ] {
            assert_eq!(text.parse::<Address>().unwrap().needs_authorize(), needs, "{text}");
        }
    }

    #[test]
    fn what_is_not_served_is_named() {
        let error = refused(r"\\.\pipe\app");
        assert!(error.contains("named pipe"), "{error}");
        assert!(error.contains("it serves paths"), "{error}");
    }

    #[test]
    fn bad_names_are_refused() {
        for name in ["", ".", "..", ".app", "a b", "a\\b", "a:b", "a\0", "é", &"x".repeat(65)] {
            refused(name);
        }
        for name in ["@", "@a\0", &format!("@{}", "x".repeat(108))] {
            let error = refused(name);
            assert!(error.contains("107 bytes"), "{error}");
        }
    }

    #[test]
    fn it_is_printed_as_it_is_parsed() {
        for text in [
            "app",
            "/run/app.sock",
            "./app",
            "@app",
            "stdio",
            "tcp:localhost:1",
            "tcp:127.0.0.1:80",
            "tcp:[::1]:80",
        ] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
        }
        assert_eq!(Address::from(Path::new("app")).to_string(), "./app");
    }
}
