//! The vocabulary of Parasol: what a model can be asked for, what it answers, how it fails.
//!
//! A capability is a trait over a plain request type. Its answer is an [`EventStream`]: events arrive as they are
//! made, and **dropping the stream cancels the work**, whether a local engine or a remote provider does it; only a film that
//! others make is a job that goes on ([`Film`]).
//! There is no I/O here, no runtime and no model; engines implement the traits, doors call them.

pub mod chat;
pub mod complete;
pub mod embed;
pub mod error;
pub mod film;
pub mod format;
pub mod generation;
pub mod imagine;
pub mod media;
pub mod picture;
pub mod provider;
pub mod sampling;
pub mod speak;
pub mod stream;
pub mod transcribe;

pub use chat::{Chat, ChatRequest, Message, Reasoning, Role, ToolCall, ToolChoice, ToolSpec};
pub use complete::{Complete, CompleteRequest};
pub use embed::{Embed, EmbedEvent, EmbedInput, EmbedPurpose, EmbedRequest};
pub use error::{Error, ErrorKind, Result};
pub use film::{Film, FilmEvent, FilmRequest, FilmSize, FilmTimings, FilmUsage, FirstFrame};
pub use format::AnswerFormat;
pub use generation::{
    FinishReason, GenerationEvent, Part, Timings, TokenLogprob, TokenReport, ToolCallDelta, ToolCallStart,
    Usage,
};
pub use imagine::{Imagine, ImagineEvent, ImagineRequest, ImagineTimings, ImagineUsage, Imagined};
pub use media::{Attachment, MediaKind, MediaSource};
pub use picture::{Picture, PictureFormat, PictureSize};
pub use provider::{
    CacheHint, Citation, CitedRange, CitedUnit, Effort, Money, Signature, SignedPart, Signer,
};
pub use sampling::{Sampling, SamplingChoice};
pub use speak::{Speak, SpeakRequest, SpeechEvent, SpeechTimings, SpeechUsage, Voice, VoiceReference};
pub use stream::EventStream;
pub use transcribe::{
    Segment, SoundStream, Timestamps, Transcribe, TranscribeRequest, TranscribeTask, TranscriptEvent,
    TranscriptTimings, TranscriptUsage, Word,
};
