//! A provider's stream as it comes in, whichever protocol it speaks, as events of the vocabulary: what is chosen here is the decoder,
//! what the events mean is each protocol's.

use crate::client::Protocol;
use crate::sse::{SseEvent, SseParser};
use crate::{anthropic, cohere, gemini, openai};
use parasol_core::{Error, ErrorKind, GenerationEvent, Result};
use serde_json::Value;

/// Reads a provider's stream, however it is cut.
#[derive(Debug)]
pub struct Reader(Kind);

#[derive(Debug)]
enum Kind {
    OpenAi(openai::client::StreamDecoder),
    Responses(openai::responses::StreamDecoder),
    Anthropic { parser: SseParser, decoder: anthropic::Decoder, ended: bool },
    Gemini { parser: SseParser, decoder: Option<gemini::Decoder> },
    Cohere { parser: SseParser, decoder: cohere::Decoder },
}

impl Reader {
    /// For an answer of `model` in this protocol.
    #[must_use]
    pub fn new(protocol: Protocol, model: &str) -> Self {
        Self(match protocol {
            // Those of sound, pictures and films are asked for no chat, so that none of their answers comes here.
            Protocol::OpenAi
            | Protocol::ElevenLabs
            | Protocol::Stability
            | Protocol::Bfl
            | Protocol::Runway => Kind::OpenAi(openai::client::StreamDecoder::new(model)),
            Protocol::Responses => Kind::Responses(openai::responses::StreamDecoder::new(model)),
            Protocol::Anthropic => Kind::Anthropic {
                parser: SseParser::new(),
                decoder: anthropic::Decoder::default(),
                ended: false,
            },
            Protocol::Gemini => {
                Kind::Gemini { parser: SseParser::new(), decoder: Some(gemini::Decoder::default()) }
            }
            Protocol::Cohere => {
                Kind::Cohere { parser: SseParser::new(), decoder: cohere::Decoder::new(model) }
            }
        })
    }

    /// The events that are complete with `bytes`. After the answer's end (or an error) whatever follows is not read.
    ///
    /// # Errors
    /// The provider's own when it reports one inside the stream; `Network` for what is none of the protocol,
    /// no UTF-8, or too large.
    pub fn push(&mut self, bytes: &[u8]) -> Result<Vec<GenerationEvent>> {
        let mut out = Vec::new();
        match &mut self.0 {
            Kind::OpenAi(decoder) => return decoder.push(bytes),
            Kind::Responses(decoder) => return decoder.push(bytes),
            Kind::Anthropic { parser, decoder, ended } => {
                for event in parser.push(bytes)? {
                    anthropic_event(&event, decoder, ended, &mut out)?;
                }
            }
            Kind::Gemini { parser, decoder } => {
                for event in parser.push(bytes)? {
                    gemini_event(&event, decoder, &mut out)?;
                }
            }
            Kind::Cohere { parser, decoder } => {
                for event in parser.push(bytes)? {
                    cohere_event(&event, decoder, &mut out)?;
                }
            }
        }
        Ok(out)
    }

    /// The events that were waiting for the stream's end.
    ///
    /// # Errors
    /// `Network` when the stream broke off before the answer was complete.
    pub fn finish(&mut self) -> Result<Vec<GenerationEvent>> {
        let mut out = Vec::new();
        match &mut self.0 {
            Kind::OpenAi(decoder) => return decoder.finish(),
            Kind::Responses(decoder) => return decoder.finish(),
            Kind::Anthropic { parser, decoder, ended } => {
                if let Some(event) = parser.finish()? {
                    anthropic_event(&event, decoder, ended, &mut out)?;
                }
                if !*ended {
                    return Err(broke_off());
                }
            }
            Kind::Cohere { parser, decoder } => {
                if let Some(event) = parser.finish()? {
                    cohere_event(&event, decoder, &mut out)?;
                }
                if !decoder.is_finished() {
                    return Err(broke_off());
                }
            }
            Kind::Gemini { parser, decoder } => {
                if let Some(event) = parser.finish()? {
                    gemini_event(&event, decoder, &mut out)?;
                }
                if let Some(decoder) = decoder.take() {
                    out.push(decoder.finish()?);
                }
            }
        }
        Ok(out)
    }

    /// Whether the answer is complete.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        match &self.0 {
            Kind::OpenAi(decoder) => decoder.is_finished(),
            Kind::Responses(decoder) => decoder.is_finished(),
            Kind::Anthropic { ended, .. } => *ended,
            Kind::Gemini { decoder, .. } => decoder.is_none(),
            Kind::Cohere { decoder, .. } => decoder.is_finished(),
        }
    }
}

fn broke_off() -> Error {
    Error::new(ErrorKind::Network, "the provider's stream broke off before the answer was complete")
}

fn data(event: &SseEvent) -> Result<Value> {
    serde_json::from_str(&event.data).map_err(|e| {
        Error::new(ErrorKind::Network, format!("the provider sent an event that is no JSON: {e}"))
    })
}

fn anthropic_event(
    event: &SseEvent,
    decoder: &mut anthropic::Decoder,
    ended: &mut bool,
    out: &mut Vec<GenerationEvent>,
) -> Result<()> {
    // LiteLLM ends this protocol's streams with OpenAI's mark as well.
    if *ended || event.data.trim() == "[DONE]" {
        return Ok(());
    }
    let events = decoder.push(&data(event)?)?;
    *ended = events.iter().any(|event| matches!(event, GenerationEvent::Finished { .. }));
    out.extend(events);
    Ok(())
}

fn gemini_event(
    event: &SseEvent,
    decoder: &mut Option<gemini::Decoder>,
    out: &mut Vec<GenerationEvent>,
) -> Result<()> {
    if event.data.trim() == "[DONE]" {
        return Ok(());
    }
    if let Some(decoder) = decoder {
        out.extend(decoder.push(&data(event)?)?);
    }
    Ok(())
}

fn cohere_event(
    event: &SseEvent,
    decoder: &mut cohere::Decoder,
    out: &mut Vec<GenerationEvent>,
) -> Result<()> {
    if event.data.trim() != "[DONE]" {
        out.extend(decoder.push(&data(event)?)?);
    }
    Ok(())
}
