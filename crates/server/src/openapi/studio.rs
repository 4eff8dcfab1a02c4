//! The studio's routes in the document. Their bodies and answers are described by the types that the handlers use; the page's own
//! types in TypeScript are generated from that.

mod sound;

use crate::studio::described as it;
use schemars::generate::{SchemaGenerator, SchemaSettings};
use schemars::{JsonSchema, Schema};
use serde_json::{Map, Value, json};

/// Makes the schema of a type.
type Make = fn(&mut SchemaGenerator) -> Schema;

/// One method of one path.
#[derive(Clone, Copy)]
struct Route {
    method: &'static str,
    path: &'static str,
    id: &'static str,
    summary: &'static str,
    /// Name, JSON type, meaning.
    query: &'static [(&'static str, &'static str, &'static str)],
    body: Option<Make>,
    /// What else than JSON the body may be.
    takes: Takes,
    reply: Reply,
    /// Statuses of what can be refused, besides those that every route has.
    refusals: &'static [u16],
}

/// What a body is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Takes {
    /// JSON.
    Json,
    /// JSON, or a zip archive.
    Archive,
    /// A sound in any format that is read.
    Sound,
}

/// What comes back when all goes well.
#[derive(Clone, Copy)]
enum Reply {
    /// JSON with this status.
    Json(u16, Make),
    /// A status of 204.
    Nothing,
    /// Server-sent events.
    Events,
    /// A file: JSON of this shape, or Markdown.
    File(Make),
    /// Server-sent events, or a sound.
    Sound,
}

/// What any route may refuse with: a malformed request, no key, a page or host that may not, too many requests.
const ALWAYS: [u16; 4] = [400, 401, 403, 429];

fn of<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

const fn get(path: &'static str, id: &'static str, summary: &'static str, reply: Reply) -> Route {
    Route {
        method: "get",
        path,
        id,
        summary,
        query: &[],
        body: None,
        takes: Takes::Json,
        reply,
        refusals: &[],
    }
}

const fn post(path: &'static str, id: &'static str, summary: &'static str, reply: Reply) -> Route {
    Route { method: "post", ..get(path, id, summary, reply) }
}

const fn delete(path: &'static str, id: &'static str, summary: &'static str) -> Route {
    Route { method: "delete", refusals: &[404], ..get(path, id, summary, Reply::Nothing) }
}

const MODEL: Reply = Reply::Json(200, of::<it::Model>);
const PULL: Reply = Reply::Json(200, of::<it::Pull>);

