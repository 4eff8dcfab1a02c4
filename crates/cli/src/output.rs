//! What goes to stdout and stderr: streaming writes that notice a closed pipe, notes, tables, and numbers for people.

use crate::exit::Outcome;
use crate::terminal::{self, Style, harmless};
use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};

static QUIET: AtomicBool = AtomicBool::new(false);

/// Turns notes and progress off (`--quiet`).
pub(crate) fn be_quiet() {
    QUIET.store(true, Ordering::Relaxed);
}

/// Whether notes and progress are off.
pub(crate) fn quiet() -> bool {
    QUIET.load(Ordering::Relaxed)
}

/// Writes to stdout and flushes, so that a reader sees each piece as it is made.
pub(crate) fn write(text: &str) -> Outcome {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    Ok(out.flush()?)
}

/// Writes text that a model made: as it is into a pipe or file, harmless on a terminal.
pub(crate) fn write_foreign(text: &str) -> Outcome {
    if terminal::stdout() { write(&harmless(text)) } else { write(text) }
}

/// Writes a line.
pub(crate) fn line(text: &str) -> Outcome {
    write(&format!("{text}\n"))
}

/// Writes a value as JSON: indented for a person, one line for a program.
pub(crate) fn json(value: &impl serde::Serialize) -> Outcome {
    let text =
        if terminal::stdout() { serde_json::to_string_pretty(value)? } else { serde_json::to_string(value)? };
    line(&text)
}

/// Tells something on stderr, unless `--quiet`. A stderr that cannot be written to is nobody's loss.
pub(crate) fn note(text: &str) {
    if !quiet() {
        let _ = writeln!(io::stderr().lock(), "{text}");
    }
}

/// Reports a failure on stderr.
pub(crate) fn error(message: &str) {
    let label = Style::stderr().bad("error:");
    let _ = writeln!(io::stderr().lock(), "{label} {}", harmless(message));
}

/// Rows of cells in aligned columns, two spaces apart, the first row a heading. `right` names the columns of numbers.
pub(crate) fn table(rows: &[Vec<String>], right: &[usize], style: Style) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width_of = |c: usize| rows.iter().filter_map(|r| r.get(c)).map(|t| width(t)).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width_of).collect();
    let mut text = String::new();
    for (index, row) in rows.iter().enumerate() {
        let mut line = String::new();
        for (column, (cell, &wide)) in row.iter().zip(&widths).enumerate() {
            let space = " ".repeat(wide.saturating_sub(width(cell)));
            if column > 0 {
                line.push_str("  ");
            }
            if right.contains(&column) {
                line.extend([space.as_str(), cell]);
            } else {
                line.extend([cell, space.as_str()]);
            }
        }
        let line = line.trim_end();
        text.push_str(&if index == 0 { style.dim(line) } else { line.to_owned() });
        text.push('\n');
    }
    text
}

/// "Name   value" lines, the names aligned.
pub(crate) fn fields(rows: &[(&str, String)], style: Style) -> String {
    let wide = rows.iter().map(|(name, _)| width(name)).max().unwrap_or(0);
    rows.iter()
        .map(|(name, value)| format!("{}{}  {value}\n", style.dim(name), " ".repeat(wide - width(name))))
        .collect()
}

/// Columns that text takes, near enough for names and numbers (escape codes of [`Style`] take none).
fn width(text: &str) -> usize {
    let mut escape = false;
    let visible = |c: &char| {
        let hidden = escape || *c == '\x1b';
        escape = (escape || *c == '\x1b') && *c != 'm';
        !hidden
    };
    text.chars().filter(visible).count()
}

/// A size in bytes as people write it: decimal units, three figures.
pub(crate) fn bytes(n: u64) -> String {
    scaled(n, &["B", "kB", "MB", "GB", "TB"])
}

/// A count of parameters: 134M, 1.7B.
pub(crate) fn count(n: u64) -> String {
    scaled(n, &["", "K", "M", "B", "T"]).replace(' ', "")
}

fn scaled(n: u64, units: &[&str]) -> String {
    let mut value = n as f64;
    let mut unit = 0;
    while value >= 999.5 && unit + 1 < units.len() {
        value /= 1000.0;
        unit += 1;
    }
    let name = units.get(unit).copied().unwrap_or_default();
    let text = match value {
        _ if unit == 0 => format!("{n}"),
        v if v < 9.995 => format!("{v:.2}"),
        v if v < 99.95 => format!("{v:.1}"),
        v => format!("{v:.0}"),
    };
    format!("{text} {name}").trim_end().to_owned()
}

/// A whole number with its thousands apart: 10 240.
pub(crate) fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

/// A duration: 61 ms, 2.4 s, 3 min 20 s.
pub(crate) fn duration(d: std::time::Duration) -> String {
    match d.as_secs_f64() {
        s if s < 1.0 => format!("{:.0} ms", s * 1000.0),
        s if s < 100.0 => format!("{s:.1} s"),
        s => format!("{:.0} min {:.0} s", (s / 60.0).floor(), s % 60.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_for_people() {
        assert_eq!(bytes(0), "0 B");
        assert_eq!(bytes(98_362_432), "98.4 MB");
        assert_eq!(bytes(999_999), "1.00 MB");
        assert_eq!(bytes(u64::MAX), "18446744 TB");
        assert_eq!(count(134_515_008), "135M");
        assert_eq!(grouped(10_485_760), "10 485 760");
        assert_eq!(duration(std::time::Duration::from_millis(61)), "61 ms");
    }

    #[test]
    fn tables_align_and_ignore_colour() {
        let plain = Style::stdout();
        let rows = vec![vec!["NAME".into(), "SIZE".into()], vec!["\x1b[36mab\x1b[0m".into(), "1".into()]];
        assert_eq!(table(&rows, &[1], plain).lines().last(), Some("\x1b[36mab\x1b[0m       1"));
    }
}
