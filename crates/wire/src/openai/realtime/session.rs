//! A session's settings, as `session.update` changes them, and what one response changes of them.

use super::items::Item;
use super::listening::{Hearing, Pcm};
use crate::fields::{Fields, Spelling};
use crate::openai::speech::is_theirs;
use crate::openai::tools;
use parasol_core::{
    ChatRequest, Message, Reasoning, Result, Role, SamplingChoice, SpeakRequest, ToolChoice, ToolSpec,
};
use serde_json::{Map, Value, json};

/// In what form answers come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Modality {
    /// Spoken, with what is said as text beside it.
    #[default]
    Audio,
    /// As text.
    Text,
}

impl Modality {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Audio => "audio",
            Self::Text => "text",
        }
    }

    fn take(f: &mut Fields, now: Self) -> Result<Self> {
        let Some(list) = f.strings("output_modalities")? else { return Ok(now) };
        match list.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            ["text"] => Ok(Self::Text),
            ["audio"] => Ok(Self::Audio),
            _ => Err(f.wrong("output_modalities", "must be [\"audio\"] or [\"text\"]")),
        }
    }
}

/// Who speaks and how.
#[derive(Debug, Clone, PartialEq)]
pub struct Voicing {
    /// The voice's name as the client writes it; `None` is the server's default.
    pub voice: Option<String>,
    /// 1 is the voice's own pace.
    pub speed: f32,
    /// The form of the sound.
    pub format: Pcm,
}

impl Default for Voicing {
    fn default() -> Self {
        Self { voice: None, speed: 1.0, format: Pcm::default() }
    }
}

impl Voicing {
    fn update(&mut self, mut f: Fields) -> Result<()> {
        self.format = Pcm::take(&mut f, self.format)?;
        if let Some(voice) = f.take("voice") {
            let name = match voice {
                Value::String(name) => name,
                object => {
                    let mut voice = Fields::new(object, f.at("voice"), Spelling::Exact)?;
                    let name = voice.need_string("id")?;
                    voice.finish()?;
                    name
                }
            };
            self.voice = Some(name).filter(|name| !name.is_empty());
        }
        let (slowest, fastest) = (SpeakRequest::SLOWEST, SpeakRequest::FASTEST);
        self.speed = f.number("speed", slowest, fastest)?.unwrap_or(self.speed);
        f.finish()
    }

    /// The voice that was asked for by a name of this server's: those of the protocol's own mean the default.
    pub fn own_voice(&self) -> Option<&str> {
        self.voice.as_deref().filter(|voice| !is_theirs(voice))
    }

    fn write(&self, default_voice: &str) -> Value {
        json!({
            "format": self.format.write(),
            "voice": self.voice.as_deref().unwrap_or(default_voice),
            "speed": self.speed,
        })
    }
}

/// What answers are like: of a session, or of one response.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Speech {
    /// In what form they come.
    pub modality: Modality,
    /// The system message.
    pub instructions: String,
    /// Who speaks.
    pub voicing: Voicing,
    /// Tools on offer.
    pub tools: Vec<ToolSpec>,
    /// Which of them are called.
    pub tool_choice: ToolChoice,
    /// At most so many tokens.
    pub max_tokens: Option<usize>,
}

impl Speech {
    /// Takes what both a session and a response can say; `audio` is its own object.
    fn update(&mut self, f: &mut Fields, output: Option<Fields>) -> Result<()> {
        self.modality = Modality::take(f, self.modality)?;
        if let Some(instructions) = f.string("instructions")? {
            self.instructions = instructions;
        }
        if let Some(output) = output {
            self.voicing.update(output)?;
        }
        let offered = f.has("tools");
        if offered {
            self.tools = tools::take(f, true)?;
        }
        if f.has("tool_choice") {
            self.tool_choice = tools::choice(f, &self.tools)?;
        } else if offered && matches!(&self.tool_choice, ToolChoice::Named(_) | ToolChoice::Required) {
            self.tool_choice = ToolChoice::Auto;
        }
        if let Some(most) = f.take("max_output_tokens") {
            self.max_tokens = match &most {
                Value::String(word) if word == "inf" => None,
                Value::Number(n) if n.as_u64().is_some_and(|n| n > 0) => {
                    n.as_u64().and_then(|n| usize::try_from(n).ok())
                }
                _ => return Err(f.wrong("max_output_tokens", "must be a whole number above 0 or \"inf\"")),
            };
        }
        // What a model on this machine decides by itself.
        f.refuse("prompt", "prompts are not stored here: send instructions")?;
        Ok(())
    }

