//! The server described by itself: an OpenAPI 3.1 document at `/openapi.json` and the same as a page at `/docs`. Bodies are
//! described by the readers that read them (`parasol_wire::describe`), those of the studio by its types; which routes there are
//! stands in [`routes`] and [`studio`], which `tests/openapi.rs` holds against the router.

mod embeddings;
mod forms;
mod page;
mod pictures;
mod routes;
mod studio;
mod videos;

use crate::AppState;
use axum::Router;
use axum::http::header;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use parasol_wire::describe::Body;
use routes::{Answer, OPERATIONS, Operation};
use serde_json::{Map, Value, json};
use std::sync::LazyLock;

/// The routes of the document.
pub(crate) fn routes() -> Router<AppState> {
    Router::new().route("/openapi.json", get(json_document)).route("/docs", get(docs))
}

/// Made once: it depends on nothing but the program.
static DOCUMENT: LazyLock<Value> = LazyLock::new(document);

async fn json_document() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], DOCUMENT.to_string()).into_response()
}

async fn docs() -> Response {
    let policy = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";
    ([(header::CONTENT_SECURITY_POLICY, policy)], Html(page::page(&DOCUMENT))).into_response()
}

/// The document.
fn document() -> Value {
    let mut paths = Map::new();
    let more = embeddings::OPERATIONS.iter().chain(pictures::OPERATIONS).chain(videos::OPERATIONS);
    for operation in OPERATIONS.iter().chain(more) {
        let path = paths.entry(operation.path.to_owned()).or_insert_with(|| json!({}));
        path[operation.method] = describe(operation);
    }
    let bodies = Body::ALL.iter().map(|body| (body.name().to_owned(), body.schema()));
    let mut schemas: Map<String, Value> = bodies.chain(errors()).collect();
    schemas.insert("ServerSentEvent".to_owned(), event());
    studio::describe(&mut paths, &mut schemas);
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Parasol",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "One server for applications that speak OpenAI, Anthropic, Gemini or Ollama. A parameter that is not \
                named here is refused, never ignored; the header x-parasol-without-effect names those that were accepted and \
                change nothing.",
        },
        "tags": routes::TAGS.map(|(name, says)| json!({ "name": name, "description": says })),
        "paths": paths,
        "security": [{}, { "bearer": [] }, { "x-api-key": [] }, { "x-goog-api-key": [] }],
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "bearer": { "type": "http", "scheme": "bearer" },
                "x-api-key": { "type": "apiKey", "in": "header", "name": "x-api-key" },
                "x-goog-api-key": { "type": "apiKey", "in": "header", "name": "x-goog-api-key" },
            },
        },
    })
}

fn describe(operation: &Operation) -> Value {
    let mut it = json!({
        "operationId": operation.id,
        "tags": [operation.tag],
        "summary": operation.summary,
        "responses": {
            "200": answer(operation.answer),
            "default": {
                "description": "What went wrong, in the protocol's own words",
                "content": { "application/json": { "schema": reference(error_name(operation.tag)) } },
            },
        },
    });
    let named = operation.path.split('{').skip(1).filter_map(|rest| rest.split('}').next());
    let in_path = named.map(|name| {
        json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string", "minLength": 1 } })
    });
    let in_query = operation.query.iter().map(|(name, kind, says)| {
        json!({ "name": name, "in": "query", "description": says, "schema": { "type": kind } })
    });
    let parameters: Vec<Value> = in_path.chain(in_query).collect();
    if !parameters.is_empty() {
        it["parameters"] = json!(parameters);
    }
    if let Some(body) = operation.body {
        it["requestBody"] = json!({ "required": true, "content": { "application/json": {
            "schema": reference(body.name()), "example": body.example("smollm2"),
        } } });
    } else if let Some(field) = only_field(operation.id) {
        it["requestBody"] = json!({ "required": true, "content": { "application/json": { "schema": {
            "type": "object", "properties": { field: { "type": "string" } }, "required": [field],
            "additionalProperties": false,
        } } } });
    } else if let Some(form) = forms::form(operation.id) {
        it["requestBody"] =
            json!({ "required": true, "content": { "multipart/form-data": { "schema": form } } });
    }
    it
}

