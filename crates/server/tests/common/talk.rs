//! A client of the Realtime protocol that sends what it is told to, and speech for it to say.

#![allow(unreachable_pub, dead_code, clippy::unwrap_used)]

use crate::common::Running;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use parasol_core::{EventStream, Speak, SpeakRequest, SpeechEvent, Transcribe, TranscriptEvent};
use parasol_hub::{Cancel, Hub, Licence, Settings};
use parasol_runtime::Runtime;
use serde_json::{Value, json};
use std::future::poll_fn;
use std::net::TcpStream;
use std::pin::Pin;
use std::time::{Duration, Instant};
use tungstenite::client::IntoClientRequest;
use tungstenite::{Message, WebSocket};

/// Samples a second of what is sent and comes.
pub const RATE: usize = 24_000;

/// The folder of a model of the user's own store; `None` (said aloud) where it is neither here nor within reach.
pub fn model(name: &str) -> Option<String> {
    match Hub::open().unwrap().pull(name, Licence::Refuse, &Cancel::new(), &mut |_| {}) {
        Ok(located) => Some(located.model.path().to_str().unwrap().to_owned()),
        Err(e) => {
            eprintln!("SKIPPED: {name} is not on this machine ({e})");
            None
        }
    }
}

/// A session.
pub struct Caller {
    socket: WebSocket<TcpStream>,
    /// Everything that came.
    pub heard: Vec<Value>,
}

/// What an address with these headers is answered with.
pub fn knock(server: &Running, path: &str, headers: &[(&str, &str)]) -> Result<Caller, (u16, String)> {
    let mut request = format!("ws://{}{path}", server.address).into_client_request().unwrap();
    for (name, value) in headers {
        let name: tungstenite::http::HeaderName = name.parse().unwrap();
        request.headers_mut().insert(name, value.parse().unwrap());
    }
    let stream = TcpStream::connect(server.address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(120))).unwrap();
    match tungstenite::client(request, stream) {
        Ok((socket, _)) => Ok(Caller { socket, heard: Vec::new() }),
        Err(tungstenite::HandshakeError::Failure(tungstenite::Error::Http(answer))) => {
            let body = answer.body().as_ref().map(|b| String::from_utf8_lossy(b).into_owned());
            Err((answer.status().as_u16(), body.unwrap_or_default()))
        }
        Err(other) => panic!("{path}: {other}"),
    }
}

/// A session with a model.
pub fn call(server: &Running, model: &str) -> Caller {
    let path = format!("/v1/realtime?model={}", model.replace('/', "%2F"));
    let mut caller = knock(server, &path, &[]).unwrap_or_else(|e| panic!("{e:?}"));
    assert_eq!(caller.next()["type"], "session.created");
    caller
}

impl Caller {
    pub fn send(&mut self, event: Value) {
        self.text(&event.to_string());
    }

    pub fn text(&mut self, text: &str) {
        self.message(Message::text(text));
    }

    pub fn message(&mut self, message: Message) {
        // A server that has closed is found out by reading.
        let _ = self.socket.send(message);
    }

    /// The next event; `null` when the server has closed.
    pub fn next(&mut self) -> Value {
        loop {
            match self.socket.read() {
                Ok(Message::Text(text)) => {
                    let event: Value = serde_json::from_str(&text).unwrap();
                    assert!(event["event_id"].is_string(), "{event}");
                    self.heard.push(event.clone());
                    return event;
                }
                Ok(Message::Close(_)) | Err(_) => return Value::Null,
                Ok(_) => {}
            }
        }
    }

    /// Reads until an event of this type.
    pub fn until(&mut self, kind: &str) -> Value {
        loop {
            let event = self.next();
            if event["type"] == kind {
                return event;
            }
            assert!(!event.is_null(), "the server closed before {kind}: {:?}", self.kinds());
        }
    }

