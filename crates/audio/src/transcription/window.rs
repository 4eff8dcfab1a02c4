//! From the tokens of a window to segments, and when to try again: the thresholds of the paper's section 4.5.

use super::tokens::Special;
use flate2::Compression;
use flate2::write::ZlibEncoder;
use std::io::Write;

/// Seconds between two time tokens.
pub(crate) const STEP: f64 = 0.02;
/// Frames of mel between two time tokens.
const FRAMES: usize = 2;
/// A text that deflate makes smaller than this share of it repeats itself.
pub(crate) const MOST_COMPRESSION: f32 = 2.4;
/// A text whose tokens are less likely than this on average is a guess.
pub(crate) const LEAST_LOGPROB: f32 = -1.0;
/// Above this, and with a text that is a guess, nothing is said.
pub(crate) const MOST_NO_SPEECH: f32 = 0.6;

/// A segment in its window: seconds from the window's beginning.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Piece {
    pub(crate) start: f64,
    pub(crate) end: f64,
    pub(crate) tokens: Vec<u32>,
}

/// What a window was cut into.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Cut {
    pub(crate) pieces: Vec<Piece>,
    /// Frames after which the next window begins.
    pub(crate) advance: usize,
    /// The text reaches to the window's end: its last time has no twin.
    pub(crate) whole: bool,
}

/// Cuts where two times stand beside each other. `frames` are those of the window that hold sound.
pub(crate) fn cut(tokens: &[u32], special: &Special, frames: usize) -> Cut {
    let is_time = |token: u32| token >= special.time;
    let seconds = |token: u32| f64::from(token - special.time) * STEP;
    let whole = match tokens {
        [.., before, last] => is_time(*last) && !is_time(*before),
        _ => false,
    };
    let pairs = 1..tokens.len();
    let mut cuts: Vec<usize> = pairs.filter(|&at| is_time(tokens[at]) && is_time(tokens[at - 1])).collect();
    if cuts.is_empty() {
        let last = tokens.iter().rev().find(|token| **token > special.time);
        let end = last.map_or(frames as f64 * STEP / FRAMES as f64, |token| seconds(*token));
        let piece = Piece { start: 0.0, end, tokens: tokens.to_vec() };
        return Cut { pieces: vec![piece], advance: frames, whole };
    }
    if whole {
        cuts.push(tokens.len());
    }
    let (mut pieces, mut from) = (Vec::new(), 0);
    for at in cuts {
        let tokens = &tokens[from..at];
        // A slice between two cuts begins and ends with a time.
        let time = |token: Option<&u32>| token.filter(|t| is_time(**t)).map_or(0.0, |t| seconds(*t));
        let piece = Piece { start: time(tokens.first()), end: time(tokens.last()), tokens: tokens.to_vec() };
        pieces.push(piece);
        from = at;
    }
    let last = tokens[from - 1].saturating_sub(special.time) as usize * FRAMES;
    // No window is looked at twice.
    let advance = if whole || last == 0 { frames } else { last.min(frames) };
    Cut { pieces, advance, whole }
}

/// Bytes of a text by those that zlib makes of it.
pub(crate) fn compression(text: &str) -> f32 {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    // Writing to memory does not fail.
    let packed =
        encoder.write_all(text.as_bytes()).and_then(|()| encoder.finish()).map_or(1, |bytes| bytes.len());
    text.len() as f32 / packed.max(1) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_cut_between_times() {
        let special = Special::of(51_865);
        let t = |at: f64| special.time + (at / STEP).round() as u32;
        let two = [t(0.0), 1, 2, t(2.0), t(2.0), 3, t(4.0)];
        let both = cut(&two, &special, 3000);
        assert_eq!(
            both.pieces.iter().map(|p| (p.start, p.end)).collect::<Vec<_>>(),
            [(0.0, 2.0), (2.0, 4.0)]
        );
        assert!(both.whole && both.advance == 3000);
        // The second segment is not finished: the next window begins with it.
        let open = cut(&[t(0.0), 1, t(2.0), t(2.5), 3], &special, 3000);
        assert_eq!((open.pieces.len(), open.advance, open.whole), (1, 200, false));
        let one = cut(&[t(1.0), 1, 2], &special, 3000);
        assert_eq!((one.pieces[0].start, one.pieces[0].end, one.advance), (0.0, 1.0, 3000));
        let none = cut(&[1, 2], &special, 500);
        assert_eq!((none.pieces[0].end, none.advance), (5.0, 500));
        assert_eq!(cut(&[t(0.0), t(0.0)], &special, 700).advance, 700);
        assert_eq!(cut(&[], &special, 700).pieces[0].tokens, [0u32; 0]);
    }

    #[test]
    fn what_repeats_itself_compresses() {
        assert!(compression(&"and so on ".repeat(40)) > MOST_COMPRESSION);
        assert!(compression("The Moon is far away and recedes a little every year.") < 1.5);
        assert!(compression("") == 0.0);
    }
}
