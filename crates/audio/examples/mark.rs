//! Puts the mark of imitated voices into a sound, as `bench/mark.py` needs it to measure what the mark survives:
//!
//! `mark IN OUT.wav [RATE]` marks IN, at its own rate or at RATE, and prints by how many dB the change is softer than the sound;
//! `mark check FILE…` prints for each file whether it is marked, the logarithm of the chance and where.

use parasol_audio::mark::{Marker, find};
use parasol_audio::sound::{at_rate, open, wav};
use std::error::Error;
use std::path::Path;
use std::time::Instant;

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match &args[..] {
        [check, files @ ..] if check == "check" => {
            for file in files {
                let found = find(open(Path::new(file))?)?;
                println!("{} {:.2} {:.2} {:.2} {file}", found.marked, found.chance, found.from, found.to);
            }
        }
        [from, to, rest @ ..] => {
            let sound = open(Path::new(from))?;
            let rate = rest.first().map_or(Ok(sound.rate()), |rate| rate.parse())?;
            let plain = at_rate(sound, rate)?.collect::<Result<Vec<_>, _>>()?.concat();
            let begun = Instant::now();
            let mut marker = Marker::new(rate);
            // In pieces of a tenth of a second, as voices speak.
            let mut marked: Vec<f32> =
                plain.chunks((rate / 10).max(1) as usize).flat_map(|piece| marker.push(piece)).collect();
            marked.extend(marker.finish());
            let took = begun.elapsed().as_secs_f64();
            let power = |x: &mut dyn Iterator<Item = f32>| x.map(|x| f64::from(x * x)).sum::<f64>();
            let sound = power(&mut plain.iter().copied());
            let change = power(&mut plain.iter().zip(&marked).map(|(a, b)| b - a));
            let seconds = plain.len() as f64 / f64::from(rate);
            println!("{:.2} dB below, {:.5} of real time", 10.0 * (sound / change).log10(), took / seconds);
            std::fs::write(to, wav::encode(rate, &marked))?;
        }
        _ => return Err("mark IN OUT.wav [RATE], or mark check FILE…".into()),
    }
    Ok(())
}