    /// The types of all that came.
    pub fn kinds(&self) -> Vec<&str> {
        self.heard.iter().filter_map(|event| event["type"].as_str()).collect()
    }

    /// Sends an event and returns the error that it is answered with.
    pub fn fails(&mut self, event: Value) -> Value {
        self.send(event);
        self.until("error")["error"].take()
    }

    /// Sends sound in pieces of a tenth of a second.
    pub fn say(&mut self, samples: &[i16]) {
        for piece in samples.chunks(RATE / 10) {
            self.send(json!({ "type": "input_audio_buffer.append", "audio": encoded(piece) }));
        }
    }

    /// The sound of all deltas so far.
    pub fn sound(&self) -> Vec<f32> {
        let deltas = self.heard.iter().filter(|event| event["type"] == "response.output_audio.delta");
        let bytes: Vec<u8> =
            deltas.flat_map(|event| STANDARD.decode(event["delta"].as_str().unwrap()).unwrap()).collect();
        bytes.chunks_exact(2).map(|b| f32::from(i16::from_le_bytes([b[0], b[1]])) / 32_768.0).collect()
    }

    /// Closes the connection without a word.
    pub fn hang_up(self) {
        let stream = self.socket.into_inner();
        stream.shutdown(std::net::Shutdown::Both).unwrap();
    }
}

/// Samples as messages hold them.
pub fn encoded(samples: &[i16]) -> String {
    STANDARD.encode(samples.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<_>>())
}

/// So many milliseconds of silence.
pub fn silence(milliseconds: usize) -> Vec<i16> {
    vec![0; RATE * milliseconds / 1000]
}

fn all<E>(mut stream: EventStream<E>) -> Vec<E> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let mut events = Vec::new();
    runtime.block_on(async {
        use futures_core::Stream;
        while let Some(event) = poll_fn(|cx| Pin::new(&mut stream).poll_next(cx)).await {
            events.push(event.unwrap());
        }
    });
    events
}

/// What the voice in this folder makes of a text.
pub fn spoken(voice: &str, text: &str) -> Vec<i16> {
    let runtime = Runtime::new(Settings::from_env().unwrap()).unwrap();
    let speaker = runtime.speaker(voice, None).unwrap();
    assert_eq!(speaker.rate() as usize, RATE);
    let request = SpeakRequest { text: text.into(), seed: Some(7), ..SpeakRequest::default() };
    let mut samples = Vec::new();
    for event in all(speaker.speak(request).unwrap()) {
        if let SpeechEvent::Audio { samples: piece, .. } = event {
            samples.extend(piece.iter().map(|x| (x * 32_767.0) as i16));
        }
    }
    samples
}

/// What the model in this folder hears in a sound.
pub fn written(ears: &str, samples: Vec<f32>) -> String {
    let runtime = Runtime::new(Settings::from_env().unwrap()).unwrap();
    let model = runtime.ears(ears, None).unwrap();
    let sound = parasol_core::SoundStream::from_samples(RATE as u32, samples);
    let events = all(model.transcribe(sound, Default::default()).unwrap());
    let text = events.iter().filter_map(|event| match event {
        TranscriptEvent::Segment(segment) => Some(segment.text.as_str()),
        _ => None,
    });
    text.collect()
}

/// The words of a text, without marks.
pub fn words(text: &str) -> Vec<String> {
    let letters =
        |word: &str| word.chars().filter(|c| c.is_alphanumeric()).collect::<String>().to_lowercase();
    text.split(|c: char| c.is_whitespace() || c == '-').map(letters).filter(|word| !word.is_empty()).collect()
}

/// Waits until something is so.
pub fn soon(what: &str, mut so: impl FnMut() -> bool) -> Duration {
    let begun = Instant::now();
    while !so() {
        assert!(begun.elapsed() < Duration::from_secs(10), "{what}");
        std::thread::sleep(Duration::from_millis(2));
    }
    begun.elapsed()
}
