//! The operations of films in the document.

use super::routes::{Answer, Operation};

const fn of(method: &'static str, path: &'static str, id: &'static str, summary: &'static str) -> Operation {
    let answer = Answer::Object(&["id", "object", "status"]);
    Operation { method, path, id, tag: "OpenAI", summary, body: None, query: &[], answer }
}

/// All of them.
pub(super) const OPERATIONS: &[Operation] = &[
    of(
        "post",
        "/v1/videos",
        "openaiCreateVideo",
        "Begin a film that a provider makes: a job, which goes on by itself",
    ),
    Operation {
        query: &[
            ("limit", "integer", "videos in a page, 1 to 100"),
            ("order", "string", "asc or desc"),
            ("after", "string", "the page begins after this video"),
        ],
        answer: Answer::Object(&["object", "data", "has_more"]),
        ..of("get", "/v1/videos", "openaiVideos", "List the films that were asked for")
    },
    of("get", "/v1/videos/{id}", "openaiVideo", "Tell how far a film is"),
    Operation {
        answer: Answer::Object(&["id", "object", "deleted"]),
        ..of(
            "delete",
            "/v1/videos/{id}",
            "openaiDeleteVideo",
            "Remove a film; one that is being made is ended at its provider, too",
        )
    },
    Operation {
        query: &[("variant", "string", "video, which is what is kept")],
        answer: Answer::Text("video/mp4"),
        ..of("get", "/v1/videos/{id}/content", "openaiVideoContent", "The file of a film that is completed")
    },
    of(
        "post",
        "/v1/videos/{id}/remix",
        "openaiRemixVideo",
        "Have a completed film made anew, where its provider can",
    ),
];
