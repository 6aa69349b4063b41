//! Protection of the process while it holds secrets.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};

/// Forbids core files, and `ptrace` and `/proc/<pid>/mem` for other processes of the same user. The exec undoes it.
pub(crate) fn forbid_dumps() {
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{DumpableBehavior, set_dumpable_behavior};
        // A launch works without this, so a failure does not matter.
        let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    }
}

/// As process 1, exits with 128+n on TERM, INT, HUP and QUIT: without a handler, the kernel discards these
/// signals for process 1. The exec resets them to their default. A signal that was inherited as ignored stays
/// ignored.
pub(crate) fn end_on_signals() {
    if std::process::id() != 1 {
        return;
    }
    let ignored = ignored_signals();
    for signal in [SIGTERM, SIGINT, SIGHUP, SIGQUIT] {
        if ignored & (1 << (signal - 1)) == 0 {
            let always = Arc::new(AtomicBool::new(true));
            // Fails only for signals that can't be caught.
            let _ = signal_hook::flag::register_conditional_shutdown(signal, 128 + signal, always);
        }
    }
}

/// The ignored signals as the kernel's bit mask. Without `/proc`, the mask is empty: `sigaction` knows the
/// signals, but no crate here calls it in safe code.
fn ignored_signals() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}
