//! The operations that make pictures.

use super::routes::{Answer, Operation, get, post};
use parasol_wire::describe::Body;

/// Those of the document.
pub(super) const OPERATIONS: &[Operation] = &[
    post(
        "/v1/images/generations",
        "openaiGenerateImages",
        "OpenAI",
        "Make pictures from a text",
        Body::Images,
        Answer::ObjectOrEvents(&["created", "data"]),
    ),
    Operation {
        method: "post",
        ..get(
            "/v1/images/edits",
            "openaiEditImage",
            "OpenAI",
            "Make pictures from a text and pictures",
            Answer::ObjectOrEvents(&["created", "data"]),
        )
    },
];
