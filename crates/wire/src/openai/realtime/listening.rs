//! What a session hears: the form of its sound, when a turn ends, and who writes down what is said.

use crate::fields::Fields;
use parasol_core::{Result, TranscribeRequest};
use serde_json::{Value, json};
use std::time::Duration;

/// The most that a turn may wait for.
const LONGEST_WAIT: usize = 30_000;

/// The form of sound: 16-bit numbers, little-endian, one channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pcm {
    /// Samples a second.
    pub rate: u32,
}

impl Pcm {
    /// The protocol's own rate.
    pub const RATE: u32 = 24_000;

    /// Takes `format`.
    pub(super) fn take(f: &mut Fields, now: Self) -> Result<Self> {
        let Some(mut format) = f.object("format")? else { return Ok(now) };
        let kind = format.need_string("type")?;
        if kind != "audio/pcm" {
            return Err(format
                .wrong("type", format_args!("is {kind:?} and must be audio/pcm: G.711 is not spoken here")));
        }
        let rate = format.count("rate", 0)?.unwrap_or(Self::RATE as usize);
        if rate != Self::RATE as usize {
            return Err(format.wrong("rate", format_args!("is {rate} and must be {}", Self::RATE)));
        }
        format.finish()?;
        Ok(Self { rate: Self::RATE })
    }

    /// As the protocol writes it.
    pub fn write(self) -> Value {
        json!({ "type": "audio/pcm", "rate": self.rate })
    }
}

impl Default for Pcm {
    fn default() -> Self {
        Self { rate: Self::RATE }
    }
}

/// Turns end by themselves when somebody has been silent for a while.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TurnDetection {
    /// Somebody speaks from this probability on.
    pub threshold: f32,
    /// Sound before the first speech that belongs to a turn.
    pub padding: Duration,
    /// The silence that ends it.
    pub silence: Duration,
    /// Whether it is answered.
    pub answered: bool,
    /// Whether it breaks off the answer that is being given.
    pub interrupts: bool,
    /// How eager `semantic_vad` is, where that was asked for: here it only says how long the silence is.
    eagerness: Option<Eagerness>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Eagerness {
    Low,
    Medium,
    High,
    Auto,
}

impl Eagerness {
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "low" => Self::Low,
            "medium" => Self::Medium,
            "high" => Self::High,
            "auto" => Self::Auto,
            _ => return None,
        })
    }

    fn name(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Auto => "auto",
        }
    }

    fn silence(self) -> Duration {
        Duration::from_millis(match self {
            Self::Low => 1_500,
            Self::Medium | Self::Auto => 800,
            Self::High => 400,
        })
    }
}

impl Default for TurnDetection {
    fn default() -> Self {
        Self {
            threshold: 0.5,
            padding: Duration::from_millis(300),
            silence: Duration::from_millis(500),
            answered: true,
            interrupts: true,
            eagerness: None,
        }
    }
}

impl TurnDetection {
    fn read(mut f: Fields) -> Result<Self> {
        let mut turns = Self::default();
        match f.need_string("type")?.as_str() {
            "server_vad" => {
                let milliseconds = |f: &mut Fields, name: &str, now: Duration| match f.count(name, 0)? {
                    Some(n) if n > LONGEST_WAIT => {
                        Err(f.wrong(name, format_args!("is {n} and must be at most {LONGEST_WAIT}")))
                    }
                    Some(n) => Ok(Duration::from_millis(n as u64)),
                    None => Ok(now),
                };
                turns.threshold = f.number("threshold", 0.0, 1.0)?.unwrap_or(turns.threshold);
                turns.padding = milliseconds(&mut f, "prefix_padding_ms", turns.padding)?;
                turns.silence = milliseconds(&mut f, "silence_duration_ms", turns.silence)?;
                f.refuse("idle_timeout_ms", "nobody is asked again here: leave it out")?;
            }
            "semantic_vad" => {
                let name = f.string("eagerness")?.unwrap_or_else(|| "auto".into());
                let eagerness = Eagerness::named(&name)
                    .ok_or_else(|| f.wrong("eagerness", "must be low, medium, high or auto"))?;
                (turns.silence, turns.eagerness) = (eagerness.silence(), Some(eagerness));
            }
            _ => return Err(f.wrong("type", "must be server_vad or semantic_vad")),
        }
        turns.answered = f.bool("create_response")?.unwrap_or(true);
        turns.interrupts = f.bool("interrupt_response")?.unwrap_or(true);
        f.finish()?;
        Ok(turns)
    }

    fn write(self, talks: bool) -> Value {
        let mut turns = match self.eagerness {
            Some(eagerness) => json!({ "type": "semantic_vad", "eagerness": eagerness.name() }),
            None => json!({
                "type": "server_vad",
                "threshold": self.threshold,
                "prefix_padding_ms": self.padding.as_millis() as u64,
                "silence_duration_ms": self.silence.as_millis() as u64,
            }),
        };
        if talks {
            turns["create_response"] = json!(self.answered);
            turns["interrupt_response"] = json!(self.interrupts);
        }
        turns
    }
}

/// What a session hears.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Hearing {
    /// The form of what is sent.
    pub format: Pcm,
    /// When a turn ends; `None` leaves that to the client.
    pub turns: Option<TurnDetection>,
    /// Whether the client is told what was said.
    pub told: bool,
    /// The model that writes it down; `None` leaves it to the server.
    pub model: Option<String>,
    /// The language that is spoken, as its code.
    pub language: Option<String>,
    /// Text that guides it.
    pub prompt: Option<String>,
}

impl Hearing {
    /// Takes `input`, or leaves things as they are where it does not speak of them.
    pub(super) fn update(&mut self, mut f: Fields) -> Result<()> {
        self.format = Pcm::take(&mut f, self.format)?;
        if f.is_null("turn_detection") {
            self.turns = None;
        }
        if let Some(turns) = f.object("turn_detection")? {
            self.turns = Some(TurnDetection::read(turns)?);
        }
        if f.is_null("transcription") {
            self.told = false;
        }
        if let Some(mut it) = f.object("transcription")? {
            self.told = true;
            self.model = it.string("model")?.or(self.model.take());
            self.language = it.string("language")?;
            self.prompt = it.string("prompt")?;
            it.refuse("delay", "what is heard is told as soon as it is certain: leave it out")?;
            it.finish()?;
        }
        // Without effect, and so not in the session that the client is shown.
        f.take("noise_reduction");
        f.finish()
    }

    /// As the protocol writes it; `talks` where turns can be answered.
    pub(super) fn write(&self, talks: bool, default_model: &str) -> Value {
        let transcription = self.told.then(|| {
            json!({
                "model": self.model.as_deref().unwrap_or(default_model),
                "language": self.language,
                "prompt": self.prompt,
            })
        });
        json!({
            "format": self.format.write(),
            "transcription": transcription,
            "noise_reduction": null,
            "turn_detection": self.turns.map(|turns| turns.write(talks)),
        })
    }

    /// What the model that listens is asked for.
    pub fn request(&self) -> TranscribeRequest {
        TranscribeRequest {
            language: self.language.clone().filter(|language| !language.is_empty()),
            prompt: self.prompt.clone().filter(|prompt| !prompt.is_empty()),
            ..TranscribeRequest::default()
        }
    }
}
