//! OpenAI's video jobs over HTTP, in front of a provider with another protocol, and of a second server of ours.

#![allow(clippy::unwrap_used)]

mod common;
#[path = "common/films.rs"]
mod films;

use common::{Answer, Running};
use films::{Studio, mp4};
use parasol_runtime::Policy;
use parasol_server::KeyTerms;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// A server whose folder holds this `remote.toml`.
fn server(settings: String) -> Running {
    let write = move |home: std::path::PathBuf| {
        std::fs::write(home.join("remote.toml"), settings).unwrap();
        parasol_hub::Settings::at(home)
    };
    Running::start_over(|_| {}, write, Policy::Allowed)
}

fn json_of(answer: &Answer) -> Value {
    serde_json::from_str(&answer.body).unwrap_or_else(|e| panic!("{e}: {answer:?}"))
}

fn create(server: &Running, headers: &[&str], body: &Value) -> Answer {
    server.send("POST", "/v1/videos", headers, &body.to_string())
}

/// The job as soon as it is in this state.
fn until(server: &Running, headers: &[&str], id: &str, status: &str) -> Value {
    let begun = Instant::now();
    loop {
        let video = json_of(&server.get(&format!("/v1/videos/{id}"), headers));
        if video["status"] == status {
            return video;
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "never {status}: {video}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn id(video: &Value) -> String {
    video["id"].as_str().unwrap_or_else(|| panic!("{video}")).to_owned()
}

const FORM: &str = "content-type: multipart/form-data; boundary=XYZ";

fn form(fields: &[(&str, &str)], picture: Option<&str>) -> String {
    let mut all = String::new();
    for (name, value) in fields {
        all.push_str(&format!("--XYZ\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"));
    }
    if let Some(bytes) = picture {
        all.push_str(&format!(
            "--XYZ\r\ncontent-disposition: form-data; name=\"input_reference\"; filename=\"a.webp\"\r\ncontent-type: image/webp\r\n\r\n{bytes}\r\n"
        ));
    }
    all + "--XYZ--\r\n"
}

#[test]
fn a_film_is_begun_watched_fetched_listed_and_removed() {
    let studio = Studio::start();
    let server = server(studio.settings());
    let asked = json!({ "model": "reel", "prompt": "A cat.", "seconds": "5", "size": "720x1280", "seed": 7 });
    let first = json_of(&create(&server, &[], &asked));
    let shape = json!({ "object": "video", "model": "reel", "prompt": "A cat.", "seconds": "5", "size": "720x1280", "progress": 0,
        "status": "queued", "error": null, "completed_at": null, "expires_at": null, "remixed_from_video_id": null });
    for (field, value) in shape.as_object().unwrap() {
        assert_eq!(&first[field], value, "{field}: {first}");
    }
    let body = r#"{"model":"reel","promptText":"A cat.","ratio":"720:1280","duration":5,"seed":7}"#;
    assert_eq!(studio.asked(), [format!("POST /v1/text_to_video {body}")]);
    let early = server.get(&format!("/v1/videos/{}/content", id(&first)), &[]);
    assert!(early.status == 400 && early.body.contains("queued"), "{early:?}");
    studio.set(1);
    assert_eq!(until(&server, &[], &id(&first), "in_progress")["progress"], 50);
    studio.set(2);
    let done = until(&server, &[], &id(&first), "completed");
    assert_eq!(
        (&done["progress"], done["completed_at"].is_i64(), done["expires_at"].is_i64()),
        (&json!(100), true, true)
    );
    for query in ["", "?variant=video"] {
        let film = server.get(&format!("/v1/videos/{}/content{query}", id(&first)), &[]);
        assert!(film.status == 200 && film.head.contains("content-type: video/mp4"), "{}", film.head);
        assert!(film.body.as_bytes() == mp4(), "{}", film.body.len());
    }
    let thumbnail = server.get(&format!("/v1/videos/{}/content?variant=thumbnail", id(&first)), &[]);
    assert!(thumbnail.status == 400 && thumbnail.body.contains("thumbnail"), "{thumbnail:?}");
    // The form that official clients send, with a picture.
    let fields = [("model", "reel"), ("prompt", "Another."), ("seconds", "2")];
    let second =
        json_of(&server.send("POST", "/v1/videos", &[FORM], &form(&fields, Some("RIFF0000WEBPVP8 "))));
    assert!(
        studio.asked().last().unwrap().contains("data:image/webp;base64,UklGRjAwMDBXRUJQVlA4IA=="),
        "{:?}",
        studio.asked()
    );
    until(&server, &[], &id(&second), "completed");
    let list = |query: &str| json_of(&server.get(&format!("/v1/videos{query}"), &[]));
    let ids = |list: &Value| list["data"].as_array().unwrap().iter().map(id).collect::<Vec<_>>();
    assert_eq!(ids(&list("")), [id(&second), id(&first)]);
    assert_eq!(ids(&list("?order=asc")), [id(&first), id(&second)]);
    let page = list("?limit=1");
    assert_eq!(
        (ids(&page), &page["has_more"], &page["last_id"]),
        (vec![id(&second)], &json!(true), &json!(id(&second)))
    );
    assert_eq!(ids(&list(&format!("?after={}", id(&second)))), [id(&first)]);
    // Its provider makes none of its films anew.
    let remix =
        server.send("POST", &format!("/v1/videos/{}/remix", id(&first)), &[], r#"{"prompt":"At night."}"#);
    assert!(remix.status == 400 && remix.body.contains("remix"), "{remix:?}");
    let gone = json_of(&server.send("DELETE", &format!("/v1/videos/{}", id(&first)), &[], ""));
    assert_eq!(gone, json!({ "id": id(&first), "object": "video.deleted", "deleted": true }));
    assert_eq!(ids(&list("")), [id(&second)]);
    assert_eq!(studio.asked().last().unwrap(), "DELETE /v1/tasks/t-1", "its provider forgets it, too");
    for path in ["", "/content"] {
        let answer = server.get(&format!("/v1/videos/{}{path}", id(&first)), &[]);
        assert_eq!((answer.status, &json_of(&answer)["error"]["code"]), (404, &json!("not_found")));
    }
}

#[test]
fn what_is_wrong_is_said_in_the_protocols_words() {
    let studio = Studio::start();
    let server = server(studio.settings());
    for (body, param) in [
        (json!({ "model": "reel" }), "prompt"),
        (json!({ "model": "reel", "prompt": "x", "seconds": "many" }), "seconds"),
        (json!({ "model": "reel", "prompt": "x", "size": "large" }), "size"),
        (json!({ "model": "reel", "prompt": "x", "fps": 24 }), "fps"),
        (
            json!({ "model": "reel", "prompt": "x", "input_reference": { "image_url": "http://127.0.0.1/" } }),
            "input_reference.image_url",
        ),
        (json!({ "model": "reel", "prompt": "x", "negative_prompt": "y" }), "negative_prompt"),
    ] {
        let answer = create(&server, &[], &body);
        let error = json_of(&answer)["error"].clone();
        assert_eq!(
            (answer.status, &error["type"]),
            (400, &json!("invalid_request_error")),
            "{body}: {error}"
        );
        let message = error["message"].as_str().unwrap();
        assert!(error["param"] == param || message.contains(param), "{body}: {error}");
    }
    let unknown = create(&server, &[], &json!({ "model": "nobody", "prompt": "x" }));
    assert_eq!((unknown.status, &json_of(&unknown)["error"]["code"]), (404, &json!("model_not_found")));
    let talker = create(&server, &[], &json!({ "model": "talker", "prompt": "x" }));
    assert!(talker.status == 400 && talker.body.contains("makes no films"), "{talker:?}");
    for (method, path) in [
        ("GET", "/v1/videos?limit=0"),
        ("GET", "/v1/videos?order=up"),
        ("GET", "/v1/videos?after=x"),
        ("GET", "/v1/videos?page=2"),
        ("POST", "/v1/videos/edits"),
        ("POST", "/v1/videos/extensions"),
        ("GET", "/v1/videos/characters/char_1"),
    ] {
        let answer = server.send(method, path, &[], "{}");
        assert!(
            answer.status == 400 && json_of(&answer)["error"]["message"].is_string(),
            "{method} {path}: {answer:?}"
        );
    }
    for path in [
        "/v1/videos/x",
        "/v1/videos/..%2f..%2fkeys",
        "/v1/videos/video_00000000000000000000000000000000/content",
    ] {
        assert_eq!(server.get(path, &[]).status, 404, "{path}");
    }
    assert!(studio.asked().is_empty(), "{:?}", studio.asked());
    // What fails later is the job's.
    studio.set(3);
    let video = json_of(&create(&server, &[], &json!({ "model": "reel", "prompt": "x" })));
    let failed = until(&server, &[], &id(&video), "failed");
    assert_eq!(failed["error"], json!({ "code": "SAFETY.INPUT.IMAGE", "message": "a face" }));
}

#[test]
fn a_job_belongs_to_the_key_that_asked_for_it() {
    let studio = Studio::start();
    let server = server(studio.settings());
    let key = |name: &str, models: &[&str]| {
        let models = models.iter().map(|model| (*model).to_owned()).collect();
        format!(
            "authorization: Bearer {}",
            server.key(KeyTerms { name: name.into(), models, ..KeyTerms::default() })
        )
    };
    let (ann, bob, chats) = (key("ann", &[]), key("bob", &[]), key("chats", &["talker"]));
    let asked = json!({ "model": "reel", "prompt": "A cat." });
    assert_eq!(create(&server, &[], &asked).status, 401);
    assert_eq!(create(&server, &[&chats], &asked).status, 403);
    let video = json_of(&create(&server, &[&ann], &asked));
    studio.set(2);
    until(&server, &[&ann], &id(&video), "completed");
    let own = |key: &str| json_of(&server.get("/v1/videos", &[key]))["data"].as_array().unwrap().len();
    assert_eq!((own(&ann), own(&bob)), (1, 0));
    let path = format!("/v1/videos/{}", id(&video));
    for (method, path) in [
        ("GET", path.clone()),
        ("GET", format!("{path}/content")),
        ("DELETE", path.clone()),
        ("POST", format!("{path}/remix")),
    ] {
        let answer = server.send(method, &path, &[&bob], r#"{"prompt":"x"}"#);
        assert_eq!(answer.status, 404, "{method} {path}");
        assert_eq!(server.get(&path.replace("/remix", ""), &[]).status, 401);
    }
    assert_eq!(server.get(&path, &[&ann]).status, 200);
}

#[test]
fn a_job_that_is_removed_before_its_end_is_ended_at_its_provider() {
    let studio = Studio::start();
    studio.set(1);
    let server = server(studio.settings());
    let video = json_of(&create(&server, &[], &json!({ "model": "reel", "prompt": "A cat." })));
    until(&server, &[], &id(&video), "in_progress");
    let path = format!("/v1/videos/{}", id(&video));
    assert_eq!(json_of(&server.send("DELETE", &path, &[], ""))["deleted"], true);
    assert_eq!(studio.asked().last().unwrap(), "DELETE /v1/tasks/t-1");
    assert_eq!(server.get(&path, &[]).status, 404);
}

#[test]
fn our_client_reaches_our_server_and_a_film_passes_both() {
    let studio = Studio::start();
    let far = server(studio.settings());
    let near = server(format!(
        "[[provider]]\nname = \"far\"\nprotocol = \"openai\"\nurl = \"http://{}/v1\"\nkey_optional = true\n\
         limits = {{ poll = 0.05, health_interval = 0.0 }}\n\
         [[model]]\nname = \"by-far\"\nprovider = \"far\"\nid = \"reel\"\ncapabilities = [\"film\"]\n\
         price = {{ input = 0.0, output = 0.0, second = 2.0, dated = \"2026-11-27\" }}\n",
        far.address
    ));
    let fields =
        [("model", "by-far"), ("prompt", "A cat."), ("seed", "7"), ("seconds", "3"), ("size", "720x1280")];
    let video = json_of(&near.send("POST", "/v1/videos", &[FORM], &form(&fields, Some("RIFF0000WEBPVP8 "))));
    // All of it has arrived.
    let asked = studio.asked().remove(0);
    for part in [
        "POST /v1/image_to_video",
        "\"seed\":7",
        "\"duration\":3",
        "720:1280",
        "A cat.",
        "UklGRjAwMDBXRUJQVlA4IA==",
    ] {
        assert!(asked.contains(part), "{part}: {asked}");
    }
    studio.set(1);
    assert_eq!(until(&near, &[], &id(&video), "in_progress")["model"], "by-far");
    studio.set(2);
    let done = until(&near, &[], &id(&video), "completed");
    assert_eq!(done["seconds"], "3");
    let film = near.get(&format!("/v1/videos/{}/content", id(&video)), &[]);
    assert!(film.status == 200 && film.body.as_bytes() == mp4());
    let gone = near.send("DELETE", &format!("/v1/videos/{}", id(&video)), &[], "");
    assert_eq!(gone.status, 200, "{gone:?}");
    assert_eq!(json_of(&far.get("/v1/videos", &[]))["data"], json!([]), "the far one has forgotten it, too");
    studio.set(3);
    let video = json_of(&create(&near, &[], &json!({ "model": "by-far", "prompt": "x" })));
    assert_eq!(until(&near, &[], &id(&video), "failed")["error"]["code"], "SAFETY.INPUT.IMAGE");
}