/// Who uses the page, and what belongs to the whole server.
const HOUSE: &[Route] = &[
    get("/api/parasol/session", "session", "Who is signed in", Reply::Json(200, of::<it::Session>)),
    Route {
        body: Some(of::<it::SignIn>),
        ..post(
            "/api/parasol/session",
            "signIn",
            "Sign in with an API key; the answer sets a cookie",
            Reply::Json(200, of::<it::Session>),
        )
    },
    Route { refusals: &[], ..delete("/api/parasol/session", "signOut", "Sign out") },
    get(
        "/api/parasol/models",
        "models",
        "The models that are here, in the catalogue, or computed elsewhere",
        Reply::Json(200, of::<it::ModelList>),
    ),
    Route {
        refusals: &[404],
        ..get(
            "/api/parasol/models/{name}",
            "model",
            "All that is known of a model",
            Reply::Json(200, of::<it::ModelDetails>),
        )
    },
    Route {
        refusals: &[404, 500, 503],
        ..post("/api/parasol/models/{name}/load", "loadModel", "Load a model; answers when it is", MODEL)
    },
    Route {
        refusals: &[404, 504],
        ..post(
            "/api/parasol/models/{name}/unload",
            "unloadModel",
            "Unload a model; answers when it is",
            MODEL,
        )
    },
    Route {
        body: Some(of::<it::Pin>),
        refusals: &[404],
        ..post("/api/parasol/models/{name}/pin", "pinModel", "Never unload a model for others, or do", MODEL)
    },
    Route {
        refusals: &[404, 500, 504],
        ..delete("/api/parasol/models/{name}", "removeModel", "Remove a model from this disk")
    },
    get("/api/parasol/pulls", "pulls", "What is being fetched", Reply::Json(200, of::<it::PullList>)),
    Route {
        body: Some(of::<it::NewPull>),
        refusals: &[404, 503],
        ..post(
            "/api/parasol/pulls",
            "startPull",
            "Fetch a model, or go on with it",
            Reply::Json(202, of::<it::Pull>),
        )
    },
    Route {
        refusals: &[404],
        ..post("/api/parasol/pulls/{id}/pause", "pausePull", "Stop a pull for now", PULL)
    },
    Route {
        refusals: &[404, 503],
        ..post("/api/parasol/pulls/{id}/resume", "resumePull", "Go on with a pull", PULL)
    },
    delete("/api/parasol/pulls/{id}", "removePull", "Give a pull up and remove what it has fetched"),
    get(
        "/api/parasol/system",
        "system",
        "What the server runs on and how it is set up",
        Reply::Json(200, of::<it::System>),
    ),
    Route {
        refusals: &[503],
        ..post(
            "/api/parasol/system/measure",
            "measureSystem",
            "Measure what the machine can do at most",
            Reply::Json(200, of::<it::System>),
        )
    },
    get("/api/parasol/system/stats", "stats", "What the engines do now", Reply::Json(200, of::<it::Stats>)),
    Route {
        query: &[
            ("days", "integer", "days, of which today is the last, 1 to 366; 30 unless said"),
            ("by", "string", "what is told apart: day, model (unless said), provider or key"),
        ],
        refusals: &[500],
        ..get(
            "/api/parasol/usage",
            "usage",
            "What answers of providers took and cost, day by day; to who may not administer the server, their own",
            Reply::Json(200, of::<it::UsageReport>),
        )
    },
    get(
        "/api/parasol/events",
        "events",
        "What happens, as it happens: conversation and answer (of one's own), pull (a Pull) and models (something about models changed)",
        Reply::Events,
    ),
    get(
        "/api/parasol/keys",
        "keys",
        "The API keys, without their secrets",
        Reply::Json(200, of::<it::KeyList>),
    ),
    Route {
        body: Some(of::<it::NewKey>),
        ..post(
            "/api/parasol/keys",
            "makeKey",
            "Make an API key; its secret is told this once",
            Reply::Json(201, of::<it::MadeKey>),
        )
    },
    delete("/api/parasol/keys/{id}", "revokeKey", "Revoke an API key and end its sessions"),
];

const CONVERSATION: Reply = Reply::Json(200, of::<it::Conversation>);
const MESSAGE: Reply = Reply::Json(200, of::<it::Message>);

const fn about(path: &'static str, id: &'static str, summary: &'static str, reply: Reply) -> Route {
    Route { refusals: &[404], ..get(path, id, summary, reply) }
}

