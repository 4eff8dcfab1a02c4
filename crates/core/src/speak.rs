//! Speech: text in, sound out.

use crate::{Error, ErrorKind, EventStream, Money, Result};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Anything that reads a text aloud.
pub trait Speak: Send + Sync {
    /// Reads the text. Sound arrives sentence by sentence, each as soon as it has been made.
    ///
    /// # Errors
    /// `InvalidRequest` for values out of range, an unknown voice or a text in which nothing can be spoken; `Unsupported`
    /// for what this voice cannot do, such as a language that it does not speak, or a reference where it imitates none.
    fn speak(&self, request: SpeakRequest) -> Result<EventStream<SpeechEvent>>;

    /// The voices that it has; the first is the default.
    fn voices(&self) -> Vec<Voice>;

    /// The one of its voices that a name means, or another word for it, such as the number of a speaker.
    fn voice(&self, name: &str) -> Option<Voice> {
        let mut voices = self.voices();
        Voice::named(&voices, name).map(|at| voices.swap_remove(at))
    }

    /// Whether it speaks with a voice made from a reference sound ([`SpeakRequest::reference`]).
    fn imitates(&self) -> bool {
        false
    }
}

/// A request for speech.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SpeakRequest {
    /// What is said: plain text, or SSML when it begins with `<speak`.
    pub text: String,
    /// One of [`Speak::voices`] by name; `None` is the default.
    pub voice: Option<String>,
    /// Speak with the voice of this sound instead; only for what [`Speak::imitates`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reference: Option<VoiceReference>,
    /// The language of the text as a tag such as `en` or `en-GB`; `None` is the voice's own.
    pub language: Option<String>,
    /// 1 is the voice's own pace, 2 twice as fast; from [`SpeakRequest::SLOWEST`] to [`SpeakRequest::FASTEST`].
    pub speed: f32,
    /// 1 leaves the sound as it is made; from 0 to [`SpeakRequest::LOUDEST`]. What would leave ±1 is limited there.
    pub volume: f32,
    /// What is drawn is drawn from here, so that the same request sounds the same; `None` draws a seed.
    pub seed: Option<u64>,
    /// Who asks.
    pub client: String,
}

impl SpeakRequest {
    /// The slowest pace.
    pub const SLOWEST: f32 = 0.25;
    /// The fastest pace.
    pub const FASTEST: f32 = 4.0;
    /// The largest volume.
    pub const LOUDEST: f32 = 4.0;

    /// Whether its numbers are within their ranges, and its reference is a sound.
    ///
    /// # Errors
    /// `InvalidRequest` naming the number and its range.
    pub fn check(&self) -> Result<()> {
        if let Some(reference) = &self.reference {
            reference.check()?;
        }
        let numbers = [
            ("speed", self.speed, Self::SLOWEST, Self::FASTEST),
            ("volume", self.volume, 0.0, Self::LOUDEST),
        ];
        // What is no number is in no range.
        match numbers.into_iter().find(|(_, value, least, most)| !(least..=most).contains(&value)) {
            Some((name, value, least, most)) => Err(Error::new(
                ErrorKind::InvalidRequest,
                format!("the {name} is {value} and must be between {least} and {most}"),
            )),
            None => Ok(()),
        }
    }
}

impl Default for SpeakRequest {
    fn default() -> Self {
        Self {
            text: String::new(),
            voice: None,
            reference: None,
            language: None,
            speed: 1.0,
            volume: 1.0,
            seed: None,
            client: String::new(),
        }
    }
}

/// A sound whose voice is to be imitated: some seconds of one person who speaks.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct VoiceReference {
    /// What the voice is called, in events and errors.
    pub name: String,
    /// Samples of one channel within ±1.
    pub samples: Vec<f32>,
    /// Samples per second.
    pub rate: u32,
    /// What is said in it, for models that want to know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transcript: Option<String>,
}

impl VoiceReference {
    /// The shortest that is taken, in seconds: less says too little of a voice.
    pub const SHORTEST: f64 = 2.0;
    /// The longest that is taken, in seconds.
    pub const LONGEST: f64 = 60.0;
    /// The rates that are taken, in samples a second.
    pub const RATES: std::ops::RangeInclusive<u32> = 8_000..=192_000;
    /// Where no sample goes beyond this there is nothing to hear: 50 dB below the loudest.
    const QUIETEST: f32 = 0.003;

    /// How long it lasts, in seconds; 0 without a rate.
    pub fn seconds(&self) -> f64 {
        if self.rate == 0 { 0.0 } else { self.samples.len() as f64 / f64::from(self.rate) }
    }

    /// Whether it can be the sound of a voice: its rate, its length, its samples.
    ///
    /// # Errors
    /// `InvalidRequest` naming what is wrong and what is taken.
    pub fn check(&self) -> Result<()> {
        let refuse = |what: String| {
            let message = format!("the sound of the voice {:?} {what}", self.name);
            Err(Error::new(ErrorKind::InvalidRequest, message))
        };
        if !Self::RATES.contains(&self.rate) {
            let (least, most) = (Self::RATES.start(), Self::RATES.end());
            return refuse(format!("has {} samples a second: {least} to {most} are taken", self.rate));
        }
        let seconds = self.seconds();
        if !(Self::SHORTEST..=Self::LONGEST).contains(&seconds) {
            let (least, most) = (Self::SHORTEST, Self::LONGEST);
            return refuse(format!("lasts {seconds:.1} s: {least} to {most} s are taken"));
        }
        if let Some(at) = self.samples.iter().position(|x| !x.is_finite() || x.abs() > 4.0) {
            return refuse(format!(
                "has {} as its sample {at}: samples are numbers within ±1",
                self.samples[at]
            ));
        }
        let peak = self.samples.iter().fold(0.0f32, |peak, x| peak.max(x.abs()));
        if peak < Self::QUIETEST {
            return refuse("is silent: record somebody who speaks, closer to the microphone".to_owned());
        }
        Ok(())
    }
}

