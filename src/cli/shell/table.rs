//! Tables as Helm prints them.

use super::output::for_people;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Formats a table as Helm does: cells padded to their column and joined by a tab. Cells longer
/// than `max_width` are cut, unless that is 0. Widths are those of a terminal, where some
/// characters take two columns.
pub(crate) fn table(header: &[&str], rows: &[Vec<String>], max_width: usize) -> String {
    let max_width = if max_width == 0 { usize::MAX } else { max_width };
    let header = header.iter().map(|cell| (*cell).to_owned()).collect();
    // Escaped first, so that the columns fit the printed text.
    let escape = |row: &Vec<String>| row.iter().map(|cell| for_people(cell).into_owned()).collect();
    let rows: Vec<Vec<String>> = std::iter::once(&header).chain(rows).map(escape).collect();
    let column = |column: usize| {
        let widest = rows.iter().map(|row| width(&row[column])).max();
        widest.unwrap_or(0).min(max_width)
    };
    let widths: Vec<usize> = (0..header.len()).map(column).collect();
    let fit = |(cell, column): (&String, &usize)| {
        let length = width(cell);
        if length <= *column {
            return format!("{cell}{}", " ".repeat(column - length));
        }
        format!("{}...", kept(cell, column.saturating_sub(3)))
    };
    let line = |row: &Vec<String>| {
        let cells: Vec<String> = row.iter().zip(&widths).map(fit).collect();
        format!("{}\n", cells.join("\t"))
    };
    rows.iter().map(line).collect()
}

/// Returns the number of a terminal's columns; control characters use none.
fn width(text: &str) -> usize {
    text.split(char::is_control).map(UnicodeWidthStr::width).sum()
}

/// Returns the part of a cell that a cut keeps. The character that reaches the limit is the last.
/// So one character stays in the narrowest column, and a wide one may exceed it.
fn kept(cell: &str, room: usize) -> &str {
    let mut taken = 0;
    for (at, char) in cell.char_indices() {
        taken += char.width().unwrap_or(0);
        if taken >= room {
            return &cell[..at + char.len_utf8()];
        }
    }
    cell
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wide_characters_take_two_columns_as_in_helms_tables() {
        let row = |cells: [&str; 2]| cells.map(str::to_owned).to_vec();
        let rows =
            [row(["größe 大", "x"]), row(["b", "大大大大大大"]), row(["é", "long enough to go"])];
        let text = "NAME    \tTEXT      \ngröße 大\tx         \nb       \t大大大大...\né       \tlong en...\n";
        assert_eq!(table(&["NAME", "TEXT"], &rows, 10), text);
        assert_eq!(table(&["A"], &[vec!["大b".to_owned()]], 1), "A\n大...\n");
    }
}
