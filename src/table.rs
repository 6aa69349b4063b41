//! A table for people: columns aligned, a bold header on a terminal.

use crate::report::Colour;

/// Rows under a header.
#[derive(Debug)]
pub(crate) struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<String>>,
}

/// A column's title and on which side it is aligned.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Column {
    title: &'static str,
    side: Side,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Left,
    Right,
}

/// A column of text.
pub(crate) const fn left(title: &'static str) -> Column {
    Column { title, side: Side::Left }
}

/// A column of numbers.
pub(crate) const fn right(title: &'static str) -> Column {
    Column { title, side: Side::Right }
}

const BOLD: &str = "1";

impl Table {
    /// A table without rows.
    pub(crate) fn new(columns: impl Into<Vec<Column>>) -> Self {
        Self { columns: columns.into(), rows: Vec::new() }
    }

    /// Adds a row, a cell per column. Cells hold no control characters.
    pub(crate) fn row(&mut self, cells: impl Into<Vec<String>>) {
        self.rows.push(cells.into());
    }

    /// The lines, each ended by a newline and without trailing blanks.
    pub(crate) fn render(&self, colour: Colour) -> String {
        let titles: Vec<String> = self.columns.iter().map(|column| column.title.to_owned()).collect();
        let all = || std::iter::once(&titles).chain(&self.rows);
        let widths: Vec<usize> =
            (0..titles.len()).map(|index| all().map(|row| width(&row[index])).max().unwrap_or(0)).collect();
        let line = |row: &[String]| {
            let cells = row.iter().zip(&self.columns).zip(&widths).map(|((cell, column), wide)| {
                let blanks = " ".repeat(wide - width(cell));
                match column.side {
                    Side::Left => format!("{cell}{blanks}"),
                    Side::Right => format!("{blanks}{cell}"),
                }
            });
            cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
        };
        let header = colour.paint(BOLD, &line(&titles));
        let rows = self.rows.iter().map(|row| line(row) + "\n");
        std::iter::once(header + "\n").chain(rows).collect()
    }
}

/// The columns that a text takes on a terminal.
fn width(text: &str) -> usize {
    unicode_width::UnicodeWidthStr::width(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_also_where_characters_are_wide() {
        let mut table = Table::new([left("NAME"), right("SIZE"), left("ENV")]);
        table.row(["你好".to_owned(), "7".to_owned(), "a".to_owned()]);
        table.row(["A".to_owned(), "12345".to_owned(), "b".to_owned()]);
        assert_eq!(table.render(Colour::Off), "NAME   SIZE  ENV\n你好      7  a\nA     12345  b\n");
    }
}
