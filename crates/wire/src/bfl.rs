//! Black Forest Labs' pictures: a job is begun, asked for until it is done, and its picture lies at a signed address for some minutes.
//! Reference: <https://docs.bfl.ai/quick_start/generating_images>.

use crate::client::{Manner, is_plain};
use crate::imagining::{Answer, Outgoing, Part, SizeForm, Take, base64, json, seed, withheld, wrong};
use crate::openai::client::short;
use parasol_core::{Error, ErrorKind, Money, Result};
use serde_json::{Map, Value};

/// A credit is a hundredth of a dollar.
const CREDIT: f64 = 0.01;
/// Where the provider's own addresses are.
const HOME: &str = "bfl.ai";

/// The request for one picture.
pub(crate) fn request(model: &str, part: Part<'_>, manner: &Manner) -> Result<Outgoing> {
    let request = part.request;
    if !is_plain(model) {
        let message =
            format!("model: {model:?} is no model's name of this protocol: letters, digits, -, _ and .");
        return Err(Error::new(ErrorKind::InvalidRequest, message));
    }
    let mut body = Map::new();
    body.insert("prompt".into(), request.prompt.as_str().into());
    match (request.size, manner.drawing.form) {
        (Some(size), SizeForm::Ratio) => {
            body.insert("aspect_ratio".into(), manner.shape(size).to_string().into());
        }
        (Some(size), _) => {
            let (width, height) = size.sides();
            body.insert("width".into(), width.into());
            body.insert("height".into(), height.into());
        }
        (None, _) => {}
    }
    if let Some(seed) = seed(request, part.index, u64::from(u32::MAX))? {
        body.insert("seed".into(), seed.into());
    }
    if let Some(steps) = request.steps {
        body.insert("steps".into(), steps.into());
    }
    if let Some(guidance) = request.guidance {
        body.insert("guidance".into(), short(guidance));
    }
    if let Some(format) = request.format.filter(|_| manner.draws_with(Take::OutputFormat)) {
        body.insert("output_format".into(), format.name().into());
    }
    if let Some(mask) = &request.mask {
        body.insert("mask".into(), base64(&mask.bytes).into());
    }
    // Models that fill in have one picture under another name.
    let first = if manner.draws_with(Take::Mask) { "image" } else { "input_image" };
    for (number, picture) in request.pictures.iter().enumerate() {
        let name = if number == 0 { first.to_owned() } else { format!("input_image_{}", number + 1) };
        body.insert(name, base64(&picture.bytes).into());
    }
    Ok(json(model, &Value::Object(body), Answer::Job))
}

/// A job that was begun.
#[derive(Debug, Clone, PartialEq)]
pub struct Job {
    /// Where it is asked for.
    pub polling_url: String,
    /// What it costs, where that is told.
    pub cost: Option<Money>,
}

/// How a job stands.
#[derive(Debug, Clone, PartialEq)]
pub enum State {
    /// It is being done; how much of it, between 0 and 1, where that is told.
    Pending(Option<f32>),
    /// It is done.
    Ready {
        /// Where the picture is.
        sample: String,
        /// The seed that it was drawn from, where that is told.
        seed: Option<u64>,
        /// What it costs, where that is told.
        cost: Option<Money>,
    },
}

impl Job {
    /// Reads what a request was answered with.
    ///
    /// # Errors
    /// `Network` when it names no job.
    pub fn read(body: &[u8]) -> Result<Self> {
        let told: Value = serde_json::from_slice(body).map_err(|e| wrong(&format!("is no JSON: {e}")))?;
        let url = told["polling_url"].as_str().ok_or_else(|| wrong("names no polling_url"))?;
        Ok(Self { polling_url: url.to_owned(), cost: cost(&told) })
    }
}