    /// What the model is asked for after `messages`; what is open is `recommended` for it.
    pub fn request(&self, messages: Vec<Message>, recommended: &SamplingChoice) -> ChatRequest {
        let mut messages = messages;
        if !self.instructions.is_empty() {
            // Many templates know one system message only, at the beginning.
            match messages.first_mut() {
                Some(first) if first.role == Role::System => {
                    first.content = format!("{}\n\n{}", self.instructions, first.content);
                }
                _ => messages.insert(0, Message::new(Role::System, &self.instructions)),
            }
        }
        ChatRequest {
            messages,
            tools: self.tools.clone(),
            tool_choice: self.tool_choice.clone(),
            // Who talks waits for an answer.
            reasoning: Some(Reasoning::Off),
            sampling: recommended.sampling(),
            max_tokens: self.max_tokens,
            ..ChatRequest::default()
        }
    }

    fn tools(&self) -> Value {
        let flat = |tool: &ToolSpec| {
            json!({ "type": "function", "name": tool.name, "description": tool.description,
                "parameters": tool.parameters })
        };
        self.tools.iter().map(flat).collect()
    }

    fn choice(&self) -> Value {
        match &self.tool_choice {
            ToolChoice::Auto => json!("auto"),
            ToolChoice::None => json!("none"),
            ToolChoice::Required => json!("required"),
            ToolChoice::Named(name) => json!({ "type": "function", "name": name }),
        }
    }

    /// `max_output_tokens` as the protocol writes it.
    pub(super) fn most(&self) -> Value {
        self.max_tokens.map_or(json!("inf"), |most| json!(most))
    }
}

/// A session.
#[derive(Debug, Clone, PartialEq)]
pub struct Session {
    /// The model that answers; `None` in a session that only writes down what it hears.
    pub model: Option<String>,
    /// What it hears.
    pub hearing: Hearing,
    /// What it answers.
    pub speech: Speech,
    /// Whether the oldest part of a conversation that has become too long is left out.
    pub truncates: bool,
    /// What stands for what nobody chose: a model that listens, and a voice.
    pub defaults: (String, String),
}

impl Session {
    /// A session with a model, or without one for writing down only. `defaults` are the server's model that listens and its voice.
    pub fn new(model: Option<String>, defaults: (String, String)) -> Self {
        let turns = Some(super::TurnDetection::default());
        let hearing = Hearing { turns, told: model.is_none(), ..Hearing::default() };
        Self { model, hearing, speech: Speech::default(), truncates: true, defaults }
    }

    /// Whether it answers, or only writes down.
    pub fn talks(&self) -> bool {
        self.model.is_some()
    }

    /// Changes what `session` speaks of; nothing when some of it is wrong.
    ///
    /// # Errors
    /// `InvalidRequest` naming the field that is wrong, not honoured, or cannot be changed.
    pub fn update(&mut self, session: Value) -> Result<()> {
        let mut changed = self.clone();
        changed.read(Fields::new(session, "session", Spelling::Exact)?)?;
        *self = changed;
        Ok(())
    }

