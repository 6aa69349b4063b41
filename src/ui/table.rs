//! A table for people: columns aligned, a bold header on a terminal. Columns of free text are broken
//! into lines where the terminal is too narrow; what is copied or compared never is.

use std::io::IsTerminal;
use std::os::fd::AsFd;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::ui::report::Colour;

/// Rows under a header.
#[derive(Debug)]
pub(crate) struct Table {
    columns: Vec<Column>,
    rows: Vec<Row>,
}

#[derive(Debug)]
struct Row {
    cells: Vec<String>,
    /// An SGR code, such as `33`.
    style: Option<&'static str>,
}

/// A column's title and how its cells are set.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Column {
    title: &'static str,
    setting: Setting,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Setting {
    Left,
    Right,
    /// To the left, and broken where the line is too long.
    Broken,
}

/// A column of text.
pub(crate) const fn left(title: &'static str) -> Column {
    Column { title, setting: Setting::Left }
}

/// A column of numbers.
pub(crate) const fn right(title: &'static str) -> Column {
    Column { title, setting: Setting::Right }
}

/// A column of text that may be broken into lines.
pub(crate) const fn broken(title: &'static str) -> Column {
    Column { title, setting: Setting::Broken }
}

const BOLD: &str = "1";
/// Between columns.
const GAP: &str = "  ";
/// Columns are not broken into narrower ones than this.
const NARROWEST: usize = 8;

/// The columns of a terminal; `None` where a line may have any length.
pub(crate) fn line_width(stream: &(impl AsFd + IsTerminal)) -> Option<usize> {
    let size = if stream.is_terminal() { rustix::termios::tcgetwinsize(stream).ok() } else { None };
    size.map(|size| usize::from(size.ws_col)).filter(|width| *width > 0)
}

impl Table {
    /// A table without rows.
    pub(crate) fn new(columns: impl Into<Vec<Column>>) -> Self {
        Self { columns: columns.into(), rows: Vec::new() }
    }

    /// Adds a row, a cell per column. Cells hold no control characters.
    pub(crate) fn row(&mut self, cells: impl Into<Vec<String>>) {
        self.rows.push(Row { cells: cells.into(), style: None });
    }

    /// Adds a row in the style of an SGR code.
    pub(crate) fn styled_row(&mut self, style: &'static str, cells: impl Into<Vec<String>>) {
        self.rows.push(Row { cells: cells.into(), style: Some(style) });
    }

    /// The lines, of at most `width` columns where that can be; each ended by a newline and without
    /// trailing blanks.
    pub(crate) fn render(&self, colour: Colour, width: Option<usize>) -> String {
        let widths = self.widths(width);
        let titles: Vec<&str> = self.columns.iter().map(|column| column.title).collect();
        let mut text = colour.paint(BOLD, &self.line(&titles, &widths)) + "\n";
        for row in &self.rows {
            for line in self.lines(row, &widths) {
                text.push_str(&row.style.map_or_else(|| line.clone(), |style| colour.paint(style, &line)));
                text.push('\n');
            }
        }
        text
    }

    fn cells(&self, column: usize) -> impl Iterator<Item = &str> {
        let title = self.columns[column].title;
        std::iter::once(title).chain(self.rows.iter().map(move |row| row.cells[column].as_str()))
    }

    /// Each column as wide as its cells; the broken ones share what the line lacks.
    fn widths(&self, line: Option<usize>) -> Vec<usize> {
        let widest = |column| self.cells(column).map(str::width).max().unwrap_or(0);
        let mut widths: Vec<usize> = (0..self.columns.len()).map(widest).collect();
        let total = widths.iter().sum::<usize>() + GAP.len() * (widths.len() - 1);
        let mut excess = line.map_or(0, |line| total.saturating_sub(line));
        // The widest gives way first; a column's longest word stays whole while another can give.
        for floor in [Floor::LongestWord, Floor::Narrowest] {
            let floors: Vec<usize> = (0..widths.len()).map(|column| self.floor(column, floor)).collect();
            while excess > 0 {
                let gives = |column: &usize| widths[*column] > floors[*column];
                let Some(column) = (0..widths.len()).filter(gives).max_by_key(|column| widths[*column])
                else {
                    break;
                };
                widths[column] -= 1;
                excess -= 1;
            }
        }
        widths
    }