impl State {
    /// Reads what a job was answered with.
    ///
    /// # Errors
    /// `InvalidRequest` where the provider withheld the picture; `Network` when it failed, or the answer is none.
    pub fn read(body: &[u8]) -> Result<Self> {
        let told: Value = serde_json::from_slice(body).map_err(|e| wrong(&format!("is no JSON: {e}")))?;
        let status = told["status"].as_str().ok_or_else(|| wrong("names no status"))?;
        match status {
            "Ready" => {
                let result = &told["result"];
                let sample =
                    result["sample"].as_str().ok_or_else(|| wrong("is Ready and names no sample"))?;
                Ok(Self::Ready {
                    sample: sample.to_owned(),
                    seed: result["seed"].as_u64(),
                    cost: cost(&told),
                })
            }
            "Pending" | "Queued" | "Processing" | "Generating" | "Reasoning" | "Preview" => {
                let progress = told["progress"].as_f64().filter(|part| (0.0..=1.0).contains(part));
                Ok(Self::Pending(progress.map(|part| part as f32)))
            }
            "Request Moderated" | "Content Moderated" => {
                let reasons: Vec<&str> = told["details"]["Moderation Reasons"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .filter_map(Value::as_str)
                    .collect();
                let why = [status, &reasons.join(", ")].join(": ");
                Err(withheld(why.trim_end_matches(": ")))
            }
            other => {
                let why = told["details"]["error"].as_str().or(told["result"]["error"].as_str());
                let why: String = why.unwrap_or("it names no cause").chars().take(500).collect();
                Err(wrong(&format!("says that the job ended as {other:?}: {why}")))
            }
        }
    }
}

fn cost(told: &Value) -> Option<Money> {
    Some(Money::dollars(told["cost"].as_f64().filter(|cost| *cost > 0.0)? * CREDIT))
}

/// Whether a job of the provider at host `base` may be asked for, with its key, at `host`: at the same, or, since the provider leads from
/// one address for all to that of a region, at any other under its own name.
#[must_use]
pub fn may_be_asked(base: &str, host: &str) -> bool {
    let home = |host: &str| {
        let host = host.to_ascii_lowercase();
        host == HOME || host.strip_suffix(HOME).is_some_and(|rest| rest.ends_with('.'))
    };
    base.eq_ignore_ascii_case(host) || (home(base) && home(host))
}

/// What is said in a refusal: `detail` is a text, or a list of what is wrong with fields.
pub(crate) fn error(status: u16, body: &[u8], retry_after: Option<u64>) -> Error {
    let told = crate::speaking::elevenlabs_error(status, body, retry_after);
    match status {
        // Credits that are used up are no fault of the request.
        402 => Error::new(ErrorKind::Denied, told.message().to_owned()),
        _ => told,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::imagining::Drawing;
    use parasol_core::{ImagineRequest, Picture, PictureFormat};

    fn written(model: &str, request_: &ImagineRequest, drawing: Drawing) -> Result<(String, Value)> {
        let manner = Manner { drawing, ..Manner::default() };
        let it = request(model, Part { request: request_, index: 0, count: 1 }, &manner)?;
        assert_eq!(it.answer, Answer::Job);
        Ok((it.path, serde_json::from_slice(&it.body).unwrap()))
    }

    #[test]
    fn the_model_is_the_path_and_pictures_are_numbered() {
        let gif = Picture::new(b"GIF89a".to_vec()).unwrap();
        let request_ = ImagineRequest {
            prompt: "A lighthouse".into(),
            size: "1440x816".parse().ok(),
            seed: Some(7),
            guidance: Some(4.5),
            format: Some(PictureFormat::Png),
            pictures: vec![gif.clone(), gif.clone()],
            ..ImagineRequest::default()
        };
        let takes = Some(vec![Take::Size, Take::OutputFormat]);
        let drawing = || Drawing { form: SizeForm::Pixels, takes: takes.clone(), ..Drawing::default() };
        let (path, body) = written("flux-2-flex", &request_, drawing()).unwrap();
        let wanted = serde_json::json!({ "prompt": "A lighthouse", "width": 1440, "height": 816, "seed": 7,
            "guidance": 4.5, "output_format": "png", "input_image": "R0lGODlh", "input_image_2": "R0lGODlh" });
        assert_eq!((path.as_str(), body), ("flux-2-flex", wanted));
        let shape = ImagineRequest { size: "3:2".parse().ok(), ..request_.clone() };
        let (_, body) = written("m", &shape, Drawing { form: SizeForm::Ratio, ..drawing() }).unwrap();
        assert_eq!(body["aspect_ratio"], "3:2");
        let masked = ImagineRequest { mask: Some(gif.clone()), pictures: vec![gif], ..request_.clone() };
        let takes = Some(vec![Take::Size, Take::Mask]);
        let (_, body) = written("m", &masked, Drawing { takes, ..drawing() }).unwrap();
        assert!(body["image"].is_string() && body["mask"].is_string() && body["input_image"].is_null());
        for wrong in ["", "../finetunes", "a/b", "a?b"] {
            assert!(
                written(wrong, &request_, drawing()).unwrap_err().message().starts_with("model: "),
                "{wrong}"
            );
        }
    }

    #[test]
    fn a_job_is_followed_to_each_of_its_ends() {
        let job =
            Job::read(br#"{"id":"x","polling_url":"https://api.eu.bfl.ai/v1/get_result?id=x","cost":4.5}"#);
        assert_eq!(job.unwrap().cost, Some(Money::dollars(0.045)));
        assert!(Job::read(b"{}").is_err() && Job::read(b"<").is_err());
        let state = |body: &str| State::read(body.as_bytes());
        assert_eq!(state(r#"{"status":"Pending"}"#).unwrap(), State::Pending(None));
        assert_eq!(state(r#"{"status":"Processing","progress":0.5}"#).unwrap(), State::Pending(Some(0.5)));
        let ready =
            state(r#"{"status":"Ready","result":{"sample":"https://d/x.png","seed":9},"cost":3}"#).unwrap();
        let cost = Some(Money::dollars(0.03));
        assert_eq!(ready, State::Ready { sample: "https://d/x.png".into(), seed: Some(9), cost });
        for (body, kind, part) in [
            (r#"{"status":"Request Moderated"}"#, ErrorKind::InvalidRequest, "(Request Moderated)"),
            (
                r#"{"status":"Content Moderated","details":{"Moderation Reasons":["Derivative"]}}"#,
                ErrorKind::InvalidRequest,
                "Content Moderated: Derivative",
            ),
            (
                r#"{"status":"Error","details":{"error":"no memory"}}"#,
                ErrorKind::Network,
                "\"Error\": no memory",
            ),
            (r#"{"status":"Task not found"}"#, ErrorKind::Network, "Task not found"),
            (r#"{"status":"Ready","result":{}}"#, ErrorKind::Network, "names no sample"),
            ("{}", ErrorKind::Network, "no status"),
            ("[", ErrorKind::Network, "no JSON"),
        ] {
            let error = state(body).unwrap_err();
            assert!(*error.kind() == kind && error.message().contains(part), "{error}");
        }
    }

    #[test]
    fn the_key_stays_at_home() {
        for (base, host, may) in [
            ("api.bfl.ai", "api.bfl.ai", true),
            ("api.bfl.ai", "gateway.eu.BFL.ai", true),
            ("api.bfl.ai", "evilbfl.ai", false),
            ("api.bfl.ai", "bfl.ai.evil.example", false),
            ("example.com", "api.bfl.ai", false),
            ("127.0.0.1", "127.0.0.1", true),
            ("127.0.0.1", "127.0.0.2", false),
        ] {
            assert_eq!(may_be_asked(base, host), may, "{base} {host}");
        }
    }

    #[test]
    fn refusals_are_read() {
        let it = error(402, br#"{"detail":"Insufficient credits"}"#, None);
        assert_eq!((it.kind(), it.message()), (&ErrorKind::Denied, "Insufficient credits"));
        let fields = br#"{"detail":[{"loc":["body","width"],"msg":"must be a multiple of 16"}]}"#;
        assert_eq!(error(422, fields, None).message(), "body.width: must be a multiple of 16");
    }
}
