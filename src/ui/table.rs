//! Tables for stdout: comfy-table's layout. On a terminal the header is bold, and free text wraps if a line is
//! too long.

use std::io::{self, IsTerminal};

use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, Table};

use crate::ui::report::Colour;

/// How a column is laid out.
#[derive(Clone, Copy)]
pub(crate) enum Column {
    /// Text on one line, such as an ID.
    Left(&'static str),
    /// Numbers.
    Right(&'static str),
    /// Free text, which may wrap.
    Wrapped(&'static str),
}

const BOLD: &str = "1";

/// A table for stdout. Cells hold no control characters.
pub(crate) fn table<const N: usize>(columns: [Column; N], rows: impl Iterator<Item = [String; N]>) -> String {
    let stdout = io::stdout();
    let size = if stdout.is_terminal() { rustix::termios::tcgetwinsize(&stdout).ok() } else { None };
    let width = size.map(|size| size.ws_col).filter(|width| *width > 0);
    render(columns, rows, Colour::of(&stdout), width)
}

/// The table's lines, each with a newline and without trailing blanks. Without a `width`, a line has any
/// length.
fn render<const N: usize>(
    columns: [Column; N],
    rows: impl Iterator<Item = [String; N]>,
    colour: Colour,
    width: Option<u16>,
) -> String {
    let mut table = Table::new();
    table.load_style(NOTHING).set_header(columns.map(Column::title)).add_rows(rows);
    for (index, column) in columns.iter().enumerate() {
        let Some(laid_out) = table.column_mut(index) else { continue };
        laid_out.set_padding((0, if index == N - 1 { 0 } else { 2 }));
        if matches!(column, Column::Right(_)) {
            laid_out.set_cell_alignment(CellAlignment::Right);
        }
        if !matches!(column, Column::Wrapped(_)) {
            laid_out.set_constraint(ColumnConstraint::ContentWidth);
        }
    }
    if let Some(width) = width {
        table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
    }
    let mut text = String::new();
    for (index, line) in table.lines().enumerate() {
        let line = line.trim_end();
        text += &if index == 0 { colour.paint(BOLD, line) } else { line.to_owned() };
        text.push('\n');
    }
    text
}

impl Column {
    fn title(self) -> &'static str {
        let (Self::Left(title) | Self::Right(title) | Self::Wrapped(title)) = self;
        title
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_also_where_characters_are_wide() {
        let columns = [Column::Left("NAME"), Column::Right("SIZE"), Column::Left("ENV")];
        let rows = [["你好", "7", "a"], ["A", "12345", "b"]].map(|row| row.map(String::from));
        let text = render(columns, rows.into_iter(), Colour::Off, None);
        assert_eq!(text, "NAME   SIZE  ENV\n你好      7  a\nA     12345  b\n");
    }

    #[test]
    fn free_text_wraps_on_a_narrow_terminal_and_an_id_never_does() {
        let render = |colour, width| {
            let columns = [Column::Wrapped("NAME"), Column::Wrapped("FOR"), Column::Left("ID")];
            let rows =
                [["web", "internationalization of all texts", "stk_12345678"], ["生产环境", "a", "stk_2"]];
            render(columns, rows.map(|row| row.map(String::from)).into_iter(), colour, Some(width))
        };
        let expected = "\
NAME      FOR                    ID
web       internationalization   stk_12345678
          of all texts
生产环境  a                      stk_2
";
        assert_eq!(render(Colour::Off, 45), expected);
        let coloured = render(Colour::On, 45);
        assert_eq!(coloured, format!("\x1b[1m{}", expected.replacen('\n', "\x1b[0m\n", 1)));
        for width in [28, 5] {
            assert!(render(Colour::Off, width).contains("stk_12345678\n"), "{width}");
        }
    }
}
