//! Metadata values of a GGUF file. Scalars are decoded; strings and arrays stay in the file as checked ranges, so
//! that a vocabulary of a quarter of a million tokens costs one walk over its lengths and no allocation.

use super::cursor::{Cursor, corrupt};
use parasol_core::Result;
use std::ops::Range;

/// The type numbers of the format's specification (ggml's `gguf.md`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum ValueType {
    U8,
    I8,
    U16,
    I16,
    U32,
    I32,
    F32,
    Bool,
    String,
    Array,
    U64,
    I64,
    F64,
}

impl ValueType {
    const ALL: [ValueType; 13] = [
        ValueType::U8,
        ValueType::I8,
        ValueType::U16,
        ValueType::I16,
        ValueType::U32,
        ValueType::I32,
        ValueType::F32,
        ValueType::Bool,
        ValueType::String,
        ValueType::Array,
        ValueType::U64,
        ValueType::I64,
        ValueType::F64,
    ];

    fn read(cursor: &mut Cursor<'_>, what: &dyn Fn() -> String) -> Result<Self> {
        let number = cursor.u32(what)?;
        usize::try_from(number)
            .ok()
            .and_then(|i| Self::ALL.get(i).copied())
            .ok_or_else(|| corrupt(format!("{} is {number}, and the GGUF value types are 0 to 12", what())))
    }

    /// Bytes of a scalar; `None` for strings and arrays.
    pub(super) const fn size(self) -> Option<usize> {
        match self {
            ValueType::U8 | ValueType::I8 | ValueType::Bool => Some(1),
            ValueType::U16 | ValueType::I16 => Some(2),
            ValueType::U32 | ValueType::I32 | ValueType::F32 => Some(4),
            ValueType::U64 | ValueType::I64 | ValueType::F64 => Some(8),
            ValueType::String | ValueType::Array => None,
        }
    }
}

impl std::fmt::Display for ValueType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            ValueType::Array => "array",
            ValueType::Bool => "bool",
            ValueType::F32 | ValueType::F64 => "float",
            ValueType::String => "string",
            _ => "integer",
        })
    }
}

/// One metadata value. Ranges point into the file's bytes and have been checked against its length.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Any of the eight integer types.
    Integer(i128),
    /// Either float type.
    Float(f64),
    /// A truth value.
    Bool(bool),
    /// The bytes of a string.
    String(Range<usize>),
    /// An array of scalars or strings.
    Array {
        /// Type of the elements: never itself an array.
        of: ValueType,
        /// How many.
        len: usize,
        /// Where they lie, each string with its length in front.
        range: Range<usize>,
    },
}

impl Value {
    /// What to call this value's type in an error.
    pub fn type_name(&self) -> String {
        match self {
            Value::Integer(_) => "an integer".into(),
            Value::Float(_) => "a float".into(),
            Value::Bool(_) => "a bool".into(),
            Value::String(_) => "a string".into(),
            Value::Array { of, .. } => format!("an array of {of}s"),
        }
    }

    /// Reads the type number and the value under `key`.
    pub(super) fn read(cursor: &mut Cursor<'_>, bytes: &[u8], key: &str) -> Result<Self> {
        let kind = ValueType::read(cursor, &|| format!("the type of metadata `{key}`"))?;
        let what = || format!("metadata `{key}`");
        match kind {
            ValueType::String => Ok(Value::String(cursor.string(&what)?)),
            ValueType::Array => Self::read_array(cursor, key),
            scalar => {
                let range = cursor.skip(scalar.size().unwrap_or(0) as u64, &what)?;
                scalar_at(scalar, &bytes[range]).ok_or_else(|| {
                    corrupt(format!(
                        "metadata `{key}` is a bool that is neither 0 nor 1; the file is damaged"
                    ))
                })
            }
        }
    }

    fn read_array(cursor: &mut Cursor<'_>, key: &str) -> Result<Self> {
        let of = ValueType::read(cursor, &|| format!("the element type of metadata `{key}`"))?;
        let what = || format!("the length of metadata `{key}`");
        match (of, of.size()) {
            (ValueType::Array, _) => Err(corrupt(format!(
                "metadata `{key}` is an array of arrays, which no known model needs; it is refused"
            ))),
            (_, Some(size)) => {
                let len = cursor.count(size, &what)?;
                let range = cursor.skip(len.saturating_mul(size) as u64, &|| format!("metadata `{key}`"))?;
                Ok(Value::Array { of, len, range })
            }
            (_, None) => {
                let len = cursor.count(8, &what)?;
                let start = cursor.position();
                for i in 0..len {
                    cursor.string(&|| format!("entry {i} of metadata `{key}`"))?;
                }
                Ok(Value::Array { of, len, range: start..cursor.position() })
            }
        }
    }
}

/// Decodes a scalar from exactly its bytes; `None` for a bool that is neither 0 nor 1 (or a wrong length).
pub(super) fn scalar_at(kind: ValueType, bytes: &[u8]) -> Option<Value> {
    macro_rules! number {
        ($t:ty) => {
            <$t>::from_le_bytes(bytes.try_into().ok()?)
        };
    }
    Some(match kind {
        ValueType::U8 => Value::Integer(number!(u8).into()),
        ValueType::I8 => Value::Integer(number!(i8).into()),
        ValueType::U16 => Value::Integer(number!(u16).into()),
        ValueType::I16 => Value::Integer(number!(i16).into()),
        ValueType::U32 => Value::Integer(number!(u32).into()),
        ValueType::I32 => Value::Integer(number!(i32).into()),
        ValueType::U64 => Value::Integer(number!(u64).into()),
        ValueType::I64 => Value::Integer(number!(i64).into()),
        ValueType::F32 => Value::Float(number!(f32).into()),
        ValueType::F64 => Value::Float(number!(f64)),
        ValueType::Bool => match bytes {
            [0] => Value::Bool(false),
            [1] => Value::Bool(true),
            _ => return None,
        },
        ValueType::String | ValueType::Array => return None,
    })
}
