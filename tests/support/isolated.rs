//! A launcher in namespaces of its own, where what surrounds it can be made to be anything.

use std::process::Command;

use super::launcher::Launcher;

/// Starts it through `unshare` with these options, from a shell that does `setup` first: each line
/// has to succeed. As root the namespaces are root's own; otherwise they are a user's, if allowed.
pub fn isolated(launch: Launcher, options: &[&str], setup: &str) -> Launcher {
    let mut wrapper = [&["unshare"], options].concat();
    if !works(&wrapper) {
        wrapper.extend(["--user", "--map-root-user"]);
        assert!(works(&wrapper), "`{}` must work: be root, or allow user namespaces", wrapper.join(" "));
    }
    let script = format!("set -e\n{setup}\nexec \"$@\"");
    wrapper.extend(["sh", "-c", &script, "sh"]);
    launch.through(wrapper)
}

fn works(wrapper: &[&str]) -> bool {
    let output = Command::new(wrapper[0]).args(&wrapper[1..]).arg("true").output();
    output.is_ok_and(|output| output.status.success())
}
