//! Refuses a JSON Schema with what a grammar would not enforce, naming the keyword and where it stands, and one so large or deep
//! that compiling it would be an attack.

use parasol_core::{Error, ErrorKind, Result};
use serde_json::{Map, Value as Json};

/// Deepest nesting of schemas.
const DEEPEST: usize = 48;
/// Most values in a schema: keywords, names, list items.
const LARGEST: usize = 50_000;

/// Keywords of JSON Schema (and OpenAPI's `nullable`) that change what is valid and that no grammar here enforces.
const NOT_ENFORCED: &[&str] = &[
    "not",
    "if",
    "then",
    "else",
    "uniqueItems",
    "contains",
    "minContains",
    "maxContains",
    "propertyNames",
    "dependencies",
    "dependentRequired",
    "dependentSchemas",
    "unevaluatedItems",
    "unevaluatedProperties",
    "$dynamicRef",
    "$dynamicAnchor",
    "$recursiveRef",
    "$recursiveAnchor",
    "nullable",
    "x-guidance",
];
/// Keywords whose value is a schema.
const SCHEMA: &[&str] = &["items", "additionalItems", "additionalProperties"];
/// Keywords whose value is a list of schemas.
const LIST: &[&str] = &["anyOf", "oneOf", "allOf", "prefixItems", "items"];
/// Keywords whose value maps names to schemas.
const NAMED: &[&str] = &["properties", "patternProperties", "$defs", "definitions"];

/// Checks a schema.
///
/// # Errors
/// `InvalidRequest` for a keyword that a grammar cannot enforce, a reference to another document, or too large a schema.
pub fn check(schema: &Json) -> Result<()> {
    if !matches!(schema, Json::Object(_) | Json::Bool(true)) {
        return Err(refused("the JSON Schema is neither an object nor true: nothing could match it".into()));
    }
    let mut checker = Checker { values: 0 };
    checker.schema(schema, "#", 0)
}

struct Checker {
    values: usize,
}

impl Checker {
    fn schema(&mut self, schema: &Json, at: &str, depth: usize) -> Result<()> {
        if depth > DEEPEST {
            return Err(refused(format!("the JSON Schema is nested deeper than {DEEPEST} levels, at {at}")));
        }
        self.count(schema, 0)?;
        let Json::Object(keywords) = schema else { return Ok(()) };
        for (keyword, value) in keywords {
            self.keyword(keyword, value, at, depth)?;
        }
        Ok(())
    }

    fn keyword(&mut self, keyword: &str, value: &Json, at: &str, depth: usize) -> Result<()> {
        let here = || format!("{at}/{keyword}");
        // What asks for nothing needs no enforcing.
        if NOT_ENFORCED.contains(&keyword) && !is_idle(keyword, value) {
            return Err(refused(format!(
                "the JSON Schema keyword `{keyword}` at {} is not supported: leave it out or say it otherwise",
                here()
            )));
        }
        match value {
            Json::String(target) if keyword == "$ref" && !target.starts_with('#') => Err(refused(format!(
                "`$ref` at {} points to {target:?}: only references into the same schema (`#/…`) are followed",
                here()
            ))),
            Json::Array(items) if LIST.contains(&keyword) => {
                items.iter().try_for_each(|item| self.schema(item, &here(), depth + 1))
            }
            Json::Object(_) if SCHEMA.contains(&keyword) => self.schema(value, &here(), depth + 1),
            Json::Object(named) if NAMED.contains(&keyword) => named
                .iter()
                .try_for_each(|(name, value)| self.schema(value, &format!("{}/{name}", here()), depth + 1)),
            _ => Ok(()),
        }
    }

    /// Counts a schema's own values; those of inner schemas are counted when these are visited.
    fn count(&mut self, value: &Json, depth: usize) -> Result<()> {
        self.values += 1;
        if self.values > LARGEST {
            return Err(refused(format!("the JSON Schema has more than {LARGEST} values")));
        }
        match value {
            Json::Array(items) if depth < 2 => items.iter().try_for_each(|item| self.count(item, depth + 1)),
            Json::Object(fields) if depth < 1 => {
                fields.values().try_for_each(|field| self.count(field, depth + 1))
            }
            _ => Ok(()),
        }
    }
}

/// Whether a keyword asks for nothing.
fn is_idle(keyword: &str, value: &Json) -> bool {
    matches!(keyword, "uniqueItems" | "nullable") && *value == Json::Bool(false)
}

/// The schema without keywords that ask for nothing, and with objects closed that name their properties and leave others open:
/// what is written then is still what the schema accepts, and a model does not add fields for ever. Where schemas are
/// intersected they stay open.
pub(super) fn closed(schema: &Json) -> Json {
    close(schema, !schema.to_string().contains("\"allOf\":"), false)
}

/// `names` says that the keys of an object are names and no keywords.
fn close(value: &Json, closing: bool, names: bool) -> Json {
    match value {
        Json::Array(items) => items.iter().map(|item| close(item, closing, false)).collect(),
        Json::Object(fields) => {
            let mut out = Map::new();
            for (key, value) in fields {
                let literal = !names && matches!(key.as_str(), "const" | "enum" | "default" | "examples");
                if literal {
                    out.insert(key.clone(), value.clone());
                } else if names || !is_idle(key, value) {
                    out.insert(key.clone(), close(value, closing, !names && NAMED.contains(&key.as_str())));
                }
            }
            let open =
                ["additionalProperties", "patternProperties", "$ref", "anyOf", "oneOf", "minProperties"];
            if closing
                && !names
                && fields.get("properties").is_some_and(Json::is_object)
                && !open.iter().any(|keyword| fields.contains_key(*keyword))
            {
                out.insert("additionalProperties".into(), Json::Bool(false));
            }
            Json::Object(out)
        }
        other => other.clone(),
    }
}

fn refused(message: String) -> Error {
    Error::new(ErrorKind::InvalidRequest, message)
}
