//! The command: how it is found, what its environment holds, and the exec that becomes it. This room never
//! speaks to Upstash and never decrypts.

pub(crate) mod environment;
pub(crate) mod exec;
pub(crate) mod memory_file;
pub(crate) mod program;
pub(crate) mod reserved;
