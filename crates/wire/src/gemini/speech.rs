//! `responseModalities: ["AUDIO"]`: a text that is read aloud, as the models whose names end in `-tts` do it.
//!
//! Spec: <https://ai.google.dev/gemini-api/docs/speech-generation>.

use crate::fields::{Fields, Spelling};
use parasol_core::{Result, SpeakRequest};
use serde_json::{Value, json};

/// Voices of Google's own models: the model's default voice speaks.
const THEIRS: [&str; 30] = [
    "achernar",
    "achird",
    "algenib",
    "algieba",
    "alnilam",
    "aoede",
    "autonoe",
    "callirrhoe",
    "charon",
    "despina",
    "enceladus",
    "erinome",
    "fenrir",
    "gacrux",
    "iapetus",
    "kore",
    "laomedeia",
    "leda",
    "orus",
    "puck",
    "pulcherrima",
    "rasalgethi",
    "sadachbia",
    "sadaltager",
    "schedar",
    "sulafat",
    "umbriel",
    "vindemiatrix",
    "zephyr",
    "zubenelgenubi",
];

/// Speech as it was asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct SpeechCall {
    /// What is said and how.
    pub request: SpeakRequest,
    /// Fields that were accepted though they change nothing.
    pub without_effect: Vec<String>,
}

/// Whether a body asks for sound.
pub fn asks_for_sound(body: &Value) -> bool {
    let config = body.get("generationConfig").or_else(|| body.get("generation_config"));
    let kinds = config.and_then(|it| it.get("responseModalities").or_else(|| it.get("response_modalities")));
    let audio = |kind: &Value| kind.as_str().is_some_and(|kind| kind.eq_ignore_ascii_case("audio"));
    kinds.and_then(Value::as_array).is_some_and(|kinds| kinds.iter().any(audio))
}

impl SpeechCall {
    /// Reads a body that [`asks_for_sound`].
    ///
    /// # Errors
    /// `InvalidRequest` naming the field that is wrong or not honoured.
    pub fn read(body: Value) -> Result<Self> {
        let mut f = Fields::new(body, "", Spelling::Protobuf)?;
        let mut call = Self { request: SpeakRequest::default(), without_effect: Vec::new() };
        f.take("model");
        call.request.text = text(&mut f)?;
        f.refuse("systemInstruction", "a voice says what the contents hold and takes no instructions")?;
        for name in ["tools", "toolConfig"] {
            f.refuse(name, "a voice calls no tools")?;
        }
        f.note(&["safetySettings", "labels", "store", "serviceTier"], &mut call.without_effect);
        if let Some(config) = f.object("generationConfig")? {
            call.config(config)?;
        }
        f.finish()?;
        Ok(call)
    }

    fn config(&mut self, mut f: Fields) -> Result<()> {
        let kinds = f.strings("responseModalities")?.unwrap_or_default();
        if kinds.len() != 1 {
            return Err(f.wrong(
                "responseModalities",
                "is AUDIO alone where speech is wanted: the text is what was sent",
            ));
        }
        self.request.seed = f.integer("seed")?.map(i64::cast_unsigned);
        if f.count("candidateCount", 1)?.unwrap_or(1) > 1 {
            return Err(f.wrong("candidateCount", "is 1 where speech is wanted"));
        }
        // How tokens would be drawn; here none are.
        f.note(&["temperature", "topP", "topK", "maxOutputTokens"], &mut self.without_effect);
        if let Some(mut speech) = f.object("speechConfig")? {
            speech.refuse(
                "multiSpeakerVoiceConfig",
                "one voice speaks: send voiceConfig, and each speaker's text by itself",
            )?;
            self.request.language = speech.string("languageCode")?;
            if let Some(mut voice) = speech.object("voiceConfig")? {
                voice.refuse("replicatedVoiceConfig", "voices are not copied here: name one")?;
                if let Some(mut built) = voice.object("prebuiltVoiceConfig")? {
                    self.voice(built.string("voiceName")?, built.at("voiceName"));
                    built.finish()?;
                }
                voice.finish()?;
            }
            speech.finish()?;
        }
        f.finish()
    }

    fn voice(&mut self, name: Option<String>, path: String) {
        let theirs = name.as_ref().is_some_and(|name| THEIRS.contains(&name.to_ascii_lowercase().as_str()));
        match theirs {
            true => self.without_effect.push(path),
            false => self.request.voice = name.filter(|name| !name.is_empty()),
        }
    }
}