    fn floor(&self, column: usize, floor: Floor) -> usize {
        match (self.columns[column].setting, floor) {
            (Setting::Left | Setting::Right, _) => usize::MAX,
            (Setting::Broken, Floor::Narrowest) => NARROWEST,
            (Setting::Broken, Floor::LongestWord) => {
                let words = self.cells(column).flat_map(|cell| cell.split(' '));
                words.map(str::width).max().unwrap_or(0).max(NARROWEST)
            }
        }
    }

    /// A row's lines.
    fn lines(&self, row: &Row, widths: &[usize]) -> Vec<String> {
        let cells = row.cells.iter().zip(&self.columns).zip(widths);
        let cells: Vec<Vec<String>> = cells
            .map(|((cell, column), width)| match column.setting {
                Setting::Broken => wrap(cell, *width),
                Setting::Left | Setting::Right => vec![cell.clone()],
            })
            .collect();
        let height = cells.iter().map(Vec::len).max().unwrap_or(0);
        let part = |cell: &'_ Vec<String>, index: usize| cell.get(index).cloned().unwrap_or_default();
        (0..height)
            .map(|index| {
                let parts: Vec<String> = cells.iter().map(|cell| part(cell, index)).collect();
                self.line(&parts, widths)
            })
            .collect()
    }

    /// One line of cells, padded by the columns they take and not by their characters.
    fn line(&self, cells: &[impl AsRef<str>], widths: &[usize]) -> String {
        let cells =
            cells.iter().map(AsRef::as_ref).zip(&self.columns).zip(widths).map(|((cell, column), width)| {
                let blanks = " ".repeat(width.saturating_sub(cell.width()));
                match column.setting {
                    Setting::Left | Setting::Broken => format!("{cell}{blanks}"),
                    Setting::Right => format!("{blanks}{cell}"),
                }
            });
        cells.collect::<Vec<_>>().join(GAP).trim_end().to_owned()
    }
}

/// How far a broken column gives way.
#[derive(Clone, Copy)]
enum Floor {
    LongestWord,
    Narrowest,
}

/// Breaks text into lines of at most `width` columns, at spaces where there are any.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    let mut used = 0;
    for word in text.split(' ') {
        let needed = word.width();
        if used > 0 && used + 1 + needed > width {
            lines.push(std::mem::take(&mut line));
            used = 0;
        } else if used > 0 {
            line.push(' ');
            used += 1;
        }
        for c in word.chars() {
            let columns = c.width().unwrap_or(0);
            if used + columns > width && used > 0 {
                lines.push(std::mem::take(&mut line));
                used = 0;
            }
            line.push(c);
            used += columns;
        }
    }
    lines.push(line);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_also_where_characters_are_wide() {
        let mut table = Table::new([left("NAME"), right("SIZE"), left("ENV")]);
        table.row(["你好".to_owned(), "7".to_owned(), "a".to_owned()]);
        table.row(["A".to_owned(), "12345".to_owned(), "b".to_owned()]);
        assert_eq!(table.render(Colour::Off, None), "NAME   SIZE  ENV\n你好      7  a\nA     12345  b\n");
    }

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
    fn the_widest_columns_give_way_and_words_stay_whole_where_they_can() {
        let words = |count: usize| vec!["ab"; count].join(" ");
        for (cells, line, expected) in [
            ([words(4), words(10)], None, [11, 29]),
            ([words(4), words(10)], Some(38), [11, 15]),
            ([words(10), words(10)], Some(38), [13, 13]),
            (["web".into(), "internationalization matters".into()], Some(36), [4, 20]),
            (["internationalization".into(), "internationalization".into()], Some(38), [13, 13]),
            ([words(10), words(10)], Some(5), [8, 8]),
        ] {
            let mut table = Table::new([broken("NAME"), broken("FOR"), left("ID")]);
            let [name, text] = cells;
            table.row([name, text, "12345678".into()]);
            assert_eq!(table.widths(line)[..2], expected, "{line:?}");
        }
    }
}
