//! The mark in the sound of an imitated voice: [`Marker`] puts it in as the sound is made, [`find`] tells whether a sound carries it.
//!
//! A spread-spectrum mark in the logarithms of magnitudes (D. Kirovski and H. S. Malvar, "Spread-Spectrum Watermarking of Audio
//! Signals", IEEE Transactions on Signal Processing 51(4), 2003): time and frequency are divided into cells, and each cell is made a
//! little louder or softer, as a table of random signs says that repeats every [`CELLS`] cells. What does this lies under the speech
//! itself wherever there is any, and is silent where that is. Who looks for it compares each cell with those around it and adds
//! up how far the differences agree with the table, for every place at which the table may begin. Codecs, other rates, other volumes and
//! cuts change the loudness of single cells, not this sum over thousands.
//!
//! The table is the same in every copy of this program, so that anybody can look for the mark; so anybody can also take it out, or
//! put it into any sound. It tells honest people what they hear and proves nothing against others.

mod embed;
mod find;

pub use embed::Marker;
pub use find::{Finding, find};

/// Cells after which the table repeats itself: 3.84 s.
const CELLS: usize = 64;
/// How long a cell lasts, in milliseconds.
const CELL_MS: usize = 60;
/// Bands, from [`LOWEST`] up: 500 to 6 500 Hz, which every codec for speech keeps.
const BANDS: usize = 48;
/// Where the first band begins, in Hz.
const LOWEST: f64 = 500.0;
/// How wide a band is, in Hz.
const WIDTH: f64 = 125.0;
/// How much louder or softer a cell becomes, in dB.
const DEPTH: f32 = 1.2;

/// One sign for each band of a cell.
type Signs = [f32; BANDS];

/// The table of signs, (CELLS, BANDS): the upper bits of SplitMix64 (Steele, Lea and Flood, 2014). Changing it makes every mark that
/// was ever made unreadable.
fn table() -> Box<[Signs; CELLS]> {
    let mut state = 0x7061_7261_736f_6c31_u64;
    let mut sign = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        if (z ^ (z >> 31)) >> 63 == 0 { 1.0 } else { -1.0 }
    };
    let mut table = Box::new([[0.0; BANDS]; CELLS]);
    table.iter_mut().flatten().for_each(|cell| *cell = sign());
    table
}

/// The band of a frequency in Hz.
fn band(frequency: f64) -> Option<usize> {
    let place = (frequency - LOWEST) / WIDTH;
    (place >= 0.0 && place < BANDS as f64).then_some(place as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_the_one_that_was_and_is_balanced() {
        let table = table();
        let sum: f32 = table.iter().flatten().sum();
        assert!(sum.abs() < 150.0, "{sum}");
        // Its first signs, which must never change.
        let first: String = table[0][..16].iter().map(|sign| if *sign > 0.0 { '+' } else { '-' }).collect();
        assert_eq!(first, "+++-+----+---+--");
        assert_eq!(
            (band(499.0), band(500.0), band(624.9), band(6_499.0), band(6_500.0)),
            (None, Some(0), Some(0), Some(47), None)
        );
    }
}
