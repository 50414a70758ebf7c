//! From an address to the path of its socket file. Called by `stream`, `listener` and whoever wants
//! to show the path; knows `address` and `error`, and asks the environment and the file system.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::address::{Address, Place};
use crate::error::OpenError;

/// The longest path of a socket in bytes: `sun_path` has room for 108 on Linux and the systems
/// after System V, for 104 on the BSDs and macOS, and a NUL stands at its end.
const PATH_MAX: usize = if cfg!(any(
    target_os = "linux",
    target_os = "android",
    target_os = "illumos",
    target_os = "solaris",
)) {
    107
} else {
    103
};

impl Address {
    /// The path of the socket file. Reads `XDG_RUNTIME_DIR` if the address is a name.
    ///
    /// # Errors
    ///
    /// [`OpenError::BadAddress`] if the address has no file, if the path is too long for a socket or
    /// names no file, or if there is no runtime folder; [`OpenError::NotPermitted`] if others own
    /// that or can write it.
    pub fn path(&self) -> Result<PathBuf, OpenError> {
        let path = match &self.0 {
            Place::Path(path) => path.clone(),
            Place::Name(name) => {
                let uid = rustix::process::geteuid().as_raw();
                let given = env::var_os("XDG_RUNTIME_DIR").filter(|folder| !folder.is_empty());
                runtime_folder(given.as_deref(), Path::new("/run/user"), uid)?
                    .join(format!("{name}.sock"))
            }
            Place::Abstract(_) | Place::Tcp(..) | Place::Stdio => {
                return Err(OpenError::BadAddress(format!(
                    "{self} has no socket file; for one use a path or a name"
                )));
            }
        };
        check(&path)?;
        Ok(path)
    }
}

/// The folder of a path and the file's name in it. Splits at the last `/` and not by
/// `Path::file_name`, which drops a `/` or `/.` at the end: that names a folder.
pub(crate) fn split(path: &Path) -> (PathBuf, OsString) {
    let bytes = path.as_os_str().as_bytes();
    let (folder, name) = match bytes.iter().rposition(|byte| *byte == b'/') {
        None => (&b"."[..], bytes),
        Some(0) => (&b"/"[..], &bytes[1..]),
        Some(at) => (&bytes[..at], &bytes[at + 1..]),
    };
    (PathBuf::from(OsStr::from_bytes(folder)), OsStr::from_bytes(name).to_owned())
}

fn check(path: &Path) -> Result<(), OpenError> {
    let length = path.as_os_str().len();
    if length > PATH_MAX {
        return Err(OpenError::BadAddress(format!(
            "{path:?} is {length} bytes long, and the path of a socket has at most {PATH_MAX} \
             here; choose a shorter one"
        )));
    }
    if path.as_os_str().as_bytes().contains(&0) {
        return Err(OpenError::BadAddress(format!("{path:?} contains a NUL; leave it out")));
    }
    let (_, name) = split(path);
    if name.is_empty() || name == "." || name == ".." {
        return Err(OpenError::BadAddress(format!("{path:?} names no file; add its name")));
    }
    Ok(())
}