/// The text of the contents, which is what is said.
fn text(f: &mut Fields) -> Result<String> {
    let path = f.at("contents");
    let list = match f.need("contents")? {
        Value::Array(list) => list,
        one => vec![one],
    };
    let mut says = String::new();
    for (i, content) in list.into_iter().enumerate() {
        let mut content = Fields::new(content, format!("{path}.{i}"), Spelling::Protobuf)?;
        if content.string("role")?.is_some_and(|role| role == "model") {
            return Err(content.wrong("role", "is model, and what is said is the user's"));
        }
        for mut part in content.objects("parts")?.unwrap_or_default() {
            if !says.is_empty() {
                says.push('\n');
            }
            says.push_str(&part.need_string("text")?);
            part.finish()?;
        }
        content.finish()?;
    }
    Ok(says)
}

/// A response that holds sound: 16-bit numbers in base64, `rate` of them a second, or the end after `characters` of text.
pub fn sound(
    id: &str,
    model: &str,
    (base64, rate): (Option<String>, u32),
    end: Option<(usize, usize)>,
) -> Value {
    let data = |data: String| json!({ "inlineData": { "mimeType": format!("audio/L16;codec=pcm;rate={rate}"), "data": data } });
    let parts: Vec<Value> = base64.map(data).into_iter().collect();
    let mut candidate = json!({ "content": { "parts": parts, "role": "model" }, "index": 0 });
    let mut response = json!({ "modelVersion": model, "responseId": id });
    if let Some((characters, phonemes)) = end {
        candidate["finishReason"] = json!("STOP");
        // Characters and phonemes stand for the protocol's tokens.
        response["usageMetadata"] = json!({
            "promptTokenCount": characters, "candidatesTokenCount": phonemes,
            "totalTokenCount": characters.saturating_add(phonemes),
            "promptTokensDetails": [{ "modality": "TEXT", "tokenCount": characters }],
            "candidatesTokensDetails": [{ "modality": "AUDIO", "tokenCount": phonemes }],
        });
    }
    response["candidates"] = json!([candidate]);
    response
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn body(config: Value) -> Value {
        json!({ "contents": [{ "role": "user", "parts": [{ "text": "Hello" }, { "text": "there." }] }],
            "generationConfig": config })
    }

    #[test]
    fn speech_is_told_from_text_and_read() {
        let voice = |name: &str| json!({ "voiceConfig": { "prebuiltVoiceConfig": { "voiceName": name } } });
        let asked = body(
            json!({ "response_modalities": ["AUDIO"], "speechConfig": voice("Kore"), "temperature": 1 }),
        );
        assert!(asks_for_sound(&asked) && !asks_for_sound(&body(json!({ "responseModalities": ["TEXT"] }))));
        let call = SpeechCall::read(asked).unwrap();
        assert_eq!((call.request.text.as_str(), call.request.voice), ("Hello\nthere.", None));
        let noted = [
            "generationConfig.temperature",
            "generationConfig.speechConfig.voiceConfig.prebuiltVoiceConfig.voiceName",
        ];
        assert_eq!(call.without_effect, noted);
        let own = SpeechCall::read(body(
            json!({ "responseModalities": ["AUDIO"], "speechConfig": voice("heart") }),
        ))
        .unwrap();
        assert_eq!(own.request.voice.as_deref(), Some("heart"));
    }

    #[test]
    fn what_a_voice_cannot_do_is_refused_by_name() {
        for (config, part) in [
            (json!({ "responseModalities": ["AUDIO", "TEXT"] }), "responseModalities"),
            (json!({ "responseModalities": ["AUDIO"], "candidateCount": 2 }), "candidateCount"),
            (json!({ "responseModalities": ["AUDIO"], "responseSchema": {} }), "responseSchema"),
            (
                json!({ "responseModalities": ["AUDIO"], "speechConfig": { "multiSpeakerVoiceConfig": {} } }),
                "multiSpeaker",
            ),
        ] {
            let error = SpeechCall::read(body(config)).unwrap_err();
            assert!(error.message().contains(part), "{error}");
        }
        let sound = json!({ "contents": [{ "parts": [{ "inlineData": {} }] }] });
        assert!(SpeechCall::read(sound).unwrap_err().message().contains("contents.0.parts.0.text"));
    }
}