    fn read(&mut self, mut f: Fields) -> Result<()> {
        // What `session.created` shows may come back.
        for shown in ["id", "object", "expires_at"] {
            f.take(shown);
        }
        let own = if self.talks() { "realtime" } else { "transcription" };
        if let Some(kind) = f.string("type")?.filter(|kind| kind != own) {
            let other = match kind.as_str() {
                "transcription" => "connect with ?intent=transcription for that",
                _ => "it cannot be changed",
            };
            return Err(f.wrong("type", format_args!("is {kind:?} and the session is {own:?}: {other}")));
        }
        if let Some(model) = f.string("model")?
            && self.model.as_deref() != Some(&model)
        {
            return Err(f.wrong("model", "cannot be changed: connect with ?model= and the other one"));
        }
        let mut audio = f.object("audio")?;
        let input = audio.as_mut().map(|audio| audio.object("input")).transpose()?.flatten();
        if let Some(input) = input {
            self.hearing.update(input)?;
        }
        if self.talks() {
            let output = audio.as_mut().map(|audio| audio.object("output")).transpose()?.flatten();
            self.speech.update(&mut f, output)?;
            match f.take("truncation") {
                None => {}
                Some(Value::String(word)) if word == "auto" => self.truncates = true,
                Some(Value::String(word)) if word == "disabled" => self.truncates = false,
                Some(_) => return Err(f.wrong("truncation", "must be auto or disabled")),
            }
            // Without effect, and so not in the session that the client is shown.
            f.take("tracing");
        }
        if let Some(audio) = audio {
            audio.finish()?;
        }
        if f.strings("include")?.is_some_and(|include| !include.is_empty()) {
            return Err(f.wrong("include", "how likely words are is not told here: leave it out"));
        }
        f.finish()
    }

    /// As the protocol writes it.
    pub fn write(&self, id: &str) -> Value {
        let (ears, voice) = &self.defaults;
        let input = self.hearing.write(self.talks(), ears);
        let Some(model) = &self.model else {
            return json!({
                "type": "transcription", "object": "realtime.transcription_session", "id": id,
                "audio": { "input": input }, "include": null,
            });
        };
        json!({
            "type": "realtime",
            "object": "realtime.session",
            "id": id,
            "model": model,
            "output_modalities": [self.speech.modality.name()],
            "instructions": self.speech.instructions,
            "tools": self.speech.tools(),
            "tool_choice": self.speech.choice(),
            "max_output_tokens": self.speech.most(),
            "tracing": null,
            "prompt": null,
            "truncation": if self.truncates { "auto" } else { "disabled" },
            "audio": { "input": input, "output": self.speech.voicing.write(voice) },
            "include": null,
        })
    }
}

/// One response, as it was asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct ResponseCall {
    /// What it is like.
    pub speech: Speech,
    /// Whether it becomes part of the conversation.
    pub kept: bool,
    /// What it answers instead of the conversation; a reference takes an item of it.
    pub input: Option<Vec<Item>>,
    /// Pairs that come back with it.
    pub metadata: Option<Map<String, Value>>,
}

impl ResponseCall {
    /// A response as the session has them.
    pub fn of(session: &Session) -> Self {
        Self { speech: session.speech.clone(), kept: true, input: None, metadata: None }
    }

    /// The `response` of `response.create`.
    ///
    /// # Errors
    /// `InvalidRequest` naming the field that is wrong or not honoured.
    pub fn read(session: &Session, response: Option<Value>) -> Result<Self> {
        let mut call = Self::of(session);
        let Some(response) = response else { return Ok(call) };
        let mut f = Fields::new(response, "response", Spelling::Exact)?;
        let mut audio = f.object("audio")?;
        let output = audio.as_mut().map(|audio| audio.object("output")).transpose()?.flatten();
        call.speech.update(&mut f, output)?;
        if let Some(audio) = audio {
            audio.finish()?;
        }
        call.kept = match f.string("conversation")?.as_deref() {
            None | Some("auto") => true,
            Some("none") => false,
            Some(_) => return Err(f.wrong("conversation", "must be auto or none")),
        };
        if let Some(items) = f.objects("input")? {
            call.input = Some(items.into_iter().map(Item::read).collect::<Result<_>>()?);
        }
        call.metadata = f.object("metadata")?.map(Fields::into_rest);
        f.finish()?;
        Ok(call)
    }
}
