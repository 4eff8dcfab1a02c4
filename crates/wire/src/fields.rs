//! Reading a JSON object field by field, so that every complaint names the field by its path and nothing that was sent
//! stays unread: what is left at the end is refused by name. Which fields there are is each protocol's.

use crate::trace;
use parasol_core::{Error, ErrorKind, Result};
use serde_json::{Map, Value, json};

/// How a protocol spells its fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Spelling {
    /// As they are named; numbers are numbers.
    Exact,
    /// As protobuf's JSON mapping reads them: `camelCase` or `snake_case`, and whole numbers also as strings.
    Protobuf,
}

/// A JSON object that is being read.
#[derive(Debug)]
pub(crate) struct Fields {
    path: String,
    map: Map<String, Value>,
    spelling: Spelling,
}

/// An error about the field at `path`.
pub(crate) fn invalid(path: impl std::fmt::Display, what: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::InvalidRequest, format!("{path}: {what}"))
}

/// A field that nothing here knows. A name is the client's: long ones are not repeated in full.
pub(crate) fn unknown(name: &str) -> Error {
    let shown: String = name.chars().take(80).collect();
    invalid(shown, "is not a field that Parasol honours: leave it out")
}

/// What a JSON value is, for complaints.
fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// `maxOutputTokens` as `max_output_tokens`.
fn snake(name: &str) -> String {
    let mut out = String::with_capacity(name.len() + 4);
    for c in name.chars() {
        if c.is_ascii_uppercase() {
            out.push('_');
        }
        out.push(c.to_ascii_lowercase());
    }
    out
}

/// A string, or what it is instead.
pub(crate) fn string(value: Value, path: &str) -> Result<String> {
    match value {
        Value::String(s) => Ok(s),
        other => Err(invalid(path, format_args!("must be a string, not {}", kind(&other)))),
    }
}

impl Fields {
    /// The object at `path`; the empty path is the whole body.
    pub(crate) fn new(value: Value, path: impl Into<String>, spelling: Spelling) -> Result<Self> {
        let path = path.into();
        match value {
            Value::Object(map) => Ok(Self { path, map, spelling }),
            other => {
                let what = if path.is_empty() { "the body" } else { &path };
                Err(invalid(what, format_args!("must be an object, not {}", kind(&other))))
            }
        }
    }

    /// The path of a field of this object.
    pub(crate) fn at(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    /// The path of this object.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// An error about a field of this object.
    pub(crate) fn wrong(&self, name: &str, what: impl std::fmt::Display) -> Error {
        invalid(self.at(name), what)
    }

    fn asked(&self, name: &str, schema: impl FnOnce() -> Value) {
        trace::asked(|| self.at(name), schema);
    }

    /// Takes a field; null counts as absent.
    pub(crate) fn take(&mut self, name: &str) -> Option<Value> {
        self.asked(name, || json!({}));
        let mut found = self.map.shift_remove(name);
        if self.spelling == Spelling::Protobuf && found.is_none() {
            found = self.map.shift_remove(&snake(name));
        }
        found.filter(|v| !v.is_null())
    }

    /// Whether a field is there, and is null: where that means something else than its absence.
    pub(crate) fn is_null(&self, name: &str) -> bool {
        self.map.get(name).is_some_and(Value::is_null)
    }

    /// Whether a field is there.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.map.get(name).is_some_and(|value| !value.is_null())
    }

    /// Takes a field that has to be there.
    pub(crate) fn need(&mut self, name: &str) -> Result<Value> {
        self.take(name).ok_or_else(|| self.wrong(name, "is required"))
    }

    /// Takes a string.
    pub(crate) fn string(&mut self, name: &str) -> Result<Option<String>> {
        self.asked(name, || json!({ "type": "string" }));
        let path = self.at(name);
        self.take(name).map(|v| string(v, &path)).transpose()
    }

    /// Takes a string that has to be there.
    pub(crate) fn need_string(&mut self, name: &str) -> Result<String> {
        self.asked(name, || json!({ "type": "string" }));
        let path = self.at(name);
        string(self.need(name)?, &path)
    }