/// What is said, and what is answered.
const TALK: &[Route] = &[
    Route {
        query: &[
            ("query", "string", "words that all occur in a title or a message"),
            ("folder", "string", "only this folder"),
            ("limit", "integer", "conversations at most, 1 to 200; 50 unless said"),
            ("before", "string", "what the page before gave as next"),
        ],
        ..get(
            "/api/parasol/conversations",
            "conversations",
            "Conversations: pinned ones first, then what was last touched",
            Reply::Json(200, of::<it::ConversationPage>),
        )
    },
    Route {
        body: Some(of::<it::NewConversation>),
        ..post(
            "/api/parasol/conversations",
            "beginConversation",
            "Begin a conversation",
            Reply::Json(201, of::<it::Conversation>),
        )
    },
    about(
        "/api/parasol/conversations/{id}",
        "conversation",
        "A conversation and all that was said in it",
        Reply::Json(200, of::<it::WholeConversation>),
    ),
    Route {
        method: "patch",
        body: Some(of::<it::ConversationChange>),
        ..about(
            "/api/parasol/conversations/{id}",
            "changeConversation",
            "Change a conversation",
            CONVERSATION,
        )
    },
    delete(
        "/api/parasol/conversations/{id}",
        "deleteConversation",
        "Delete a conversation; it is kept for 24 hours",
    ),
    Route {
        method: "post",
        ..about(
            "/api/parasol/conversations/{id}/restore",
            "restoreConversation",
            "Bring one back",
            CONVERSATION,
        )
    },
    get(
        "/api/parasol/conversations/export",
        "exportConversations",
        "All conversations as a file",
        Reply::Json(200, of::<it::Exported>),
    ),
    Route {
        query: &[("format", "string", "json, which is what there is unless said, or markdown")],
        ..about(
            "/api/parasol/conversations/{id}/export",
            "exportConversation",
            "A conversation as a file",
            Reply::File(of::<it::Exported>),
        )
    },
    Route {
        // Any program's file.
        body: Some(of::<serde_json::Value>),
        takes: Takes::Archive,
        refusals: &[500],
        ..post(
            "/api/parasol/conversations/import",
            "importConversations",
            "Take in a file of Parasol's, Open WebUI's or ChatGPT's",
            Reply::Json(200, of::<it::ImportReport>),
        )
    },
    Route {
        method: "post",
        body: Some(of::<it::NewMessage>),
        ..about(
            "/api/parasol/conversations/{id}/messages",
            "say",
            "Say something, without asking for an answer yet",
            Reply::Json(201, of::<it::Message>),
        )
    },
    Route {
        method: "post",
        body: Some(of::<it::NewAnswer>),
        ..about(
            "/api/parasol/conversations/{id}/answers",
            "answer",
            "Ask for an answer, which is written to its end whoever listens",
            Reply::Json(202, of::<it::Message>),
        )
    },
    Route {
        method: "post",
        body: Some(of::<it::Prompt>),
        refusals: &[404, 500, 503],
        ..about(
            "/api/parasol/conversations/{id}/context",
            "countContext",
            "How much of its context a prompt takes, if the model is loaded",
            Reply::Json(200, of::<it::ContextCount>),
        )
    },
    about(
        "/api/parasol/answers/{message}/events",
        "answerEvents",
        "An answer as it is written: snapshot, then prefill, delta, tool_call and stats, at last done",
        Reply::Events,
    ),
    Route {
        method: "post",
        refusals: &[404, 504],
        ..about("/api/parasol/answers/{message}/stop", "stopAnswer", "Stop an answer", MESSAGE)
    },
    get(
        "/api/parasol/presets",
        "presets",
        "Settings kept under names",
        Reply::Json(200, of::<it::PresetList>),
    ),
    Route {
        method: "put",
        body: Some(of::<it::NewPreset>),
        ..get(
            "/api/parasol/presets/{name}",
            "keepPreset",
            "Keep settings",
            Reply::Json(200, of::<it::Preset>),
        )
    },
    delete("/api/parasol/presets/{name}", "deletePreset", "Delete settings"),
];

fn routes() -> impl Iterator<Item = &'static Route> {
    HOUSE.iter().chain(TALK).chain(sound::ROUTES)
}

/// Adds the studio's operations to `paths` and their types to `schemas`.
pub(super) fn describe(paths: &mut Map<String, Value>, schemas: &mut Map<String, Value>) {
    let settings = || {
        SchemaSettings::draft2020_12().with(|s| {
            s.definitions_path = "/components/schemas".into();
            s.meta_schema = None;
        })
    };
    let mut sent = settings().for_serialize().into_generator();
    let mut taken = settings().for_deserialize().into_generator();
    let mut bodies = Vec::new();
    for route in routes() {
        let (mut it, body) = operation(route, &mut sent, &mut taken);
        if let Some(body) = body {
            it["requestBody"] =
                json!({ "required": true, "content": { "application/json": { "schema": body } } });
            if route.takes == Takes::Archive {
                it["requestBody"]["content"]["application/zip"] =
                    json!({ "schema": { "type": "string", "contentMediaType": "application/zip" } });
            }
            bodies.push((route.path, route.method));
        } else if route.takes == Takes::Sound {
            let sound = json!({ "schema": { "type": "string", "format": "binary" } });
            it["requestBody"] = json!({ "required": true, "content": { "application/octet-stream": sound } });
        }
        let path = paths.entry(route.path.to_owned()).or_insert_with(|| json!({}));
        path[route.method] = it;
    }
    let (sent, mut taken) = (sent.take_definitions(true), taken.take_definitions(true));
    // A type that is both sent and taken may lack a field when it is taken and never when it is sent: two schemas.
    let differing: Vec<String> = taken
        .iter()
        .filter(|(name, it)| sent.get(*name).is_some_and(|s| s != *it))
        .map(|(n, _)| n.clone())
        .collect();
    for name in differing {
        let (old, new) = (format!("#/components/schemas/{name}"), format!("{name}Input"));
        let to = format!("#/components/schemas/{new}");
        if let Some(schema) = taken.remove(&name) {
            taken.insert(new, schema);
        }
        taken.values_mut().for_each(|schema| redirect(schema, &old, &to));
        for (path, method) in &bodies {
            if let Some(it) = paths.get_mut(*path) {
                redirect(&mut it[*method]["requestBody"], &old, &to);
            }
        }
    }
    schemas.extend(sent);
    schemas.extend(taken);
}

