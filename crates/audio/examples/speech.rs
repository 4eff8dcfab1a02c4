//! Times a voice on phonemes, one sentence a line, as `bench/speak.py` does it beside the voice's reference program:
//!
//! `speech VOICE PHONEMES.txt THREADS [SOUND.f32]`
//!
//! For each line on stdin it speaks all sentences once and prints the seconds that took: `loud`, or `quiet` for no noise. `text FILE`
//! reads a text instead and prints the seconds to the first sound and to the end. The last sound is written as floats.

use futures_core::Stream;
use parasol_audio::speech::Speaker;
use parasol_core::{Speak, SpeakRequest, SpeechEvent};
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
            println!("{}", read(&speaker, file)?);
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

/// Reads a text aloud: seconds to the first sound, and to the last.
fn read(speaker: &Speaker, file: &str) -> Result<String, Box<dyn Error>> {
    let request =
        SpeakRequest { text: std::fs::read_to_string(file)?, seed: Some(7), ..SpeakRequest::default() };
    let mut stream = speaker.speak(request)?;
    let mut next = || {
        let poll = std::future::poll_fn(|cx| Stream::poll_next(Pin::new(&mut stream), cx));
        pollster::block_on(poll)
    };
    while let Some(event) = next() {
        if let SpeechEvent::Finished { timings, .. } = event? {
            return Ok(format!("{} {}", timings.first_audio.as_secs_f64(), timings.total.as_secs_f64()));
        }
    }
    Err("the voice stopped before the text was said".into())
}
