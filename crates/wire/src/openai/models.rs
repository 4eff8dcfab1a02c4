//! `GET /v1/models` and `/v1/models/{id}`.

use serde_json::{Value, json};

/// A model of the list.
pub fn model(id: &str, created: u64) -> Value {
    json!({ "id": id, "object": "model", "created": created, "owned_by": "parasol" })
}

/// The list.
pub fn list(models: Vec<Value>) -> Value {
    json!({ "object": "list", "data": models })
}
