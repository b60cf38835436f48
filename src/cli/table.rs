//! Tables as Helm prints them.

/// A table as Helm prints it: cells padded to their column, joined by a tab; cells longer than `max_width` are cut,
/// unless that is 0.
pub(super) fn table(header: &[&str], rows: &[Vec<String>], max_width: usize) -> String {
    let max_width = if max_width == 0 { usize::MAX } else { max_width };
    let header = header.iter().map(|cell| (*cell).to_owned()).collect();
    let rows: Vec<&Vec<String>> = std::iter::once(&header).chain(rows).collect();
    let width = |column: usize| {
        let widest = rows.iter().map(|row| row[column].chars().count()).max();
        widest.unwrap_or(0).min(max_width)
    };
    let widths: Vec<usize> = (0..header.len()).map(width).collect();
    let fit = |(cell, width): (&String, &usize)| {
        let length = cell.chars().count();
        if length <= *width {
            return format!("{cell}{}", " ".repeat(width - length));
        }
        // One character is kept however narrow the column; the cell is then wider than that.
        let kept: String = cell.chars().take(width.saturating_sub(3).max(1)).collect();
        format!("{kept}...")
    };
    let line = |row: &Vec<String>| {
        let cells: Vec<String> = row.iter().zip(&widths).map(fit).collect();
        format!("{}\n", cells.join("\t"))
    };
    rows.into_iter().map(line).collect()
}
