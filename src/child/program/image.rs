//! What the kernel makes of a file that is to be executed, by its first bytes.
//!
//! Where it makes nothing of it the C library's `execvp` starts `/bin/sh` with the file, and that would
//! read a program of another machine as commands, with all secrets in the environment.

use std::ffi::OsStr;
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::handler;

/// How much of a file the kernel looks at (`BINPRM_BUF_SIZE`).
const LOOKED_AT: u64 = 256;

const I386: u16 = 3;
const ARM: u16 = 40;
const X86_64: u16 = 62;
const AARCH64: u16 = 183;

/// This machine, as an ELF header of 64 bits names it (`e_machine`); `None` where nothing is released for.
const THIS: Option<u16> =
    if !cfg!(all(target_os = "linux", target_pointer_width = "64", target_endian = "little")) {
        None
    } else if cfg!(target_arch = "x86_64") {
        Some(X86_64)
    } else if cfg!(target_arch = "aarch64") {
        Some(AARCH64)
    } else {
        None
    };

/// How programs begin on macOS: of 64 and of 32 bits, and of several machines in one.
const MACH_O: [&[u8]; 3] = [b"\xcf\xfa\xed\xfe", b"\xce\xfa\xed\xfe", b"\xca\xfe\xba\xbe"];

/// A file, as far as its first bytes tell.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Image {
    /// The kernel executes it, or nothing speaks against that.
    Program,
    /// `#!` and the path of an interpreter, which may end in a carriage return by mistake.
    Script(PathBuf),
    /// A text that names none.
    Text,
    /// A program of another machine.
    Foreign(Machine),
    /// Anything else.
    Data,
}

/// What a program is built for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Machine {
    number: u16,
    form: Form,
}

#[derive(Debug, PartialEq, Eq, Clone, Copy)]
enum Form {
    Usual,
    Bits32,
    BigEndian,
}

impl Image {
    /// Looks at a file. One that may be executed but not read is taken for a program.
    pub(super) fn of(path: &Path) -> Self {
        let Ok((start, length)) = start_of(path) else { return Self::Program };
        match Self::of_bytes(&start, length) {
            Self::Foreign(_) | Self::Data if handler::is_there_for(path, &start) => Self::Program,
            image => image,
        }
    }

    fn of_bytes(start: &[u8], length: u64) -> Self {
        if start.starts_with(b"\x7fELF") && !cfg!(target_vendor = "apple") {
            return THIS.map_or(Self::Program, |this| elf(start, length, this));
        }
        if let Some(interpreter) = start.strip_prefix(b"#!").and_then(interpreter) {
            return Self::Script(interpreter);
        }
        if cfg!(target_vendor = "apple") && MACH_O.iter().any(|magic| start.starts_with(magic)) {
            return Self::Program;
        }
        if start.contains(&0) { Self::Data } else { Self::Text }
    }
}

/// What the kernel looks at, and how long the file is.
fn start_of(path: &Path) -> io::Result<(Vec<u8>, u64)> {
    let file = File::open(path)?;
    let length = file.metadata()?.len();
    let mut start = Vec::with_capacity(256);
    file.take(LOOKED_AT).read_to_end(&mut start)?;
    Ok((start, length))
}

/// Whether this machine executes an ELF file (`elf(5)`; `load_elf_binary` in `fs/binfmt_elf.c`).
fn elf(start: &[u8], length: u64, this: u16) -> Image {
    let Some(header) = start.first_chunk::<64>() else { return Image::Data };
    let form = match (header[4], header[5]) {
        (_, 2) => Form::BigEndian,
        (1, _) => Form::Bits32,
        _ => Form::Usual,
    };
    let half = |at: usize| {
        let bytes = [header[at], header[at + 1]];
        if form == Form::BigEndian { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) }
    };
    let number = half(18);
    if form == Form::Bits32 && is_executed_too(number) {
        return Image::Program;
    }
    if (number, form) != (this, Form::Usual) {
        return Image::Foreign(Machine { number, form });
    }
    // Neither an object file nor a dump, nor one that was cut off before the list of its segments.
    let segments = u64::from_le_bytes(std::array::from_fn(|at| header[32 + at]));
    let end = segments.saturating_add(u64::from(half(54)) * u64::from(half(56)));
    if matches!(half(16), 2 | 3) && end <= length { Image::Program } else { Image::Data }
}

/// Whether a program of 32 bits is executed beside those of this machine.
fn is_executed_too(number: u16) -> bool {
    match number {
        // The kernel has this file where it was built for them; without `/proc` it has to say so itself.
        I386 if cfg!(target_arch = "x86_64") => {
            !Path::new("/proc/sys").exists() || Path::new("/proc/sys/abi/vsyscall32").exists()
        }
        // Whether the processor can is told nowhere.
        ARM => cfg!(target_arch = "aarch64"),
        _ => false,
    }
}

/// The path that the rest of a `#!` line names; the shell takes a line without one for a comment.
fn interpreter(rest: &[u8]) -> Option<PathBuf> {
    let line = rest.split(|byte| *byte == b'\n').next()?;
    let mut words = line.split(|byte| matches!(byte, b' ' | b'\t')).filter(|word| !word.is_empty());
    let path = words.next()?;
    let named = match (words.next(), words.next()) {
        // `env` would be found and look for this word, which no editor shows as it is.
        (Some(word), None) if path.ends_with(b"/env") && word.ends_with(b"\r") => word,
        _ => path,
    };
    Some(PathBuf::from(OsStr::from_bytes(named)))
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.number {
            I386 => f.write_str("i386"),
            8 => f.write_str("mips"),
            20 | 21 => f.write_str("powerpc"),
            22 => f.write_str("s390x"),
            ARM => f.write_str("arm"),
            X86_64 => f.write_str("x86_64"),
            AARCH64 => f.write_str("aarch64"),
            243 => f.write_str("riscv"),
            258 => f.write_str("loongarch"),
            number => write!(f, "ELF machine {number}"),
        }?;
        f.write_str(match self.form {
            Form::Usual => "",
            Form::Bits32 => ", 32-bit",
            Form::BigEndian => ", big-endian",
        })
    }
}
