//! A text spoken by a remote model, and sounds as a server of a test sends them.

use super::{Server, entry_of};
use parasol_core::{Error, EventStream, Speak, SpeakRequest, SpeechEvent};
use parasol_remote::{BackendEntry, Limits, RemoteEntry, RemoteModel, RemoteVoice, Remotes};
use parasol_wire::client::Protocol;
use std::io::Write;
use std::net::TcpStream;
use std::sync::Arc;

/// The protocols that have speech.
pub(crate) const PROTOCOLS: [Protocol; 2] = [Protocol::OpenAi, Protocol::ElevenLabs];

/// So many samples of half the height, as a protocol sends them.
pub(crate) fn sound(protocol: Protocol, samples: usize, rate: u32) -> Vec<u8> {
    let data: Vec<u8> = (0..samples).flat_map(|_| 16_384i16.to_le_bytes()).collect();
    if protocol == Protocol::ElevenLabs {
        return data;
    }
    let mut wav = b"RIFF\xff\xff\xff\xffWAVEfmt \x10\0\0\0\x01\0\x01\0".to_vec();
    wav.extend([rate, rate * 2].map(u32::to_le_bytes).concat());
    wav.extend(b"\x02\0\x10\0data\xff\xff\xff\xff");
    [wav, data].concat()
}

pub(crate) fn kind(protocol: Protocol) -> &'static str {
    if protocol == Protocol::OpenAi { "audio/wav" } else { "application/octet-stream" }
}

/// The head of a sound whose length nobody knows yet.
pub(crate) fn head(stream: &mut TcpStream, kind: &str) {
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n"
    );
    let _ = stream.write_all(head.as_bytes());
}

/// A chunk; whether somebody took it.
pub(crate) fn send(stream: &mut TcpStream, bytes: &[u8]) -> bool {
    let head = format!("{:x}\r\n", bytes.len());
    let all = [head.as_bytes(), bytes, b"\r\n"].concat();
    stream.write_all(&all).and_then(|()| stream.flush()).is_ok()
}

pub(crate) fn end(stream: &mut TcpStream) {
    let _ = stream.write_all(b"0\r\n\r\n");
}

pub(crate) fn whole(stream: &mut TcpStream, protocol: Protocol, samples: usize) {
    head(stream, kind(protocol));
    send(stream, &sound(protocol, samples, 24_000));
    end(stream);
}

pub(crate) fn entry(protocol: Protocol, server: &Server, change: impl FnOnce(&mut Limits)) -> RemoteEntry {
    let backend = BackendEntry { protocol, standard: true, ..server.entry(1) };
    let voice = |name: &str, id: &str| RemoteVoice {
        name: name.into(),
        id: Some(id.into()),
        ..RemoteVoice::default()
    };
    RemoteEntry {
        capabilities: vec!["speak".into()],
        voices: vec![voice("Ann", "ann1"), voice("Bob", "bob2")],
        ..entry_of(vec![backend], |limits| {
            (limits.first_token, limits.idle) = (1.0, 0.3);
            change(limits);
        })
    }
}

pub(crate) fn model(protocol: Protocol, server: &Server) -> Arc<RemoteModel> {
    Remotes::new().unwrap().open(&entry(protocol, server, |_| {})).unwrap()
}

/// What came of it: the samples, the other events, and the error that ended it.
pub(crate) fn all(stream: EventStream<SpeechEvent>) -> (Vec<f32>, Vec<SpeechEvent>, Option<Error>) {
    let (events, error) = super::all(stream);
    let (mut samples, mut others) = (Vec::new(), Vec::new());
    for event in events {
        match event {
            SpeechEvent::Audio { samples: piece, .. } => samples.extend(piece),
            event => others.push(event),
        }
    }
    (samples, others, error)
}

pub(crate) fn asked(text: &str) -> SpeakRequest {
    SpeakRequest { text: text.into(), ..SpeakRequest::default() }
}

pub(crate) fn say(model: &RemoteModel, text: &str) -> (Vec<f32>, Vec<SpeechEvent>, Option<Error>) {
    all(model.speak(asked(text)).unwrap())
}