/// The folder for names: `given` (what `XDG_RUNTIME_DIR` says), else the user's own below `users`.
/// A folder that is given and no good is an error: to fall back in silence would let a client and
/// its server look in different places.
fn runtime_folder(given: Option<&OsStr>, users: &Path, uid: u32) -> Result<PathBuf, OpenError> {
    let folder = given.map_or_else(|| users.join(uid.to_string()), PathBuf::from);
    let by = if given.is_some() { "XDG_RUNTIME_DIR" } else { "the runtime folder" };
    let advice = "set XDG_RUNTIME_DIR to a folder that only you can write, or use a path";
    if !folder.is_absolute() {
        return Err(OpenError::BadAddress(format!("{by}, {folder:?}, is not absolute; {advice}")));
    }
    let found = fs::metadata(&folder).map_err(|error| {
        OpenError::BadAddress(format!("{by}, {folder:?}, cannot be used: {error}; {advice}"))
    })?;
    if !found.is_dir() {
        return Err(OpenError::BadAddress(format!("{by}, {folder:?}, is no folder; {advice}")));
    }
    if found.uid() != uid {
        return Err(OpenError::NotPermitted(format!(
            "{by}, {folder:?}, belongs to uid {}, and this program runs as uid {uid}; {advice}",
            found.uid()
        )));
    }
    if found.mode() & 0o022 != 0 {
        return Err(OpenError::NotPermitted(format!(
            "{by}, {folder:?}, can be written by others; {advice}"
        )));
    }
    Ok(folder)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn me() -> u32 {
        rustix::process::geteuid().as_raw()
    }

    fn chmod(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    // Threat 58.
    #[test]
    fn a_path_is_as_long_as_a_socket_takes() {
        for (length, good) in [(PATH_MAX - 1, true), (PATH_MAX, true), (PATH_MAX + 1, false)] {
            let text = format!("/{}", "x".repeat(length - 1));
            let result = text.parse::<Address>().unwrap().path();
            assert_eq!(result.is_ok(), good, "{length}");
            if let Err(error) = result {
                let error = error.to_string();
                assert!(error.contains(&length.to_string()), "{error}");
                assert!(error.contains(&PATH_MAX.to_string()), "{error}");
            }
        }
    }

    #[test]
    fn a_path_names_a_file() {
        for text in ["/", "/tmp/", "/tmp/.", "/tmp/..", "a/", "/a\0b"] {
            let result = text.parse::<Address>().unwrap().path();
            assert!(matches!(result, Err(OpenError::BadAddress(_))), "{text}");
        }
        assert!(Address::from(Path::new("")).path().is_err());
        for text in ["@app", "tcp:localhost:1", "stdio"] {
            let error = text.parse::<Address>().unwrap().path().unwrap_err();
            assert!(error.to_string().contains("no socket file"), "{error}");
        }
    }

    #[test]
    fn a_path_is_split_at_its_last_slash() {
        for (path, folder, name) in
            [("/a", "/", "a"), ("/a/b", "/a", "b"), ("a/b", "a", "b"), ("b", ".", "b")]
        {
            assert_eq!(split(Path::new(path)), (folder.into(), name.into()));
        }
    }

    /// Names live in a folder that no cleaner visits.
    // Threat 56.
    #[test]
    fn the_given_folder_goes_before_the_users_own() {
        let users = tempfile::tempdir().unwrap();
        let own = users.path().join(me().to_string());
        assert!(runtime_folder(None, users.path(), me()).is_err(), "missing");
        fs::create_dir(&own).unwrap();
        chmod(&own, 0o700);
        assert_eq!(runtime_folder(None, users.path(), me()).unwrap(), own);

        let given = tempfile::tempdir().unwrap();
        let text = Some(given.path().as_os_str());
        assert_eq!(runtime_folder(text, users.path(), me()).unwrap(), given.path());
    }

    #[test]
    fn a_folder_that_is_no_good_is_an_error_and_not_passed_over() {
        let given = tempfile::tempdir().unwrap();
        let none = Path::new("/nowhere");
        let of = |path: &Path, uid| runtime_folder(Some(path.as_os_str()), none, uid);
        assert!(matches!(of(Path::new("relative"), me()), Err(OpenError::BadAddress(_))));
        assert!(matches!(of(&given.path().join("no"), me()), Err(OpenError::BadAddress(_))));
        let file = given.path().join("file");
        fs::write(&file, "").unwrap();
        assert!(matches!(of(&file, me()), Err(OpenError::BadAddress(_))));
        assert!(matches!(of(given.path(), me() + 1), Err(OpenError::NotPermitted(_))));
        for mode in [0o720, 0o702, 0o1777] {
            chmod(given.path(), mode);
            assert!(matches!(of(given.path(), me()), Err(OpenError::NotPermitted(_))), "{mode:o}");
        }
    }
}
