//! The subcommands for people: what `strom topic …` and `strom verify …` do.
//!
//! They are clients of a broker that runs: topics over the Kafka protocol, verification over HTTP. A
//! command prints what it found on standard output and says what went wrong, with a remedy, in its error.

mod client;
pub mod topic;
pub mod verify;

use std::fmt;

/// Why a command failed: one sentence that names the thing, the value and the remedy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure(pub String);

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Lines of cells under a line of titles; columns are as wide as their widest cell.
fn table(titles: &[&str], rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        cells.chain([titles[column].len()]).max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..titles.len()).map(width).collect();
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let padded = cells.zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        format!("{}\n", padded.collect::<Vec<_>>().join("  ").trim_end())
    };
    let mut text = line(&mut titles.iter().copied());
    for row in rows {
        text.push_str(&line(&mut row.iter().map(String::as_str)));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell_and_lines_end_without_blanks() {
        let row = |cells: [&str; 2]| cells.map(str::to_owned).to_vec();
        let text = table(&["NAME", "N"], &[row(["a", "1"]), row(["greetings", "10"])]);
        assert_eq!(text, "NAME       N\na          1\ngreetings  10\n");
        assert_eq!(table(&["NAME", "N"], &[]), "NAME  N\n");
    }
}
