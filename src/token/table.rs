//! The table of `token list`. On a terminal it keeps to its width: names and descriptions are
//! broken into lines, ids never, so that they can be copied.

use std::io::IsTerminal;
use std::os::fd::AsFd;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::list::Listed;
use super::time::Zone;
use crate::report::{Colour, Shown};

const HEADER: [&str; 5] = ["Name", "Description", "Token ID", "Created At", "Age"];
const NAME: usize = 0;
const DESCRIPTION: usize = 1;
/// Between columns.
const GAP: &str = "  ";
/// Names and descriptions are not made narrower.
const NARROWEST: usize = 8;

/// What the table is written on.
#[derive(Clone, Copy)]
pub(super) struct Paper {
    /// Columns; `None` where there is no end to a line.
    width: Option<usize>,
    colour: Colour,
}

impl Paper {
    pub(super) fn of(stream: &(impl AsFd + IsTerminal)) -> Self {
        let size = if stream.is_terminal() { rustix::termios::tcgetwinsize(stream).ok() } else { None };
        let width = size.map(|size| usize::from(size.ws_col)).filter(|width| *width > 0);
        Self { width, colour: Colour::of(stream) }
    }
}

/// The whole table, its last line ended.
pub(super) fn table(tokens: &[Listed], zone: &Zone, paper: Paper) -> String {
    let rows: Vec<[String; 5]> = tokens
        .iter()
        .map(|token| {
            [
                token.shown_name(),
                token.shown_description(),
                Shown(&token.id).to_string(),
                token.shown_created(zone),
                token.shown_age(),
            ]
        })
        .collect();
    let widths = widths(&rows, paper.width);
    let mut text = paper.colour.paint("1", &line(&HEADER, &widths));
    text.push('\n');
    for (row, token) in rows.iter().zip(tokens) {
        for line in lines(row, &widths) {
            text.push_str(&if token.is_old() { paper.colour.paint("33", &line) } else { line });
            text.push('\n');
        }
    }
    text
}

/// The columns' widths: as wide as their cells, or on paper that is too narrow, names and
/// descriptions in what is left.
fn widths(rows: &[[String; 5]], paper: Option<usize>) -> [usize; 5] {
    let mut widths = HEADER.map(str::width);
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.width());
        }
    }
    let total = widths.iter().sum::<usize>() + GAP.len() * (widths.len() - 1);
    let excess = paper.map_or(0, |paper| total.saturating_sub(paper));
    if excess > 0 {
        let (name, description) = (widths[NAME], widths[DESCRIPTION]);
        let room = (name + description).saturating_sub(excess).max(2 * NARROWEST);
        // The one that needs less than half gets what it needs.
        let half = room / 2;
        let for_name = if name <= half { name } else { half.max(room.saturating_sub(description)) };
        let [name_word, word] = [NAME, DESCRIPTION].map(|column| longest_word(rows, column));
        let for_name =
            if name_word + word <= room { for_name.clamp(name_word, room - word) } else { for_name };
        widths[NAME] = name.min(for_name);
        widths[DESCRIPTION] = description.min(room - widths[NAME]);
    }
    widths
}

/// The width of a column's longest word, which is better not broken.
fn longest_word(rows: &[[String; 5]], column: usize) -> usize {
    let cells = rows.iter().map(|row| row[column].as_str()).chain([HEADER[column]]);
    cells.flat_map(|cell| cell.split(' ')).map(str::width).max().unwrap_or(0)
}

/// A row's lines.
fn lines(row: &[String; 5], widths: &[usize; 5]) -> Vec<String> {
    let cells: Vec<Vec<String>> = row
        .iter()
        .zip(widths)
        .enumerate()
        .map(|(column, (cell, width))| match column {
            NAME | DESCRIPTION => wrap(cell, *width),
            _ => vec![cell.clone()],
        })
        .collect();
    let height = cells.iter().map(Vec::len).max().unwrap_or(0);
    (0..height)
        .map(|index| {
            let parts: Vec<&str> =
                cells.iter().map(|cell| cell.get(index).map_or("", String::as_str)).collect();
            line(&parts, widths)
        })
        .collect()
}

/// One line of cells, padded by their columns and not by their characters.
fn line(cells: &[&str], widths: &[usize; 5]) -> String {
    let mut line = String::new();
    for (cell, width) in cells.iter().zip(widths) {
        line.push_str(cell);
        line.extend(std::iter::repeat_n(' ', width.saturating_sub(cell.width())));
        line.push_str(GAP);
    }
    line.truncate(line.trim_end().len());
    line
}

/// Breaks text into lines of at most `width` columns, at spaces where there are any.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut used = 0;
    for word in text.split(' ') {
        let needed = word.width();
        if used > 0 && used + 1 + needed > width {
            lines.push(String::new());
            used = 0;
        } else if used > 0 {
            push(&mut lines, ' ');
            used += 1;
        }
        for c in word.chars() {
            let columns = c.width().unwrap_or(0);
            if used + columns > width && used > 0 {
                lines.push(String::new());
                used = 0;
            }
            push(&mut lines, c);
            used += columns;
        }
    }
    lines
}

fn push(lines: &mut [String], c: char) {
    if let Some(last) = lines.last_mut() {
        last.push(c);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_broken_at_spaces_and_long_words_anywhere() {
        for (text, width, lines) in [
            ("GitHub Actions (CLI 1.4.1)", 15, vec!["GitHub Actions", "(CLI 1.4.1)"]),
            ("abcdefgh", 8, vec!["abcdefgh"]),
            ("abcdefghi", 8, vec!["abcdefgh", "i"]),
            ("ab abcdefghi", 8, vec!["ab", "abcdefgh", "i"]),
            ("生产环境", 5, vec!["生产", "环境"]),
            ("", 8, vec![""]),
        ] {
            assert_eq!(wrap(text, width), lines, "{text}");
        }
    }

    #[test]
    fn words_are_kept_whole_where_there_is_room() {
        let row = ["production web", "a description of many words", "x", "x", "x"].map(String::from);
        // 26 columns for both: half would do for "production", not for "a description".
        let [name, description, ..] = widths(&[row], Some(26 + 8 + 8 + 10 + 3));
        assert_eq!((name, description), (13, 13));
        let row = ["web", "internationalization", "x", "x", "x"].map(String::from);
        let [name, description, ..] = widths(&[row], Some(24 + 8 + 8 + 10 + 3));
        assert_eq!((name, description), (4, 20));
    }

    #[test]
    fn names_and_descriptions_share_what_is_left_of_the_paper() {
        let row =
            |name: usize, description: usize| [name, description, 20, 19, 5].map(|width| "x".repeat(width));
        // The other columns and the gaps take 52.
        for ((name, description), paper, expected) in [
            ((10, 20), None, (10, 20)),
            ((8, 20), Some(80), (8, 20)),
            ((10, 40), Some(80), (10, 18)),
            ((40, 10), Some(80), (17, 11)),
            ((40, 40), Some(80), (14, 14)),
            ((40, 40), Some(20), (8, 8)),
        ] {
            let [first, second, ..] = widths(&[row(name, description)], paper);
            assert_eq!((first, second), expected, "{name} and {description} on {paper:?}");
        }
    }
}
