//! The sound of a voice, cut where its last word ends: a voice that stops within a word goes on with it, one with a long silence
//! behind it begins late.

use parasol_core::{Error, ErrorKind, Result};

/// Quieter frames than the loudest less so many decibels are silence.
const FLOOR: f32 = 35.0;
/// Frames whose loudness is told, what fades at the end, and the silence behind it, in parts of a second.
const FRAMES_PER_SECOND: usize = 50;
const FADE: f32 = 0.02;
const PAUSE: f32 = 0.08;

/// The sound up to its last loud frame, which fades, and a pause.
///
/// # Errors
/// `InvalidRequest` for a sound shorter than a frame.
pub(super) fn ended(sound: &[f32], rate: u32) -> Result<Vec<f32>> {
    let frame = (rate as usize / FRAMES_PER_SECOND).max(1);
    let level = |frame: &[f32]| {
        let power = frame.iter().map(|x| x * x).sum::<f32>() / frame.len() as f32;
        20.0 * (power.sqrt() + 1e-12).log10()
    };
    let levels: Vec<f32> = sound.chunks_exact(frame).map(level).collect();
    let loudest = levels.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let Some(last) = levels.iter().rposition(|level| *level > loudest - FLOOR) else {
        let message =
            format!("a sound of {} samples at {rate} a second is too short for a voice", sound.len());
        return Err(Error::new(ErrorKind::InvalidRequest, message));
    };
    let mut ended = sound[..(last + 1) * frame].to_vec();
    let fade = ((FADE * rate as f32) as usize).min(ended.len());
    let from = ended.len() - fade;
    let share = |at: usize| 1.0 - at as f32 / (fade.max(2) - 1) as f32;
    ended[from..].iter_mut().enumerate().for_each(|(at, x)| *x *= share(at));
    ended.resize(ended.len() + (PAUSE * rate as f32) as usize, 0.0);
    Ok(ended)
}
