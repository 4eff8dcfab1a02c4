//! From f32 to every weight format. Formats with one scale per 32 values follow ggml's reference rounding to the byte
//! (`plain`); the others search for the scales that minimise a weighted squared error (`search`), so their bytes may
//! differ from ggml's while their error does not exceed it. Reading weights, and threads, are left to the caller.

mod iq4;
mod k_blocks;
mod plain;
mod search;

use parasol_core::{Error, ErrorKind, Result};

use crate::Format;
use crate::half::{f32_to_bf16, f32_to_f16};

/// A block whose scale (or a value that) is beyond the greatest binary16, 65 504.
struct TooLarge;

/// Appends the row `values`, stored as `format`, to `out`: `format.row_bytes(values.len())` bytes.
///
/// # Errors
/// `InvalidRequest` when `values` are not whole blocks; `Corrupt` for a value that is not finite (its position is
/// named), and for values too large for the format. `out` is as long as before then.
pub fn quantize_row(format: Format, values: &[f32], out: &mut Vec<u8>) -> Result<()> {
    let Some(bytes) = format.row_bytes(values.len()) else {
        return Err(Error::new(
            ErrorKind::InvalidRequest,
            format!(
                "a row of {} values cannot be stored as {format}, which takes blocks of {}: choose another format",
                values.len(),
                format.block_len()
            ),
        ));
    };
    if let Some(at) = values.iter().position(|v| !v.is_finite()) {
        return Err(Error::new(
            ErrorKind::Corrupt,
            format!("value {at} of the row is {}: only finite weights can be stored as {format}", values[at]),
        ));
    }
    let start = out.len();
    out.resize(start + bytes, 0);
    encode(format, values, &mut out[start..]).inspect_err(|_| out.truncate(start))
}

/// Picks the encoder; `out` has the size that `values` need.
fn encode(format: Format, values: &[f32], out: &mut [u8]) -> Result<()> {
    match format {
        Format::F32 => each(format, values, out, |v: &[f32; 1], b| {
            *b = v[0].to_le_bytes();
            Ok(())
        }),
        Format::F16 => each(format, values, out, |v: &[f32; 1], b| {
            *b = finite_half(v[0])?;
            Ok(())
        }),
        Format::BF16 => each(format, values, out, |v: &[f32; 1], b| {
            let bits = f32_to_bf16(v[0]);
            *b = bits.to_le_bytes();
            if bits & 0x7f80 == 0x7f80 { Err(TooLarge) } else { Ok(()) }
        }),
        Format::Q4_0 => each(format, values, out, plain::q4_0),
        Format::Q4_1 => each(format, values, out, plain::q4_1),
        Format::Q5_0 => each(format, values, out, plain::q5_0),
        Format::Q5_1 => each(format, values, out, plain::q5_1),
        Format::Q8_0 => each(format, values, out, plain::q8_0),
        Format::Q2K => each(format, values, out, k_blocks::q2_k),
        Format::Q3K => each(format, values, out, k_blocks::q3_k),
        Format::Q4K => each(format, values, out, k_blocks::q4_k),
        Format::Q5K => each(format, values, out, k_blocks::q5_k),
        Format::Q6K => each(format, values, out, k_blocks::q6_k),
        Format::IQ4NL => each(format, values, out, iq4::iq4_nl),
        Format::IQ4XS => each(format, values, out, iq4::iq4_xs),
    }
}

/// Applies `encode` to each block of `LEN` values and its `BYTES` bytes.
fn each<const LEN: usize, const BYTES: usize>(
    format: Format,
    values: &[f32],
    out: &mut [u8],
    encode: impl Fn(&[f32; LEN], &mut [u8; BYTES]) -> Result<(), TooLarge>,
) -> Result<()> {
    let (blocks, bytes) = (values.as_chunks::<LEN>().0, out.as_chunks_mut::<BYTES>().0);
    for (index, (block, bytes)) in blocks.iter().zip(bytes).enumerate() {
        encode(block, bytes).map_err(|TooLarge| {
            let (first, last) = (index * LEN, index * LEN + LEN - 1);
            let which = if LEN == 1 { format!("value {first}") } else { format!("values {first} to {last}") };
            let greatest = block.iter().fold(0.0f32, |most, v| most.max(v.abs()));
            Error::new(
                ErrorKind::Corrupt,
                format!("{which} of the row: {greatest:e} is too large to store as {format}; F32 holds it"),
            )
        })?;
    }
    Ok(())
}

/// The binary16 nearest to `value`, as stored.
fn finite_half(value: f32) -> Result<[u8; 2], TooLarge> {
    let bits = f32_to_f16(value);
    if bits & 0x7c00 == 0x7c00 { Err(TooLarge) } else { Ok(bits.to_le_bytes()) }
}
