//! What surrounds the launch while secrets are in memory.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};

/// Makes the process non-dumpable: no core file, no `ptrace` and no `/proc/<pid>/mem` for other
/// processes of the same user. The exec undoes it for COMMAND.
pub(crate) fn forbid_dumps() {
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{DumpableBehavior, set_dumpable_behavior};
        // Refused only by kernels that know the request under no number; nothing depends on it.
        let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    }
}

/// As process 1, ends the launcher at once with 128+n on TERM, INT, HUP and QUIT, which the kernel would
/// otherwise discard there; images name one of them as the signal to stop with. The exec puts them back
/// to their default; one that was inherited as ignored stays ignored.
pub(crate) fn end_on_signals() {
    if std::process::id() != 1 {
        return;
    }
    let ignored = ignored_signals();
    for signal in [SIGTERM, SIGINT, SIGHUP, SIGQUIT] {
        if ignored & (1 << (signal - 1)) == 0 {
            let always = Arc::new(AtomicBool::new(true));
            // Fails only for signals that can't be caught, which these can.
            let _ = signal_hook::flag::register_conditional_shutdown(signal, 128 + signal, always);
        }
    }
}

/// The ignored signals as the kernel's bit mask; none where there is no `/proc` to read them from. Only
/// `sigaction` would tell there, and nothing that is linked asks it in safe code: to register a handler
/// gives no old one back.
fn ignored_signals() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}
