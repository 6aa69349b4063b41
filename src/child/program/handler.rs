//! Programs that the kernel leaves to a handler: other machines' to an emulator, a `.jar` to Java.
//!
//! Linux lists them in `/proc` (`Documentation/admin-guide/binfmt-misc.rst`). A container that doesn't
//! mount the list has the host's handlers all the same, unseen.

use std::fs;
use std::path::Path;

const LIST: &str = "/proc/sys/fs/binfmt_misc";

/// Whether a handler is registered that takes a file which begins like this.
pub(super) fn is_there_for(path: &Path, start: &[u8]) -> bool {
    let read = |path: &Path| fs::read_to_string(path).unwrap_or_default();
    if !read(&Path::new(LIST).join("status")).starts_with("enabled") {
        return false;
    }
    let Ok(list) = fs::read_dir(LIST) else { return false };
    list.flatten().any(|entry| takes(&read(&entry.path()), path, start))
}

/// Whether a handler, as the kernel shows it, takes the file.
fn takes(handler: &str, path: &Path, start: &[u8]) -> bool {
    let field = |name: &str| {
        let mut lines = handler.lines();
        lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))
    };
    let bytes = |name: &str| field(name).and_then(|hex| base16ct::mixed::decode_vec(hex).ok());
    if !handler.starts_with("enabled") {
        return false;
    }
    if let Some(extension) = field("extension") {
        return path.extension().is_some_and(|found| extension.strip_prefix('.') == found.to_str());
    }
    let (Some(magic), Some(Ok(offset))) = (bytes("magic"), field("offset").map(str::parse::<usize>)) else {
        return false;
    };
    let mask = bytes("mask").unwrap_or_default();
    let differs = |(at, wanted): (usize, &u8)| {
        let found = start.get(offset + at).copied().unwrap_or_default();
        (found ^ wanted) & mask.get(at).copied().unwrap_or(0xff) != 0
    };
    !magic.iter().enumerate().any(differs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handler_takes_what_its_magic_and_mask_or_its_extension_fit() {
        let by_magic =
            "enabled\ninterpreter /usr/bin/qemu-s390x\nflags: OCF\noffset 2\nmagic 454cff02\nmask ffff00fe\n";
        let unmasked = "enabled\ninterpreter /usr/bin/mono\nflags: \noffset 0\nmagic 4d5a\n";
        let by_extension = "enabled\ninterpreter /usr/bin/java\nflags: \nextension .jar\n";
        for (handler, path, start, taken) in [
            (by_magic, "x", &b"..EL\x00\x02.."[..], true),
            (by_magic, "x", b"..EL\x17\x03..", true),
            (by_magic, "x", b"..EL\x00\x04..", false),
            (by_magic, "x", b"..EM\x00\x02..", false),
            (by_magic, "x", b"..E", false),
            (&by_magic.replacen("enabled", "disabled", 1), "x", b"..EL\x00\x02..", false),
            (unmasked, "x", b"MZ\0", true),
            (unmasked, "x.jar", b"PK\0", false),
            (by_extension, "dir/x.jar", b"PK\0", true),
            (by_extension, "x.jar/x", b"PK\0", false),
            (by_extension, "jar", b"PK\0", false),
            // What isn't a handler: the list's own state.
            ("enabled\n", "x.jar", b"MZ\0", false),
            ("", "x", b"MZ\0", false),
        ] {
            assert_eq!(takes(handler, Path::new(path), start), taken, "{handler} {path} {start:?}");
        }
    }
}
