//! Methods of Python's strings and lists that templates call and `minijinja-contrib` does not have, as Python defines them
//! (docs.python.org, "String Methods"). What is not here goes on to `minijinja-contrib`.

use minijinja::value::{Tuple, ValueKind, from_args};
use minijinja::{Error, ErrorKind, State, Value};

/// Longest string that padding makes, in characters.
const WIDEST: usize = 1 << 16;

/// Calls `method` of `value`.
pub(super) fn call(
    state: &mut State<'_, '_>,
    value: &Value,
    method: &str,
    args: &[Value],
) -> Result<Value, Error> {
    let own = match (value.as_str(), value.kind()) {
        (Some(text), _) => {
            // Before the work, so that a loop over a long text ends too: what is read, and what splitting it may make.
            let fuel = if method == "rsplit" { text.len() } else { text.len() / 64 };
            state.consume_fuel(fuel as u64)?;
            of_string(text, method, args)?
        }
        (None, ValueKind::Seq) if method == "index" => Some(index(value, args)?),
        _ => None,
    };
    match own {
        Some(result) => Ok(result),
        None => minijinja_contrib::pycompat::unknown_method_callback(state, value, method, args),
    }
}

fn of_string(text: &str, method: &str, args: &[Value]) -> Result<Option<Value>, Error> {
    Ok(Some(match method {
        "partition" | "rpartition" => {
            let (separator,): (&str,) = from_args(args)?;
            if separator.is_empty() {
                return Err(refused("empty separator"));
            }
            let found =
                if method == "partition" { text.split_once(separator) } else { text.rsplit_once(separator) };
            let parts = match found {
                Some((before, after)) => [before, separator, after],
                None if method == "partition" => [text, "", ""],
                None => ["", "", text],
            };
            Value::from_object(Tuple::new(parts.map(Value::from).into()))
        }
        "rsplit" => rsplit(text, args)?,
        "removeprefix" => {
            let (prefix,): (&str,) = from_args(args)?;
            Value::from(text.strip_prefix(prefix).unwrap_or(text))
        }
        "removesuffix" => {
            let (suffix,): (&str,) = from_args(args)?;
            Value::from(text.strip_suffix(suffix).unwrap_or(text))
        }
        "index" | "rindex" => {
            let (what,): (&str,) = from_args(args)?;
            let at = if method == "index" { text.find(what) } else { text.rfind(what) };
            let before = at.and_then(|at| text.get(..at)).ok_or_else(|| refused("substring not found"))?;
            Value::from(before.chars().count())
        }
        "swapcase" => {
            let () = from_args(args)?;
            Value::from(text.chars().flat_map(swapped).collect::<String>())
        }
        "ljust" | "rjust" | "center" | "zfill" => padded(text, method, args)?,
        _ => return Ok(None),
    }))
}

/// `rsplit(separator, most)`: from the right, at most so often; without a separator at runs of white space.
fn rsplit(text: &str, args: &[Value]) -> Result<Value, Error> {
    let (separator, most): (Option<&str>, Option<i64>) = from_args(args)?;
    let most = most.and_then(|most| usize::try_from(most).ok()).unwrap_or(usize::MAX);
    let mut parts: Vec<&str> = match separator {
        Some("") => return Err(refused("empty separator")),
        Some(separator) => text.rsplitn(most.saturating_add(1), separator).collect(),
        None => {
            let mut rest = text.trim_end();
            let mut parts = Vec::new();
            while !rest.is_empty() && parts.len() < most {
                let (before, word) = rest.rsplit_once(char::is_whitespace).unwrap_or(("", rest));
                parts.push(word);
                rest = before.trim_end();
            }
            parts.extend(Some(rest).filter(|rest| !rest.is_empty()));
            parts
        }
    };
    parts.reverse();
    Ok(Value::from_iter(parts))
}

/// `ljust`, `rjust`, `center` and `zfill` to a width in characters.
fn padded(text: &str, method: &str, args: &[Value]) -> Result<Value, Error> {
    let (width, fill) = match method {
        "zfill" => (from_args::<(i64,)>(args)?.0, None),
        _ => from_args::<(i64, Option<char>)>(args)?,
    };
    let width = usize::try_from(width).unwrap_or(0);
    if width > WIDEST {
        return Err(refused(&format!("a width of {width}; at most {WIDEST} are padded")));
    }
    let missing = width.saturating_sub(text.chars().count());
    let pad = |count: usize, with: char| String::from(with).repeat(count);
    let fill = fill.unwrap_or(' ');
    Ok(Value::from(match method {
        "ljust" => format!("{text}{}", pad(missing, fill)),
        "rjust" => format!("{}{text}", pad(missing, fill)),
        "zfill" => {
            let sign = if text.starts_with(['+', '-']) { 1 } else { 0 };
            let (sign, digits) = text.split_at(sign);
            format!("{sign}{}{digits}", pad(missing, '0'))
        }
        // Python puts the odd one to the left when the width is odd.
        _ => {
            let left = missing / 2 + (missing & width & 1);
            format!("{}{text}{}", pad(left, fill), pad(missing - left, fill))
        }
    }))
}

fn swapped(c: char) -> Vec<char> {
    if c.is_uppercase() { c.to_lowercase().collect() } else { c.to_uppercase().collect() }
}

/// `list.index(value)`.
fn index(list: &Value, args: &[Value]) -> Result<Value, Error> {
    let (wanted,): (Value,) = from_args(args)?;
    let place = list.try_iter()?.position(|item| item == wanted);
    place.map(Value::from).ok_or_else(|| refused("the value is not in the list"))
}

fn refused(what: &str) -> Error {
    Error::new(ErrorKind::InvalidOperation, what.to_owned())
}
