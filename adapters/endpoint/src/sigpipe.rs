//! Writing to a pipe without SIGPIPE. A socket can be asked not to raise it, a pipe cannot; and what
//! the process does with the signal is the program's to say. Called by `pipes`; calls the operating
//! system.

use nix::sys::signal::{SigSet, SigmaskHow, Signal};
use rustix::io::Errno;

/// Runs `write` with SIGPIPE blocked in this thread, and takes the signal that it may have raised.
/// One that was waiting before, in a thread that blocks it, is taken with it: they are one.
pub(crate) fn spared<T>(write: impl FnOnce() -> Result<T, Errno>) -> Result<T, Errno> {
    let sigpipe = SigSet::from(Signal::SIGPIPE);
    // It fails for a wrong first argument only; should it, better no write than a signal.
    let before = sigpipe.thread_swap_mask(SigmaskHow::SIG_BLOCK).map_err(|_| Errno::INVAL)?;
    let result = write();
    let raised = matches!(result, Err(Errno::PIPE));
    // One that cannot be taken stays blocked in this thread, where it does no harm.
    if !raised || take(&sigpipe) {
        let _ = before.thread_set_mask();
    }
    result
}

/// Takes the signal that waits for this thread; whether none does any more.
///
/// Not by `sigwait`, which waits for ever where nothing was raised: some systems drop a signal that
/// the program ignores even while it is blocked.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn take(sigpipe: &SigSet) -> bool {
    use nix::sys::signalfd::{SfdFlags, SignalFd};
    let flags = SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC;
    SignalFd::with_flags(sigpipe, flags).and_then(|waiting| waiting.read_signal()).is_ok()
}

/// Nothing safe takes it here without the risk of waiting for ever.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const fn take(_: &SigSet) -> bool {
    false
}
