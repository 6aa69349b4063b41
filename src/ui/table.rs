//! Tables: comfy-table's layout, with a style per row. On a terminal the header is bold, and free text
//! wraps if a line is too long.

use std::io::IsTerminal;
use std::os::fd::AsFd;

use comfy_table::{
    CellAlignment, ColumnConstraint, ContentArrangement, ContentLineStyle, LineStyle, Row, TableStyle,
};

use crate::ui::report::Colour;

/// Rows under a header.
pub(crate) struct Table {
    table: comfy_table::Table,
    /// The SGR code of each line group: the header, then each row.
    styles: Vec<Option<&'static str>>,
}

/// How a column is laid out.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Column {
    /// Text on one line, such as an ID.
    Left(&'static str),
    /// Numbers.
    Right(&'static str),
    /// Free text, which may wrap.
    Wrapped(&'static str),
}

const BOLD: &str = "1";
/// Marks the line between two rows, so that each row can have its own style. No cell holds it.
const END_OF_ROW: char = '\0';

const STYLE: TableStyle = TableStyle::new()
    .header_separator(LineStyle::none().fill(END_OF_ROW))
    .row_separator(LineStyle::none().fill(END_OF_ROW))
    .header_lines(ContentLineStyle::none())
    .content_lines(ContentLineStyle::none());

/// The width of a terminal; `None` for anything else, which takes lines of any length.
pub(crate) fn terminal_width(stream: &(impl AsFd + IsTerminal)) -> Option<u16> {
    let size = if stream.is_terminal() { rustix::termios::tcgetwinsize(stream).ok() } else { None };
    size.map(|size| size.ws_col).filter(|width| *width > 0)
}

impl Table {
    /// An empty table.
    pub(crate) fn new(columns: &[Column]) -> Self {
        let mut table = comfy_table::Table::new();
        table.load_style(STYLE).set_header(columns.iter().map(|column| column.title()));
        let last = columns.len() - 1;
        for (index, column) in columns.iter().enumerate() {
            let Some(laid_out) = table.column_mut(index) else { continue };
            laid_out.set_padding((0, if index == last { 0 } else { 2 }));
            if matches!(column, Column::Right(_)) {
                laid_out.set_cell_alignment(CellAlignment::Right);
            }
            if !matches!(column, Column::Wrapped(_)) {
                laid_out.set_constraint(ColumnConstraint::ContentWidth);
            }
        }
        Self { table, styles: vec![Some(BOLD)] }
    }

    /// Adds a row with a cell per column, perhaps in the style of an SGR code. Cells hold no control characters.
    pub(crate) fn row(&mut self, style: Option<&'static str>, cells: impl Into<Row>) {
        self.table.add_row(cells);
        self.styles.push(style);
    }

    /// The lines, each with a newline and without trailing blanks.
    pub(crate) fn render(mut self, colour: Colour, width: Option<u16>) -> String {
        if let Some(width) = width {
            self.table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
        }
        let mut styles = self.styles.iter();
        let mut style = styles.next().copied().flatten();
        let mut text = String::new();
        for line in self.table.lines() {
            if line.starts_with(END_OF_ROW) {
                style = styles.next().copied().flatten();
                continue;
            }
            let line = line.trim_end();
            text.push_str(&style.map_or_else(|| line.to_owned(), |style| colour.paint(style, line)));
            text.push('\n');
        }
        text
    }
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
        let mut table = Table::new(&[Column::Left("NAME"), Column::Right("SIZE"), Column::Left("ENV")]);
        table.row(None, ["你好", "7", "a"]);
        table.row(None, ["A", "12345", "b"]);
        assert_eq!(table.render(Colour::Off, None), "NAME   SIZE  ENV\n你好      7  a\nA     12345  b\n");
    }

    #[test]
    fn free_text_wraps_on_a_narrow_terminal_and_an_id_never_does() {
        let render = |colour, width| {
            let columns = [Column::Wrapped("NAME"), Column::Wrapped("FOR"), Column::Left("ID")];
            let mut table = Table::new(&columns);
            table.row(Some("33"), ["web", "internationalization of all texts", "stk_12345678"]);
            table.row(None, ["生产环境", "a", "stk_2"]);
            table.render(colour, Some(width))
        };
        let expected = "\
NAME      FOR                    ID
web       internationalization   stk_12345678
          of all texts
生产环境  a                      stk_2
";
        assert_eq!(render(Colour::Off, 45), expected);
        let coloured = render(Colour::On, 45);
        assert!(coloured.starts_with("\x1b[1mNAME"), "{coloured:?}");
        assert!(coloured.contains("\n\x1b[33m          of all texts\x1b[0m\n"), "{coloured:?}");
        for width in [28, 5] {
            assert!(render(Colour::Off, width).contains("stk_12345678\n"), "{width}");
        }
    }
}
