//! Google's `Schema`, a subset of OpenAPI's with types in capitals, as JSON Schema. Nesting is bounded by the JSON reader.
//!
//! Spec: <https://ai.google.dev/api/caching#Schema>.

use crate::fields::Fields;
use parasol_core::Result;
use serde_json::{Map, Value, json};

/// Keys with the same meaning, and whole numbers, in both.
const COUNTS: [&str; 6] =
    ["minItems", "maxItems", "minLength", "maxLength", "minProperties", "maxProperties"];

/// The JSON Schema of a `Schema`.
pub(super) fn read(mut f: Fields, noted: &mut Vec<String>) -> Result<Value> {
    let mut out = Map::new();
    let nullable = f.bool("nullable")?.unwrap_or(false);
    if let Some(kind) = kind(&mut f)? {
        let kind = if nullable && kind != "null" { json!([kind, "null"]) } else { kind.into() };
        out.insert("type".into(), kind);
    }
    for name in ["title", "description", "pattern"] {
        if let Some(text) = f.string(name)? {
            out.insert(name.into(), text.into());
        }
    }
    // `enum` as a format only says that there is a list of values, which stands beside it.
    if let Some(format) = f.string("format")?.filter(|x| x != "enum") {
        out.insert("format".into(), format.into());
    }
    if let Some(mut values) = f.list("enum")? {
        if nullable {
            values.push(Value::Null);
        }
        out.insert("enum".into(), values.into());
    }
    for name in COUNTS {
        if let Some(n) = f.count(name, 0)? {
            out.insert(name.into(), n.into());
        }
    }
    for name in ["minimum", "maximum", "default"] {
        if let Some(value) = f.take(name) {
            out.insert(name.into(), value);
        }
    }
    if let Some(example) = f.take("example") {
        out.insert("examples".into(), json!([example]));
    }
    nested(&mut f, &mut out, nullable, noted)?;
    f.finish()?;
    Ok(Value::Object(out))
}

fn kind(f: &mut Fields) -> Result<Option<String>> {
    let Some(kind) = f.string("type")? else { return Ok(None) };
    let lower = kind.to_ascii_lowercase();
    match lower.as_str() {
        "string" | "number" | "integer" | "boolean" | "array" | "object" | "null" => Ok(Some(lower)),
        "type_unspecified" => Ok(None),
        _ => {
            let kind: String = kind.chars().take(40).collect();
            let what = "must be STRING, NUMBER, INTEGER, BOOLEAN, ARRAY, OBJECT or NULL";
            Err(f.wrong("type", format_args!("is {kind:?} and {what}")))
        }
    }
}

fn nested(
    f: &mut Fields,
    out: &mut Map<String, Value>,
    nullable: bool,
    noted: &mut Vec<String>,
) -> Result<()> {
    if let Some(items) = f.object("items")? {
        out.insert("items".into(), read(items, noted)?);
    }
    for name in ["anyOf", "prefixItems"] {
        let Some(each) = f.objects(name)? else { continue };
        let mut schemas = each.into_iter().map(|s| read(s, noted)).collect::<Result<Vec<_>>>()?;
        if nullable && name == "anyOf" && !out.contains_key("type") {
            schemas.push(json!({ "type": "null" }));
        }
        out.insert(name.into(), schemas.into());
    }
    let order = f.strings("propertyOrdering")?.unwrap_or_default();
    if let Some(properties) = f.object("properties")? {
        let mut properties = named(properties, noted)?;
        let mut ordered = Map::new();
        for name in &order {
            if let Some(schema) = properties.shift_remove(name) {
                ordered.insert(name.clone(), schema);
            }
        }
        ordered.extend(properties);
        out.insert("properties".into(), ordered.into());
    }
    if let Some(required) = f.strings("required")? {
        out.insert("required".into(), required.into());
    }
    if let Some(defs) = f.object("defs")? {
        out.insert("$defs".into(), named(defs, noted)?.into());
    }
    for name in ["$defs", "definitions"] {
        if let Some(defs) = f.object(name)? {
            out.insert(name.into(), named(defs, noted)?.into());
        }
    }
    for name in ["ref", "$ref"] {
        if let Some(target) = f.string(name)? {
            out.insert("$ref".into(), target.into());
        }
    }
    match f.take("additionalProperties") {
        None => {}
        Some(Value::Bool(any)) => {
            out.insert("additionalProperties".into(), any.into());
        }
        Some(schema) => {
            let path = f.at("additionalProperties");
            let schema = read(Fields::new(schema, path, crate::fields::Spelling::Protobuf)?, noted)?;
            out.insert("additionalProperties".into(), schema);
        }
    }
    Ok(())
}

/// Schemas by name; the names are the client's and stay as they are.
fn named(map: Fields, noted: &mut Vec<String>) -> Result<Map<String, Value>> {
    let path = map.path().to_owned();
    let each = map.into_rest().into_iter().map(|(name, schema)| {
        let schema = Fields::new(schema, format!("{path}.{name}"), crate::fields::Spelling::Protobuf)?;
        Ok((name, read(schema, noted)?))
    });
    each.collect()
}
