//! Times a voice on phonemes, one sentence a line, as `bench/speak.py` does it beside the voice's reference program:
//!
//! `speech VOICE PHONEMES.txt THREADS [SOUND.f32]`
//!
//! For each line on stdin it speaks all sentences once and prints the seconds that took: `loud`, or `quiet` for no noise. `text FILE`
//! reads a text instead and prints the seconds to the first sound, to the end, and those of the sound; `as SOUND FILE` does so with the voice
//! of a sound. The last sound is written as floats.

use futures_core::Stream;
use parasol_audio::sound::open;
use parasol_audio::speech::Speaker;
use parasol_core::{Speak, SpeakRequest, SpeechEvent, VoiceReference};
use parasol_kernels::{Compute, Isa};
use std::error::Error;
use std::io::{BufRead, Write};
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().collect();
    let [_, voice, phonemes, threads, rest @ ..] = &args[..] else {
        return Err("speech VOICE PHONEMES.txt THREADS [SOUND.f32]".into());
    };
    let begun = Instant::now();
    let compute = Arc::new(Compute::new(Isa::from_env_or_detect()?, threads.parse()?));
    let speaker = Speaker::open(Path::new(voice), "bench", compute)?;
    println!("loaded {} {}", begun.elapsed().as_secs_f64(), speaker.rate());
    let sentences: Vec<String> = std::fs::read_to_string(phonemes)?.lines().map(str::to_owned).collect();
    let mut sound = Vec::new();
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        if let Some(file) = line.strip_prefix("text ") {
            println!("{}", read(&speaker, file, None)?);
            continue;
        }
        if let Some((sound, file)) = line.strip_prefix("as ").and_then(|rest| rest.split_once(' ')) {
            println!("{}", read(&speaker, file, Some(voice_of(sound)?))?);
            continue;
        }
        let quiet = line == "quiet";
        sound.clear();
        let begun = Instant::now();
        for sentence in &sentences {
            let piece =
                if quiet { speaker.quiet_sound(sentence, 1.0)? } else { speaker.sound(sentence, 1.0, 7)? };
            sound.extend(piece);
        }
        println!("{} {}", begun.elapsed().as_secs_f64(), sound.len());
        std::io::stdout().flush()?;
    }
    if let [path] = rest {
        let bytes: Vec<u8> = sound.iter().flat_map(|x| x.to_le_bytes()).collect();
        std::fs::write(path, bytes)?;
    }
    Ok(())
}

/// The voice of a sound.
fn voice_of(path: &str) -> Result<VoiceReference, Box<dyn Error>> {
    let sound = open(Path::new(path))?;
    let rate = sound.rate();
    let samples = sound.collect::<Result<Vec<_>, _>>()?.concat();
    Ok(VoiceReference { name: path.to_owned(), samples, rate, transcript: None })
}

/// Reads a text aloud: seconds to the first sound, to the last, and how many were made.
fn read(speaker: &Speaker, file: &str, reference: Option<VoiceReference>) -> Result<String, Box<dyn Error>> {
    let text = std::fs::read_to_string(file)?;
    let request = SpeakRequest { text, seed: Some(7), reference, ..SpeakRequest::default() };
    let mut stream = speaker.speak(request)?;
    let mut next = || {
        let poll = std::future::poll_fn(|cx| Stream::poll_next(Pin::new(&mut stream), cx));
        pollster::block_on(poll)
    };
    while let Some(event) = next() {
        if let SpeechEvent::Finished { timings, usage } = event? {
            let seconds = [timings.first_audio, timings.total, usage.audio].map(|time| time.as_secs_f64());
            return Ok(seconds.map(|seconds| seconds.to_string()).join(" "));
        }
    }
    Err("the voice stopped before the text was said".into())
}
