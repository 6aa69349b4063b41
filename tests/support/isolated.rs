//! redenv-run in namespaces of its own, where a test can change the system around it.

use std::process::Command;

use super::launch::Launch;

/// Starts it through `unshare` with these options, from a shell that runs `setup` first; each line must
/// succeed. Without root it needs user namespaces.
pub fn isolated(launch: Launch, options: &[&str], setup: &str) -> Launch {
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