// Without its samples, which nobody reads in a log.
impl std::fmt::Debug for VoiceReference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "VoiceReference({:?}, {:.1} s at {} Hz)", self.name, self.seconds(), self.rate)
    }
}

/// A voice that a model has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Voice {
    /// Its name.
    pub name: String,
    /// The language that it speaks, as a tag such as `en-US`.
    pub language: String,
    /// What it sounds like, for people; may be empty.
    pub description: String,
}

impl Voice {
    /// Which of these voices a name means: the one that is called exactly so, else the first whose name differs in capitals only.
    pub fn named(voices: &[Self], name: &str) -> Option<usize> {
        let exactly = voices.iter().position(|voice| voice.name == name);
        exactly.or_else(|| voices.iter().position(|voice| voice.name.eq_ignore_ascii_case(name)))
    }
}

/// One event of speech, in order: `Started`, any number of `Audio`, one `Finished`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum SpeechEvent {
    /// The text was accepted.
    Started {
        /// Name of the model that speaks.
        model: String,
        /// The voice in use.
        voice: String,
        /// Samples per second of everything that follows, in one channel.
        rate: u32,
        /// Bytes of the text in all, which `Audio` counts towards.
        total: usize,
        /// The seed in use, so that a run can be repeated; 0 where whoever speaks does not tell.
        seed: u64,
    },
    /// A piece of sound, which follows the one before without a gap.
    Audio {
        /// Samples of one channel within ±1.
        samples: Vec<f32>,
        /// Bytes of the text that have been said with it.
        done: usize,
    },
    /// Everything has been said.
    Finished {
        /// What it took.
        usage: SpeechUsage,
        /// How long it took.
        timings: SpeechTimings,
    },
}

/// What was spoken.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SpeechUsage {
    /// Characters of the text.
    pub characters: usize,
    /// Phonemes that were spoken.
    pub phonemes: usize,
    /// How long the sound is.
    pub audio: Duration,
    /// Characters that the voice cannot say, in the order of the text and each once; they were left out.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub unspoken: String,
    /// What it costs, where the price is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<Money>,
}

/// Where the time went.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct SpeechTimings {
    /// From the request to the first sound.
    pub first_audio: Duration,
    /// Until everything was made.
    pub total: Duration,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_within_their_ranges() {
        let check = |speed, volume| SpeakRequest { speed, volume, ..SpeakRequest::default() }.check();
        assert!(check(0.25, 0.0).is_ok() && check(4.0, 4.0).is_ok());
        for (speed, volume, part) in [
            (0.2, 1.0, "the speed is 0.2"),
            (f32::NAN, 1.0, "speed"),
            (1.0, 4.1, "the volume is 4.1"),
            (1.0, -0.1, "volume"),
        ] {
            let says = check(speed, volume).map_err(|e| e.message().to_owned());
            assert!(says.is_err_and(|says| says.contains(part)), "{part}");
        }
    }

    #[test]
    fn a_name_means_the_voice_that_is_called_exactly_so() {
        let voice =
            |name: &str| Voice { name: name.into(), language: String::new(), description: String::new() };
        let voices = [voice("anna"), voice("Anna"), voice("Bo")];
        let named = |name| Voice::named(&voices, name);
        assert_eq!(
            [named("Anna"), named("anna"), named("ANNA"), named("bo"), named("an")],
            [Some(1), Some(0), Some(0), Some(2), None]
        );
    }

    #[test]
    fn a_reference_is_a_sound_of_some_seconds() {
        let sound = |seconds: f64, rate: u32, sample: f32| {
            let samples = vec![sample; (seconds * f64::from(rate)) as usize];
            VoiceReference { name: "anna".into(), samples, rate, transcript: None }
        };
        assert!(sound(3.0, 16_000, 0.5).check().is_ok());
        for (reference, part) in [
            (sound(0.0, 16_000, 0.5), "lasts 0.0 s: 2 to 60 s"),
            (sound(1.9, 16_000, 0.5), "lasts 1.9 s"),
            (sound(60.1, 8_000, 0.5), "lasts 60.1 s"),
            (sound(3.0, 0, 0.5), "has 0 samples a second: 8000 to 192000"),
            (sound(3.0, 16_000, f32::NAN), "has NaN as its sample 0"),
            (sound(3.0, 16_000, f32::INFINITY), "has inf as its sample 0"),
            (sound(3.0, 16_000, 0.002), "is silent"),
        ] {
            let request = SpeakRequest { reference: Some(reference), ..SpeakRequest::default() };
            let says = request.check().map_err(|e| e.message().to_owned());
            assert!(
                says.as_ref().is_err_and(|says| says.contains(part) && says.contains("anna")),
                "{says:?}"
            );
        }
    }
}
