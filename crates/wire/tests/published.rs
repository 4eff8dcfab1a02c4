//! Streams in the shapes that providers publish (`tests/fixtures/providers`), read whole and byte by byte.

#![allow(clippy::unwrap_used)]

mod dialects;

use dialects::{Outcome, outcome, read};
use parasol_core::{
    Citation, CitedRange, CitedUnit, ErrorKind, FinishReason, Money, Result, Signature, SignedPart, Signer,
    Timestamps, TranscribeRequest, TranscriptEvent, Usage,
};
use parasol_wire::client::{self, Protocol};
use parasol_wire::{embedding, listening};

fn stream(protocol: Protocol, name: &str) -> Result<Outcome> {
    let path = format!("{}/../../tests/fixtures/providers/{name}.sse", env!("CARGO_MANIFEST_DIR"));
    let bytes = std::fs::read(path).unwrap();
    let whole = read(protocol, [bytes.as_slice()]);
    let cut = read(protocol, bytes.chunks(1));
    match (whole, cut) {
        (Ok(whole), Ok(cut)) => {
            assert_eq!(outcome(&whole), outcome(&cut), "{name}");
            Ok(outcome(&whole))
        }
        (Err(error), Err(_)) => Err(error),
        (whole, cut) => panic!("{name}: {whole:?} and {cut:?}"),
    }
}

fn sealed(by: Signer, part: SignedPart, data: &str) -> Signature {
    Signature { by, part, data: data.into() }
}

fn call(id: &str, name: &str, arguments: &str) -> (String, String, String) {
    (id.into(), name.into(), arguments.into())
}

#[test]
fn anthropics() {
    let text = stream(Protocol::Anthropic, "anthropic_text").unwrap();
    let usage = Usage {
        prompt_tokens: 425,
        cached_tokens: 300,
        cache_written_tokens: 100,
        generated_tokens: 15,
        ..Usage::default()
    };
    assert_eq!(
        (text.said.as_str(), text.end),
        ("Good day", Some((FinishReason::Stop, Some("!".into()), usage)))
    );
    let tools = stream(Protocol::Anthropic, "anthropic_tools").unwrap();
    let calls = [call("toolu_01", "weather", "{\"city\":\"Oslo\"}"), call("toolu_02", "clock", "")];
    assert_eq!((tools.said.as_str(), tools.calls.as_slice()), ("I look.", &calls[..]));
    assert_eq!(tools.end.unwrap().0, FinishReason::ToolCalls);
    let thinking = stream(Protocol::Anthropic, "anthropic_thinking").unwrap();
    let thought = SignedPart::Thought("First this, then that.".into());
    let seals = [
        sealed(Signer::Anthropic, thought, "EqQBCgIYAhIM"),
        sealed(Signer::Anthropic, SignedPart::Hidden, "EmwKAhgBEgy3"),
    ];
    assert_eq!(
        (thinking.thought.as_str(), thinking.seals.as_slice()),
        ("First this, then that.", &seals[..])
    );
    let cited = stream(Protocol::Anthropic, "anthropic_citations").unwrap();
    let citation = Citation {
        url: None,
        title: Some("Colours".into()),
        quote: Some("The grass is green.".into()),
        document: Some(0),
        range: Some(CitedRange { unit: CitedUnit::Characters, start: 0, end: 20 }),
    };
    assert_eq!(cited.citations, [citation]);
    let error = stream(Protocol::Anthropic, "anthropic_error").unwrap_err();
    assert!(*error.kind() == ErrorKind::Overloaded && error.message().contains("Too much to do"), "{error}");
}

#[test]
fn geminis() {
    let calls = stream(Protocol::Gemini, "gemini_calls").unwrap();
    let wanted = [call("call_r1_0", "light", "{\"on\":true}"), call("call_r1_1", "light", "{\"on\":false}")];
    assert_eq!((calls.thought.as_str(), calls.calls.as_slice()), ("**Weighing it**", &wanted[..]));
    assert_eq!(calls.seals, [sealed(Signer::Google, SignedPart::Call(0), "CiIBVKhc")]);
    let usage = Usage {
        prompt_tokens: 73,
        cached_tokens: 64,
        generated_tokens: 57,
        reasoning_tokens: 27,
        ..Usage::default()
    };
    assert_eq!(calls.end, Some((FinishReason::ToolCalls, None, usage)));
    let grounded = stream(Protocol::Gemini, "gemini_grounded").unwrap();
    let citation = Citation {
        url: Some("https://example.org/a".into()),
        title: Some("example.org".into()),
        ..Citation::default()
    };
    assert_eq!((grounded.said.as_str(), grounded.citations), ("Spain won.", vec![citation]));
    let error = stream(Protocol::Gemini, "gemini_blocked").unwrap_err();
    assert!(error.message().contains("PROHIBITED_CONTENT"), "{error}");
}

