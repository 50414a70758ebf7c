//! `Credentials`: who is at the other end of a stream. A small noun; anybody may call it, it calls
//! the operating system only.

/// Who is at the other end, as the kernel recorded it when the connection was made. For the client
/// that is who called `listen`; of two pipes it is who made them.
///
/// It does not change when the peer changes its user, forks, or hands its end to another process:
/// it says who connected, not who writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Credentials {
    /// The effective user. A user of another namespace that is not mapped here shows as the
    /// system's overflow user (65534, as a rule "nobody").
    pub uid: u32,
    /// The effective group.
    pub gid: u32,
    /// The process, for logs only: it may have ended, and its number may belong to another one by
    /// now. Never decide on it. `None` where it cannot be seen: on systems that do not tell, of
    /// pipes, and for a process outside of this one's pid namespace.
    pub pid: Option<u32>,
}

impl Credentials {
    /// The default rule of who may connect: the user that this process runs as (its effective
    /// one), and root.
    #[must_use]
    pub fn same_user_or_root(&self) -> bool {
        self.uid == 0 || Some(self.uid) == effective_uid()
    }
}

#[cfg(unix)]
fn effective_uid() -> Option<u32> {
    Some(rustix::process::geteuid().as_raw())
}

#[cfg(not(unix))]
const fn effective_uid() -> Option<u32> {
    None
}

/// Whether the system tells who is at the other end of a Unix socket: whoever is not told then, is a
/// client of another transport.
pub(crate) const TOLD: bool = cfg!(any(
    target_os = "linux",
    target_os = "android",
    target_vendor = "apple",
    target_os = "dragonfly",
    target_os = "freebsd",
    target_os = "netbsd",
    target_os = "openbsd",
));

/// Who made a pipe. Nobody, if others may open it, too: then it has a name.
#[cfg(unix)]
pub(crate) fn of_pipe(pipe: &impl std::os::fd::AsFd) -> std::io::Result<Option<Credentials>> {
    let found = rustix::fs::fstat(pipe)?;
    let shared = found.st_mode & 0o077 != 0;
    Ok((!shared).then_some(Credentials { uid: found.st_uid, gid: found.st_gid, pid: None }))
}

/// Asks the kernel. This is nix's and not rustix's because rustix 1.1 takes the pid for non-zero,
/// and a peer outside of our pid namespace has pid 0: its answer then reads as an error.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) fn of_peer(socket: &impl std::os::fd::AsFd) -> std::io::Result<Option<Credentials>> {
    let peer = nix::sys::socket::getsockopt(socket, nix::sys::socket::sockopt::PeerCredentials)?;
    let pid = u32::try_from(peer.pid()).ok().filter(|pid| *pid != 0);
    Ok(Some(Credentials { uid: peer.uid(), gid: peer.gid(), pid }))
}

/// Asks the kernel, which tells no pid here.
#[cfg(any(
    target_vendor = "apple",
    target_os = "dragonfly",
    target_os = "freebsd",
    target_os = "netbsd",
    target_os = "openbsd",
))]
pub(crate) fn of_peer(socket: &impl std::os::fd::AsFd) -> std::io::Result<Option<Credentials>> {
    let (uid, gid) = nix::unistd::getpeereid(socket)?;
    Ok(Some(Credentials { uid: uid.as_raw(), gid: gid.as_raw(), pid: None }))
}

/// Nobody to ask: the mode of the socket file is what keeps others out.
#[cfg(all(
    unix,
    not(any(
        target_os = "linux",
        target_os = "android",
        target_vendor = "apple",
        target_os = "dragonfly",
        target_os = "freebsd",
        target_os = "netbsd",
        target_os = "openbsd",
    ))
))]
pub(crate) fn of_peer(_: &impl std::os::fd::AsFd) -> std::io::Result<Option<Credentials>> {
    Ok(None)
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn the_same_user_and_root_pass_and_nobody_else() {
        let me = rustix::process::geteuid().as_raw();
        let passes = |uid| Credentials { uid, gid: 0, pid: None }.same_user_or_root();
        assert!(passes(me));
        assert!(passes(0));
        assert!(!passes(me + 1));
    }
}
