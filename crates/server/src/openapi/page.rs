//! The document as a page that needs nothing but itself: no script, nothing from elsewhere.

use crate::pages::escape;
use serde_json::Value;
use std::fmt::Write;

/// The page.
pub(super) fn page(document: &Value) -> String {
    let mut body = String::new();
    for tag in items(&document["tags"]) {
        let name = text(&tag["name"]);
        let _ = write!(body, "<h2>{}</h2><p>{}</p>", escape(name), escape(text(&tag["description"])));
        for (path, methods) in fields(&document["paths"]) {
            for (method, it) in fields(methods).filter(|(_, it)| text(&it["tags"][0]) == name) {
                operation(&mut body, document, method, path, it);
            }
        }
    }
    include_str!("docs.html")
        .replace("{{version}}", &escape(text(&document["info"]["version"])))
        .replace("{{about}}", &escape(text(&document["info"]["description"])))
        .replace("{{body}}", &body)
}

fn operation(out: &mut String, document: &Value, method: &str, path: &str, it: &Value) {
    // Writing to a string cannot fail.
    let _ = write!(
        out,
        "<details><summary><b class=\"{method}\">{}</b> <code>{}</code> <span>{}</span></summary>",
        method.to_uppercase(),
        escape(path),
        escape(text(&it["summary"]))
    );
    for parameter in items(&it["parameters"]) {
        let (name, place) = (text(&parameter["name"]), text(&parameter["in"]));
        let says = text(&parameter["description"]);
        let _ = write!(out, "<p><code>{}</code> in the {place} {}</p>", escape(name), escape(says));
    }
    // A body has one form.
    let content = fields(&it["requestBody"]["content"]).next().map_or(&Value::Null, |(_, content)| content);
    let schema = resolve(document, &content["schema"]);
    if schema.is_object() {
        let required: Vec<&str> = items(&schema["required"]).map(text).collect();
        out.push_str("<table><tr><th>Field<th>Type<th>");
        rows(out, schema, "", &required);
        out.push_str("</table>");
    }
    if content["example"].is_object() {
        let example = serde_json::to_string_pretty(&content["example"]).unwrap_or_default();
        let _ = write!(out, "<p>For example</p><pre>{}</pre>", escape(&example));
    }
    let well = fields(&it["responses"]).filter(|(status, _)| status.starts_with('2'));
    let answers = well.flat_map(|(_, answer)| fields(&answer["content"])).map(|(kind, _)| kind.as_str());
    let answers = answers.collect::<Vec<_>>().join(" or ");
    if !answers.is_empty() {
        let _ = write!(out, "<p>Answers with <code>{}</code></p>", escape(&answers));
    }
    out.push_str("</details>");
}

/// A row for each field, those of inner objects below it.
fn rows(out: &mut String, schema: &Value, within: &str, required: &[&str]) {
    for (name, it) in fields(&schema["properties"]) {
        let path = if within.is_empty() { name.clone() } else { format!("{within}.{name}") };
        let mut says = Vec::new();
        if required.contains(&name.as_str()) {
            says.push("required".to_owned());
        }
        match (number(&it["minimum"]), number(&it["maximum"])) {
            (Some(least), Some(most)) => says.push(format!("{least} to {most}")),
            (Some(least), None) => says.push(format!("from {least}")),
            _ => {}
        }
        if it["description"].is_string() {
            says.push(text(&it["description"]).to_owned());
        }
        let _ = write!(
            out,
            "<tr><td><code>{}</code><td>{}<td>{}",
            escape(&path),
            kind(it),
            escape(&says.join("; "))
        );
        rows(out, it, &path, &[]);
        if it["items"]["properties"].is_object() {
            rows(out, &it["items"], &format!("{path}[]"), &[]);
        }
    }
}

fn kind(schema: &Value) -> String {
    if let Some(name) = schema["$ref"].as_str().and_then(|to| to.rsplit('/').next()) {
        return escape(name);
    }
    match &schema["type"] {
        Value::Array(kinds) => escape(&kinds.iter().map(text).collect::<Vec<_>>().join(" or ")),
        Value::String(kind) if kind == "array" && schema["items"]["type"].is_string() => {
            format!("array of {}", escape(text(&schema["items"]["type"])))
        }
        Value::String(kind) => escape(kind),
        _ => items(&schema["anyOf"]).map(kind).collect::<Vec<_>>().join(" or "),
    }
}

fn resolve<'a>(document: &'a Value, schema: &'a Value) -> &'a Value {
    let pointer = schema["$ref"].as_str().and_then(|r| r.strip_prefix('#'));
    pointer.and_then(|p| document.pointer(p)).unwrap_or(schema)
}

fn number(value: &Value) -> Option<String> {
    value.is_number().then(|| value.to_string())
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn fields(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}