#[test]
fn openais_and_what_is_compatible() {
    let tools = stream(Protocol::OpenAi, "openai_tools").unwrap();
    let calls = [call("call_a", "weather", "{\"city\":\"Oslo\"}"), call("call_b", "clock", "{}")];
    let usage = Usage {
        prompt_tokens: 140,
        cached_tokens: 128,
        generated_tokens: 90,
        reasoning_tokens: 64,
        ..Usage::default()
    };
    assert_eq!(
        (tools.calls.as_slice(), tools.end),
        (&calls[..], Some((FinishReason::ToolCalls, None, usage)))
    );
    let filtered = stream(Protocol::OpenAi, "openai_filtered").unwrap();
    assert_eq!(filtered.said, "I cannot help with that.");
    assert_eq!(filtered.end.unwrap().0, FinishReason::ContentFilter);
    let responses = stream(Protocol::Responses, "openai_responses").unwrap();
    assert_eq!((responses.thought.as_str(), responses.said.as_str()), ("Considering", "See there."));
    let thought = SignedPart::Thought("Considering".into());
    assert_eq!(responses.seals, [sealed(Signer::OpenAi, thought, "gAAAAABo")]);
    assert_eq!(responses.citations[0].url.as_deref(), Some("https://example.org"));
    let deepseek = stream(Protocol::OpenAi, "deepseek_reasoner").unwrap();
    assert_eq!((deepseek.thought.as_str(), deepseek.said.as_str()), ("Nine", "9.8"));
    let usage = deepseek.end.unwrap().2;
    assert_eq!((usage.cached_tokens, usage.reasoning_tokens), (8, 15));
    let mistral = stream(Protocol::OpenAi, "mistral_thinking").unwrap();
    assert_eq!((mistral.thought.as_str(), mistral.said.as_str()), ("Let us see", "Four."));
    assert_eq!(mistral.end.unwrap().0, FinishReason::Length);
    let error = stream(Protocol::OpenAi, "openrouter_error").unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::RateLimited { .. }), "{error}");
}

#[test]
fn coheres() {
    let cited = stream(Protocol::Cohere, "cohere_cited").unwrap();
    assert_eq!((cited.thought.as_str(), cited.said.as_str()), ("Which is greener?", "The grass is green."));
    let citation = Citation { title: Some("Colours".into()), document: Some(0), ..Citation::default() };
    assert_eq!(cited.citations, [citation]);
    let usage = Usage { prompt_tokens: 12, generated_tokens: 9, ..Usage::default() };
    assert_eq!(cited.end, Some((FinishReason::Stop, None, usage)), "what is billed");
    let tools = stream(Protocol::Cohere, "cohere_tools").unwrap();
    let calls = [call("weather_1", "weather", "{\"city\":\"Oslo\"}"), call("clock_2", "clock", "{}")];
    assert_eq!((tools.said.as_str(), tools.calls.as_slice()), ("I look.", &calls[..]));
    assert_eq!(tools.end.unwrap().0, FinishReason::ToolCalls);
}

#[test]
fn what_is_compatible_and_adds_fields_of_its_own() {
    let azure = stream(Protocol::OpenAi, "azure_filters").unwrap();
    assert_eq!((azure.said.as_str(), azure.end.unwrap().2.generated_tokens), ("Good day.", 4));
    let groq = stream(Protocol::OpenAi, "groq_reasoning").unwrap();
    assert_eq!((groq.thought.as_str(), groq.said.as_str()), ("Two and two", "Four."));
    let usage = groq.end.unwrap().2;
    assert_eq!((usage.prompt_tokens, usage.generated_tokens, usage.reasoning_tokens), (72, 21, 12));
    // What was thought is counted beside what was written there, and paid for.
    let xai = stream(Protocol::OpenAi, "xai_reasoning").unwrap();
    assert_eq!((xai.thought.as_str(), xai.said.as_str()), ("Counting", "Nine."));
    let usage = xai.end.unwrap().2;
    assert_eq!((usage.cached_tokens, usage.generated_tokens, usage.reasoning_tokens), (6, 103, 94));
    let openrouter = stream(Protocol::OpenAi, "openrouter_cost").unwrap();
    assert_eq!((openrouter.thought.as_str(), openrouter.said.as_str()), ("Hm", "Yes."));
    let usage = openrouter.end.unwrap().2;
    assert_eq!((usage.cached_tokens, usage.cache_written_tokens), (64, 100));
    assert_eq!((usage.generated_tokens, usage.cost), (20, Some(Money::dollars(0.000_95))));
    let together = stream(Protocol::OpenAi, "together_reasoning").unwrap();
    assert_eq!((together.thought.as_str(), together.said.as_str()), ("So", "Ten"));
    assert_eq!(together.end.unwrap().2.generated_tokens, 3);
}

