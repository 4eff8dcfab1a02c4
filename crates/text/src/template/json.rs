//! JSON as Python's `json.dumps` writes it, so that prompts match byte for byte what a model saw in training.

use minijinja::value::ValueKind;
use minijinja::{Error, ErrorKind, Value};

/// The arguments of `json.dumps`.
pub(super) struct Style {
    /// Write characters beyond ASCII as `\uXXXX`.
    pub ascii: bool,
    /// Spaces for each level; `None` writes one line.
    pub indent: Option<usize>,
    /// Sort objects by key.
    pub sort_keys: bool,
    /// Between items, and between key and value.
    pub separators: Option<Vec<String>>,
}

/// Deepest nesting that is written, and widest indentation: enough for any schema, and no way to exhaust the stack.
const DEEPEST: usize = 100;

/// Writes a value.
pub(super) fn dumps(value: &Value, style: &Style) -> Result<String, Error> {
    let invalid = |message: String| Error::new(ErrorKind::InvalidOperation, message);
    if let Some(indent) = style.indent.filter(|&indent| indent > DEEPEST) {
        return Err(invalid(format!("tojson: indent is {indent}; at most {DEEPEST}")));
    }
    let (item, key) = match style.separators.as_deref() {
        Some([item, key]) => (item.as_str(), key.as_str()),
        Some(other) => {
            return Err(invalid(format!("tojson: separators are two strings, not {}", other.len())));
        }
        None if style.indent.is_some() => (",", ": "),
        None => (", ", ": "),
    };
    let mut writer = Writer { out: String::new(), style, item, key };
    writer.value(value, 0)?;
    Ok(writer.out)
}

struct Writer<'a> {
    out: String,
    style: &'a Style,
    item: &'a str,
    key: &'a str,
}

impl Writer<'_> {
    fn value(&mut self, value: &Value, depth: usize) -> Result<(), Error> {
        if depth > DEEPEST {
            return Err(Error::new(
                ErrorKind::InvalidOperation,
                format!("tojson: nested deeper than {DEEPEST} levels"),
            ));
        }
        match value.kind() {
            ValueKind::None => self.out.push_str("null"),
            ValueKind::Bool => self.out.push_str(if value.is_true() { "true" } else { "false" }),
            ValueKind::Number => self.out.push_str(&number(value)),
            ValueKind::String => self.string(value.as_str().unwrap_or_default()),
            ValueKind::Seq | ValueKind::Iterable => {
                let items: Vec<Value> = value.try_iter()?.collect();
                self.list('[', ']', &items, depth, |writer, item| writer.value(item, depth + 1))?;
            }
            ValueKind::Map => {
                let mut keys: Vec<Value> = value.try_iter()?.collect();
                if self.style.sort_keys {
                    keys.sort();
                }
                self.list('{', '}', &keys, depth, |writer, key| {
                    // Python writes None, True and numbers as keys in JSON's spelling.
                    match key.as_str() {
                        Some(text) => writer.string(text),
                        None => {
                            writer.out.push('"');
                            writer.value(key, depth + 1)?;
                            writer.out.push('"');
                        }
                    }
                    writer.out.push_str(writer.key);
                    writer.value(&value.get_item(key)?, depth + 1)
                })?;
            }
            other => {
                let message = format!("tojson: a value of kind `{other}` is not JSON serializable");
                return Err(Error::new(ErrorKind::InvalidOperation, message));
            }
        }
        Ok(())
    }

    fn list(
        &mut self,
        open: char,
        close: char,
        items: &[Value],
        depth: usize,
        mut write: impl FnMut(&mut Self, &Value) -> Result<(), Error>,
    ) -> Result<(), Error> {
        self.out.push(open);
        for (place, item) in items.iter().enumerate() {
            if place > 0 {
                self.out.push_str(self.item);
            }
            self.new_line(depth + 1);
            write(self, item)?;
        }
        if !items.is_empty() {
            self.new_line(depth);
        }
        self.out.push(close);
        Ok(())
    }

    fn new_line(&mut self, depth: usize) {
        if let Some(indent) = self.style.indent {
            self.out.push('\n');
            self.out.extend(std::iter::repeat_n(' ', indent * depth));
        }
    }

    fn string(&mut self, text: &str) {
        self.out.push('"');
        for c in text.chars() {
            match c {
                '"' => self.out.push_str("\\\""),
                '\\' => self.out.push_str("\\\\"),
                '\n' => self.out.push_str("\\n"),
                '\r' => self.out.push_str("\\r"),
                '\t' => self.out.push_str("\\t"),
                '\u{8}' => self.out.push_str("\\b"),
                '\u{c}' => self.out.push_str("\\f"),
                c if c < ' ' || (self.style.ascii && c > '~') => {
                    for unit in c.encode_utf16(&mut [0; 2]) {
                        self.out.push_str(&format!("\\u{unit:04x}"));
                    }
                }
                c => self.out.push(c),
            }
        }
        self.out.push('"');
    }
}

/// Integers as they are, floats as Python's `repr` writes them: the shortest digits that read back, with an exponent below
/// 10⁻⁴ and from 10¹⁶ on.
fn number(value: &Value) -> String {
    if value.is_integer() {
        return value.to_string();
    }
    let x = f64::try_from(value.clone()).unwrap_or(f64::NAN);
    if x.is_nan() {
        return "NaN".into();
    }
    if x.is_infinite() {
        return if x > 0.0 { "Infinity".into() } else { "-Infinity".into() };
    }
    if x == 0.0 || (1e-4..1e16).contains(&x.abs()) {
        return format!("{x:?}");
    }
    // Rust writes 1e20 and 1.5e-7; Python 1e+20 and 1.5e-07.
    let text = format!("{x:e}");
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let (sign, exponent) = exponent.strip_prefix('-').map_or(('+', exponent), |rest| ('-', rest));
    format!("{digits}e{sign}{exponent:0>2}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_spelt_as_in_python() {
        let spelt = |x: f64| number(&Value::from(x));
        assert_eq!(
            [1.0, 0.1, 1e16, 1.5e-7, 123456.789, -0.0, 1e-4].map(spelt),
            ["1.0", "0.1", "1e+16", "1.5e-07", "123456.789", "-0.0", "0.0001"]
        );
        assert_eq!(number(&Value::from(7)), "7");
    }
}
