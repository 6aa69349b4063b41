//! Man pages for redenv-run and each of its commands, from the same definitions as `--help`.
//!
//! `clap_mangen` makes all sections but those from the text below the options: it would put that text
//! into one section named EXTRA, with filled and hyphenated examples.

use std::fmt::Write;

use clap::Command;
use clap_mangen::Man;

/// The name and the text of each page. `command` is redenv-run's definition.
pub fn pages(command: Command) -> Vec<(String, String)> {
    let mut command = command.disable_help_subcommand(true);
    command.build();
    let source = format!("{} {}", command.get_name(), command.get_version().unwrap_or_default());
    let mut pages = Vec::new();
    add(&command, &source, &mut pages);
    pages
}

fn add(command: &Command, source: &str, pages: &mut Vec<(String, String)>) {
    for command in command.get_subcommands().filter(|command| !command.is_hide_set()) {
        add(command, source, pages);
    }
    let name = command.get_display_name().unwrap_or_else(|| command.get_name()).to_owned();
    pages.push((name, page(command, source)));
}

fn page(command: &Command, source: &str) -> String {
    let after = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let sections = Sections::of(&after);
    let about = command.get_long_about().or_else(|| command.get_about());
    let about = about.map(ToString::to_string).into_iter().chain(sections.description);
    // The version is in the page's foot.
    let command = command.clone().after_help(None).version(None);
    let command = command.long_about(about.collect::<Vec<_>>().join("\n\n"));
    let mut page = Vec::new();
    Man::new(command).source(source).render(&mut page).expect("memory takes it");
    let page = String::from_utf8(page).expect("it was text");
    let (title, rest) = page.split_once(".SH NAME").expect("the first section");
    // No hyphenation and no justified lines: users copy names and options from everywhere.
    let mut page = format!("{title}.nh\n.ad l\n.SH NAME{rest}");
    for (heading, paragraphs) in [
        ("EXIT STATUS", sections.exit_status),
        ("ENVIRONMENT", sections.environment),
        ("EXAMPLES", sections.examples),
    ] {
        for (i, paragraph) in paragraphs.iter().enumerate() {
            let begin = if i == 0 { format!(".SH {heading}") } else { ".PP".to_owned() };
            writeln!(page, "{begin}").expect("memory takes it");
            page += &roff(paragraph);
        }
    }
    page
}

/// The paragraphs below the options, by their section in a man page.
#[derive(Default)]
struct Sections {
    description: Vec<String>,
    exit_status: Vec<String>,
    environment: Vec<String>,
    examples: Vec<String>,
}

impl Sections {
    fn of(text: &str) -> Self {
        let mut sections = Self::default();
        for paragraph in text.split("\n\n").filter(|paragraph| !paragraph.is_empty()) {
            if let Some(status) = paragraph.strip_prefix("Exit status: ") {
                sections.exit_status.push(status.to_owned());
            } else if let Some(examples) = paragraph.strip_prefix("Examples") {
                // The heading may go on: "Examples, steps of a workflow:".
                let examples = match examples.strip_prefix(", ") {
                    Some(rest) => rest[..1].to_uppercase() + &rest[1..],
                    None => examples.trim_start_matches(":\n").to_owned(),
                };
                sections.examples.push(examples);
            } else if paragraph.starts_with("  ") && !sections.examples.is_empty() {
                sections.examples.push(paragraph.to_owned());
            } else if names_a_variable(paragraph) {
                sections.environment.push(paragraph.to_owned());
            } else {
                sections.description.push(paragraph.to_owned());
            }
        }
        sections
    }
}

fn names_a_variable(text: &str) -> bool {
    let words = text.split(|c: char| !(c.is_ascii_uppercase() || c == '_'));
    words.into_iter().any(|word| word.contains('_'))
}

/// Converts a paragraph. Indented lines are examples or tables and stay as they are.
fn roff(paragraph: &str) -> String {
    let mut roff = String::new();
    let mut filled = true;
    for line in paragraph.lines() {
        let fills = !line.starts_with("  ");
        if fills != filled {
            roff += if fills { ".fi\n.RE\n" } else { ".RS 4\n.nf\n" };
            filled = fills;
        }
        roff += &escaped(line.trim_start());
        roff.push('\n');
    }
    if !filled {
        roff += ".fi\n.RE\n";
    }
    roff
}

/// Escapes characters of shell lines that roff would replace or interpret.
fn escaped(line: &str) -> String {
    let mut escaped = String::from(if line.starts_with('.') { "\\&" } else { "" });
    for c in line.chars() {
        match c {
            '\\' => escaped += "\\e",
            '-' => escaped += "\\-",
            '\'' => escaped += "\\(aq",
            '`' => escaped += "\\(ga",
            '^' => escaped += "\\(ha",
            '~' => escaped += "\\(ti",
            c => escaped.push(c),
        }
    }
    escaped
}
