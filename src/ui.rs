//! Everything people see: messages, colours, tables, prompts and suggestions. This room decides how a text looks,
//! never what happens.

pub(crate) mod failure;
pub(crate) mod output;
pub(crate) mod prompt;
pub(crate) mod report;
pub(crate) mod stages;
pub(crate) mod suggestion;
pub(crate) mod table;
pub(crate) mod text;
pub(crate) mod time;
pub(crate) mod word;
