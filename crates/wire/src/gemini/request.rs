//! `models/…:generateContent` as it arrives: what its parameters mean in the vocabulary. Contents, tools, schemas and the
//! generation's configuration have files of their own. Fields may be spelled `camelCase` or `snake_case`.
//!
//! Spec: <https://ai.google.dev/api/generate-content>.

use super::{config, contents, tools};
use crate::fields::{Fields, Spelling};
use parasol_core::{ChatRequest, Result, SamplingChoice};
use serde_json::Value;

/// A request for content.
#[derive(Debug, Clone, PartialEq)]
pub struct GenerateRequest {
    /// How the answer is written.
    pub style: Style,
    /// Answers asked for, drawn independently.
    pub candidates: usize,
    /// Fields that were accepted though they change nothing, by their paths: to be reported.
    pub without_effect: Vec<String>,
    sampling: SamplingChoice,
    chat: ChatRequest,
}

/// What the writer of an answer has to know of the request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Style {
    /// Show what was thought.
    pub include_thoughts: bool,
}

/// What is read of a request besides the chat itself.
#[derive(Debug, Default)]
pub(super) struct Reading {
    pub(super) chat: ChatRequest,
    pub(super) sampling: SamplingChoice,
    pub(super) style: Style,
    pub(super) candidates: usize,
    pub(super) noted: Vec<String>,
}

impl GenerateRequest {
    /// Reads a request body for `model`, the name in the path.
    ///
    /// # Errors
    /// `InvalidRequest` that names the field, when one is missing, wrong, or not honoured.
    pub fn parse(model: &str, body: Value) -> Result<Self> {
        read(model, Fields::new(body, "", Spelling::Protobuf)?)
    }

    /// Reads the body of `:countTokens`: contents alone, or a whole request as `generateContentRequest`.
    ///
    /// # Errors
    /// As [`Self::parse`].
    pub fn parse_count(model: &str, body: Value) -> Result<Self> {
        let mut fields = Fields::new(body, "", Spelling::Protobuf)?;
        match fields.object("generateContentRequest")? {
            Some(request) => {
                fields.finish()?;
                read(model, request)
            }
            None => read(model, fields),
        }
    }

    /// The request in the vocabulary; what it leaves open is sampled as is recommended for the model. Each candidate has its
    /// own seed: `candidate` counts from 0.
    #[must_use]
    pub fn chat(&self, recommended: &SamplingChoice, candidate: usize) -> ChatRequest {
        let mut sampling = self.sampling.or(recommended).sampling();
        sampling.seed = self.seed(candidate);
        ChatRequest { sampling, ..self.chat.clone() }
    }

    /// [`Self::chat`] for another candidate of a request whose messages have changed since.
    #[must_use]
    pub fn reseeded(&self, chat: &ChatRequest, candidate: usize) -> ChatRequest {
        let mut chat = chat.clone();
        chat.sampling.seed = self.seed(candidate);
        chat
    }

    fn seed(&self, candidate: usize) -> Option<u64> {
        self.chat.sampling.seed.map(|seed| seed.wrapping_add(candidate as u64))
    }
}

fn read(model: &str, mut f: Fields) -> Result<GenerateRequest> {
    let mut reading = Reading { candidates: 1, ..Reading::default() };
    if let Some(named) = f.string("model")?
        && named.strip_prefix("models/").unwrap_or(&named) != model
    {
        return Err(f.wrong("model", format_args!("is {named:?} and the path names {model:?}")));
    }
    contents::read(&mut f, &mut reading)?;
    tools::read(&mut f, &mut reading)?;
    if let Some(generation) = f.object("generationConfig")? {
        config::read(generation, &mut reading)?;
    }
    // Nothing is withheld here, whatever the thresholds.
    if let Some(settings) = f.objects("safetySettings")?
        && !settings.is_empty()
    {
        for mut setting in settings {
            for name in ["category", "threshold", "method"] {
                setting.take(name);
            }
            setting.finish()?;
        }
        reading.noted.push(f.at("safetySettings"));
    }
    f.note(&["labels", "store"], &mut reading.noted);
    match f.string("serviceTier")?.as_deref().map(str::to_ascii_lowercase).as_deref() {
        None | Some("standard" | "unspecified" | "service_tier_unspecified") => {}
        Some(tier) => {
            return Err(f.wrong("serviceTier", format_args!("{tier:?} is not offered: leave it out")));
        }
    }
    f.refuse("cachedContent", "no cached contents are offered: a prompt's beginning is reused by itself")?;
    f.refuse("continuationToken", "answers cannot be continued: leave it out")?;
    f.finish()?;
    let Reading { chat, sampling, style, candidates, noted } = reading;
    Ok(GenerateRequest { style, candidates, without_effect: noted, sampling, chat })
}