/// The one field of a body that has no other.
fn only_field(id: &str) -> Option<&'static str> {
    match id {
        "stop" => Some("model"),
        "openaiRenameConsent" => Some("name"),
        "openaiRemixVideo" => Some("prompt"),
        _ => None,
    }
}

fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

fn answer(answer: Answer) -> Value {
    let object = |required: &[&str]| json!({ "schema": { "type": "object", "required": required } });
    let text = || json!({ "schema": { "type": "string" } });
    let content = match answer {
        Answer::Object(required) => json!({ "application/json": object(required) }),
        Answer::ObjectOrEvents(required) => {
            json!({ "application/json": object(required), "text/event-stream": events() })
        }
        Answer::Events => {
            json!({ "application/json": { "schema": { "type": "array" } }, "text/event-stream": events() })
        }
        Answer::ObjectOrLines(required) => {
            json!({ "application/json": object(required), "application/x-ndjson": text() })
        }
        Answer::Text(kind) => json!({ kind: text() }),
        Answer::Sound => sounds(),
        Answer::Nothing => return json!({ "description": "Done" }),
    };
    json!({ "description": "The answer", "content": content })
}

/// A sound in any format that is written, or as events.
fn sounds() -> Value {
    let kinds = parasol_runtime::sound::SoundFormat::ALL.iter().map(|format| format.media_type());
    let bytes = json!({ "schema": { "type": "string", "format": "binary" } });
    let mut content: Map<_, _> = kinds.map(|kind| (kind.to_owned(), bytes.clone())).collect();
    content.insert("text/event-stream".to_owned(), events());
    content.into()
}

/// A stream of events: before OpenAPI 3.2 the schema of `text/event-stream` is that of each event, as its fields are named in the
/// HTML standard's section on server-sent events.
fn events() -> Value {
    json!({ "schema": { "$ref": "#/components/schemas/ServerSentEvent" } })
}

/// What [`events`] refers to.
fn event() -> Value {
    json!({ "type": "object", "required": ["data"], "additionalProperties": false, "properties": {
        "event": { "type": "string", "description": "What kind of event this is" },
        "data": { "type": "string", "description": "JSON, but for the `[DONE]` that ends a stream of OpenAI's" },
    } })
}

fn error_name(tag: &str) -> &'static str {
    match tag {
        "OpenAI" | "ElevenLabs" => "OpenAiError",
        "Anthropic" => "AnthropicError",
        "Gemini" => "GeminiError",
        "Ollama" => "OllamaError",
        _ => "ParasolError",
    }
}

/// The shapes of errors, by name.
fn errors() -> impl Iterator<Item = (String, Value)> {
    let object = |required: &[&str], fields: Value| {
        json!({ "type": "object", "required": ["error"], "properties": { "error": {
            "type": "object", "required": required, "properties": fields } } })
    };
    let string = json!({ "type": "string" });
    let maybe = json!({ "type": ["string", "null"] });
    let all = [
        (
            "OpenAiError",
            object(
                &["message", "type"],
                json!({ "message": string, "type": string, "param": maybe, "code": maybe }),
            ),
        ),
        ("AnthropicError", object(&["type", "message"], json!({ "type": string, "message": string }))),
        (
            "GeminiError",
            object(
                &["code", "message", "status"],
                json!({ "code": { "type": "integer" }, "message": string, "status": string }),
            ),
        ),
        (
            "OllamaError",
            json!({ "type": "object", "required": ["error"], "properties": { "error": string } }),
        ),
        ("ParasolError", object(&["code", "message"], json!({ "code": string, "message": string }))),
    ];
    all.into_iter().map(|(name, schema)| (name.to_owned(), schema))
}