fn bytes(name: &str) -> Vec<u8> {
    let path = format!("{}/../../tests/fixtures/providers/{name}.json", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(path).unwrap()
}

/// Language, length, segments by text and end, words, and tokens of a transcript.
type Heard = (Option<String>, f64, Vec<(String, f64)>, usize, usize);

fn heard(protocol: Protocol, name: &str) -> Heard {
    let mut out = Heard::default();
    let asked = TranscribeRequest { timestamps: Timestamps::Word, ..TranscribeRequest::default() };
    for event in listening::read(protocol, "m", 9.0, &asked, &bytes(name)).unwrap() {
        match event {
            TranscriptEvent::Started { language, .. } => out.0 = language,
            TranscriptEvent::Segment(segment) => {
                out.3 += segment.words.len();
                out.2.push((segment.text, segment.end));
            }
            TranscriptEvent::Finished { usage, .. } => {
                (out.1, out.4) = (usage.seconds, usage.generated_tokens)
            }
            TranscriptEvent::Progress { .. } => {}
        }
    }
    out
}

#[test]
fn transcripts() {
    let said = |text: &str, end| (text.to_owned(), end);
    let english = Some("english".to_owned());
    // A model that tells no times: the sound is as long as it was sent.
    assert_eq!(
        heard(Protocol::OpenAi, "openai_transcription"),
        (None, 9.0, vec![said(" Good day.", 9.0)], 0, 5)
    );
    let both = vec![said(" Good day.", 1.2), said(" And good night.", 2.5)];
    assert_eq!(heard(Protocol::OpenAi, "openai_transcription_verbose"), (english, 2.5, both, 3, 11));
    let groq = (Some("English".to_owned()), 2.5, vec![said(" Good day.", 2.5)], 0, 5);
    assert_eq!(heard(Protocol::OpenAi, "groq_transcription"), groq);
    let newer = (Some("en".to_owned()), 9.0, vec![said(" Good day.", 9.0)], 0, 0);
    assert_eq!(heard(Protocol::OpenAi, "openai_transcription_languages"), newer);
    let mistral = (None, 3.0, vec![said(" Good day.", 1.2), said(" And good night.", 2.5)], 0, 27);
    assert_eq!(heard(Protocol::OpenAi, "mistral_transcription"), mistral);
    let both = vec![said(" Good day.", 1.0), said(" And good night.", 2.5)];
    let elevenlabs = (Some("en".to_owned()), 9.0, both, 5, 0);
    assert_eq!(heard(Protocol::ElevenLabs, "elevenlabs_transcription"), elevenlabs);
}

#[test]
fn refusals_to_speak() {
    for (protocol, status, name, kind, part) in [
        (Protocol::ElevenLabs, 401, "elevenlabs_quota", ErrorKind::Denied, "quota_exceeded: This request"),
        (
            Protocol::ElevenLabs,
            422,
            "elevenlabs_validation",
            ErrorKind::InvalidRequest,
            "body.text: Field required",
        ),
        (Protocol::OpenAi, 400, "openai_speech_error", ErrorKind::InvalidRequest, "at most 4096 characters"),
    ] {
        let error = client::error(protocol, status, &bytes(name), None);
        assert_eq!(*error.kind(), kind, "{name}: {error}");
        assert!(error.message().contains(part), "{name}: {error}");
    }
}

#[test]
fn vectors() {
    for (protocol, name, tokens, last) in [
        (Protocol::OpenAi, "openai_embeddings", 12, 0.0099),
        (Protocol::OpenAi, "mistral_embeddings", 15, -0.0144),
        (Protocol::Cohere, "cohere_embeddings", 2, 0.0361),
        (Protocol::Gemini, "gemini_embeddings", 9, -0.0564),
    ] {
        let path = format!("{}/../../tests/fixtures/providers/{name}.json", env!("CARGO_MANIFEST_DIR"));
        let read = embedding::read(protocol, 2, &std::fs::read(path).unwrap()).unwrap();
        assert_eq!((read.vectors.len(), read.tokens), (2, Some(tokens)), "{name}");
        assert_eq!(read.vectors[1][3], last, "{name}");
    }
}
