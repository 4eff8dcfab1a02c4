//! The wire format of protocol buffers, as far as ONNX and SentencePiece need it: numbered fields that are integers or bytes.

use super::damaged;
use parasol_core::Result;

/// One field of a message.
pub(crate) struct Field<'a> {
    pub(crate) number: u64,
    pub(crate) value: Value<'a>,
}

/// What a field holds.
pub(crate) enum Value<'a> {
    /// A variable-length integer.
    Int(i64),
    /// A message, a text or packed numbers.
    Bytes(&'a [u8]),
    /// Four bytes: a float.
    Four([u8; 4]),
    /// Eight bytes, which nothing here asks for.
    Eight,
}

/// The fields of a message, in the order of the file. The first error ends them.
pub(crate) fn fields(bytes: &[u8]) -> impl Iterator<Item = Result<Field<'_>>> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let field = next(&mut rest);
        if field.is_err() {
            rest = &[];
        }
        Some(field)
    })
}

/// Integers one after the other.
pub(super) fn packed(mut bytes: &[u8]) -> Result<Vec<i64>> {
    let mut all = Vec::new();
    while !bytes.is_empty() {
        all.push(varint(&mut bytes)? as i64);
    }
    Ok(all)
}

fn next<'a>(rest: &mut &'a [u8]) -> Result<Field<'a>> {
    let tag = varint(rest)?;
    let value = match tag & 7 {
        0 => Value::Int(varint(rest)? as i64), // two's complement, as the format says
        1 => take(rest, 8).map(|_| Value::Eight)?,
        2 => {
            let length = varint(rest)?;
            Value::Bytes(take(rest, usize::try_from(length).unwrap_or(usize::MAX))?)
        }
        5 => Value::Four(take(rest, 4)?.try_into().unwrap_or_default()),
        kind => return Err(damaged(format!("a field is of the unknown kind {kind}"))),
    };
    Ok(Field { number: tag >> 3, value })
}

fn take<'a>(rest: &mut &'a [u8], length: usize) -> Result<&'a [u8]> {
    let (bytes, behind) = rest
        .split_at_checked(length)
        .ok_or_else(|| damaged(format!("a field of {length} bytes has only {}", rest.len())))?;
    *rest = behind;
    Ok(bytes)
}

fn varint(rest: &mut &[u8]) -> Result<u64> {
    let mut value = 0u64;
    for (index, byte) in rest.iter().take(10).enumerate() {
        value |= u64::from(byte & 127) << (7 * index).min(63);
        if byte & 128 == 0 {
            *rest = &rest[index + 1..];
            return Ok(value);
        }
    }
    Err(damaged("a number does not end"))
}