    /// Takes a boolean.
    pub(crate) fn bool(&mut self, name: &str) -> Result<Option<bool>> {
        self.asked(name, || json!({ "type": "boolean" }));
        match self.take(name) {
            None => Ok(None),
            Some(Value::Bool(b)) => Ok(Some(b)),
            Some(other) => Err(self.wrong(name, format_args!("must be true or false, not {}", kind(&other)))),
        }
    }

    /// Takes a number between `least` and `most`.
    pub(crate) fn number(&mut self, name: &str, least: f32, most: f32) -> Result<Option<f32>> {
        self.asked(name, || json!({ "type": "number", "minimum": least, "maximum": most }));
        let Some(value) = self.take(name) else { return Ok(None) };
        match value.as_f64().map(|x| x as f32) {
            Some(x) if (least..=most).contains(&x) => Ok(Some(x)),
            Some(_) => {
                Err(self.wrong(name, format_args!("is {value} and must lie between {least} and {most}")))
            }
            None => Err(self.wrong(name, format_args!("must be a number, not {}", kind(&value)))),
        }
    }

    /// Takes a whole number, of either sign.
    pub(crate) fn integer(&mut self, name: &str) -> Result<Option<i64>> {
        self.asked(name, || json!({ "type": "integer", "format": "int64" }));
        let Some(value) = self.take(name) else { return Ok(None) };
        let whole = match &value {
            Value::Number(n) => n.as_i64().or_else(|| n.as_f64().and_then(exact)),
            Value::String(s) if self.spelling == Spelling::Protobuf => s.parse().ok(),
            _ => None,
        };
        whole.map(Some).ok_or_else(|| match &value {
            Value::Number(n) => {
                self.wrong(name, format_args!("is {n} and must be a whole number of 64 bits"))
            }
            other => self.wrong(name, format_args!("must be a whole number, not {}", kind(other))),
        })
    }

    /// Takes a whole number of at least `least`.
    pub(crate) fn count(&mut self, name: &str, least: usize) -> Result<Option<usize>> {
        self.asked(name, || json!({ "type": "integer", "minimum": least, "format": "int64" }));
        let Some(n) = self.integer(name)? else { return Ok(None) };
        match usize::try_from(n) {
            Ok(n) if n >= least => Ok(Some(n)),
            _ => Err(self.wrong(name, format_args!("is {n} and must be at least {least}"))),
        }
    }

    /// Takes a list.
    pub(crate) fn list(&mut self, name: &str) -> Result<Option<Vec<Value>>> {
        self.asked(name, || json!({ "type": "array" }));
        match self.take(name) {
            None => Ok(None),
            Some(Value::Array(list)) => Ok(Some(list)),
            Some(other) => Err(self.wrong(name, format_args!("must be a list, not {}", kind(&other)))),
        }
    }

    /// Takes a list of strings.
    pub(crate) fn strings(&mut self, name: &str) -> Result<Option<Vec<String>>> {
        self.asked(name, || json!({ "type": "array", "items": { "type": "string" } }));
        let path = self.at(name);
        let Some(list) = self.list(name)? else { return Ok(None) };
        let each = list.into_iter().enumerate().map(|(i, v)| string(v, &format!("{path}.{i}")));
        each.collect::<Result<_>>().map(Some)
    }

    /// Takes an object.
    pub(crate) fn object(&mut self, name: &str) -> Result<Option<Self>> {
        self.asked(name, || json!({ "type": "object" }));
        let (path, spelling) = (self.at(name), self.spelling);
        self.take(name).map(|v| Self::new(v, path, spelling)).transpose()
    }

    /// Takes a list of objects.
    pub(crate) fn objects(&mut self, name: &str) -> Result<Option<Vec<Self>>> {
        self.asked(name, || json!({ "type": "array", "items": { "type": "object" } }));
        let (path, spelling) = (self.at(name), self.spelling);
        let Some(list) = self.list(name)? else { return Ok(None) };
        let each = list.into_iter().enumerate();
        each.map(|(i, v)| Self::new(v, format!("{path}.{i}"), spelling)).collect::<Result<_>>().map(Some)
    }