/// Turns every reference to `old` in `value` to `new`.
fn redirect(value: &mut Value, old: &str, new: &str) {
    match value {
        Value::String(text) if text == old => new.clone_into(text),
        Value::Array(items) => items.iter_mut().for_each(|item| redirect(item, old, new)),
        Value::Object(fields) => fields.values_mut().for_each(|field| redirect(field, old, new)),
        _ => {}
    }
}

/// A route without its body, and the schema of that.
fn operation(
    route: &Route,
    sent: &mut SchemaGenerator,
    taken: &mut SchemaGenerator,
) -> (Value, Option<Schema>) {
    let mut responses = Map::new();
    let (status, answer) = match route.reply {
        Reply::Json(status, make) => (
            status,
            json!({ "description": "The answer", "content": { "application/json": { "schema": make(sent) } } }),
        ),
        Reply::Nothing => (204, json!({ "description": "Done" })),
        Reply::Events => {
            (200, json!({ "description": "The events", "content": { "text/event-stream": super::events() } }))
        }
        Reply::Sound => (
            200,
            json!({ "description": "The sound as it is made: started, audio, at last done or error; or a file",
                    "content": super::sounds() }),
        ),
        Reply::File(make) => (
            200,
            json!({ "description": "The file", "content": {
                "application/json": { "schema": make(sent) },
                "text/markdown": { "schema": { "type": "string" } } } }),
        ),
    };
    responses.insert(status.to_string(), answer);
    let mut refusals: Vec<u16> = ALWAYS.iter().chain(route.refusals).copied().collect();
    if route.body.is_some() || route.takes == Takes::Sound {
        refusals.extend([408, 413]);
    }
    refusals.sort_unstable();
    for status in refusals {
        let error = json!({ "$ref": "#/components/schemas/ParasolError" });
        let content = json!({ "application/json": { "schema": error } });
        responses.insert(status.to_string(), json!({ "description": why(status), "content": content }));
    }
    let named = route.path.split('{').skip(1).filter_map(|rest| rest.split('}').next());
    let in_path = named.map(|name| {
        json!({ "name": name, "in": "path", "required": true, "description": "percent-encoded",
                "schema": { "type": "string", "minLength": 1 } })
    });
    let in_query = route.query.iter().map(|(name, kind, says)| {
        json!({ "name": name, "in": "query", "description": says, "schema": { "type": kind } })
    });
    let it = json!({
        "operationId": route.id,
        "tags": ["Parasol"],
        "summary": route.summary,
        "parameters": in_path.chain(in_query).collect::<Vec<_>>(),
        "responses": responses,
    });
    (it, route.body.map(|make| make(taken)))
}

/// What a status says.
fn why(status: u16) -> &'static str {
    match status {
        400 => "The request is wrong",
        401 => "An API key or a session is needed",
        403 => "The key, or the page that asks, may not do this",
        404 => "There is no such thing",
        408 => "The body did not arrive in time",
        413 => "The body is too large",
        429 => "Too many requests, or too many wrong keys",
        503 => "There is no room, or too much runs already",
        504 => "It took too long",
        507 => "The disk is full",
        _ => "It failed",
    }
}