    /// Takes what is accepted though it changes nothing, and remembers in `noted` that it was sent.
    pub(crate) fn note(&mut self, names: &[&str], noted: &mut Vec<String>) {
        for name in names {
            trace::noted(|| self.at(name));
            if self.take(name).is_some() {
                noted.push(self.at(name));
            }
        }
    }

    /// Refuses a field by name if it is there, saying why.
    pub(crate) fn refuse(&mut self, name: &str, why: &str) -> Result<()> {
        trace::refused(|| self.at(name));
        match self.take(name) {
            Some(Value::Array(list)) if list.is_empty() => Ok(()),
            Some(_) => Err(self.wrong(name, why)),
            None => Ok(()),
        }
    }

    /// The names of what has not been taken.
    pub(crate) fn left(&self) -> impl Iterator<Item = &str> {
        self.map.iter().filter(|(_, v)| !v.is_null()).map(|(k, _)| k.as_str())
    }

    /// What has not been taken.
    pub(crate) fn into_rest(self) -> Map<String, Value> {
        self.map
    }

    /// Ends the reading: what has not been taken is refused by name.
    pub(crate) fn finish(self) -> Result<()> {
        match self.left().next() {
            None => Ok(()),
            Some(name) => {
                // A name is the client's: long ones are not repeated in full.
                let shown: String = name.chars().take(80).collect();
                Err(self.wrong(&shown, "is not a parameter that Parasol honours: leave it out"))
            }
        }
    }
}

/// A float that is a whole number, as one.
fn exact(x: f64) -> Option<i64> {
    // Beyond 2^53 a float no longer tells neighbouring whole numbers apart.
    (x.fract() == 0.0 && x.abs() <= 9_007_199_254_740_992.0).then_some(x as i64)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    fn fields(value: Value, spelling: Spelling) -> Fields {
        Fields::new(value, "", spelling).unwrap()
    }

    #[test]
    fn complaints_name_the_field() {
        let says = |e: Error, part: &str| assert!(e.message().contains(part), "{e}");
        let mut f = fields(json!({"a": "x", "b": -1, "c": 3.5, "d": [1], "e": {"f": 1}}), Spelling::Exact);
        says(f.number("a", 0.0, 1.0).unwrap_err(), "a: must be a number, not a string");
        says(f.count("b", 1).unwrap_err(), "b: is -1 and must be at least 1");
        says(f.integer("c").unwrap_err(), "c: is 3.5");
        says(f.strings("d").unwrap_err(), "d.0: must be a string");
        let e = f.object("e").unwrap().unwrap();
        says(e.finish().unwrap_err(), "e.f: is not a parameter that Parasol honours");
        says(f.need("zero").unwrap_err(), "zero: is required");
        says(Fields::new(json!([]), "", Spelling::Exact).unwrap_err(), "the body: must be an object");
    }

    #[test]
    fn huge_numbers_are_refused_and_null_is_absent() {
        let mut f = fields(json!({"a": 1e300, "b": u64::MAX, "c": null, "d": 1e300}), Spelling::Exact);
        assert!(f.count("a", 0).is_err() && f.integer("b").is_err() && f.number("d", 0.0, 2.0).is_err());
        assert_eq!(f.string("c").unwrap(), None);
        f.finish().unwrap();
    }

    #[test]
    fn protobuf_reads_both_spellings_and_numbers_in_strings() {
        let mut f = fields(json!({"max_output_tokens": "7", "topK": 40.0}), Spelling::Protobuf);
        assert_eq!(f.count("maxOutputTokens", 1).unwrap(), Some(7));
        assert_eq!(f.count("topK", 0).unwrap(), Some(40));
        let mut f = fields(json!({"max_output_tokens": "7"}), Spelling::Exact);
        assert!(f.count("maxOutputTokens", 1).unwrap().is_none() && f.finish().is_err());
    }
}
