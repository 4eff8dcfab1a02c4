//! What templates may call besides Jinja's own filters: `raise_exception`, `strftime_now` and Python's `json.dumps`.

use super::json::{Style, dumps};
use jiff::civil::DateTime;
use jiff::fmt::strtime;
use minijinja::value::{Kwargs, ValueKind};
use minijinja::{Environment, Error, ErrorKind, State, Value};

/// What a template raised, in its own words.
#[derive(Debug)]
pub(super) struct Raised(pub String);

impl std::fmt::Display for Raised {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Raised {}

/// Adds everything.
pub(super) fn install(environment: &mut Environment<'static>) {
    environment.add_function("raise_exception", raise);
    environment.add_function("strftime_now", |format: String| {
        formatted(jiff::ZonedDateTime::now().datetime(), &format)
    });
    environment.add_filter("tojson", tojson);
    environment.add_filter("int", int);
    environment.add_filter("float", float);
    // In Python strings, mappings and Jinja's undefined have a length and items as well; templates rely on it.
    let has_items = |value: &Value| {
        use ValueKind::{Iterable, Map, Seq, String, Undefined};
        matches!(value.kind(), Iterable | Map | Seq | String | Undefined)
    };
    environment.add_test("sequence", has_items);
    environment.add_test("iterable", has_items);
}

/// Makes `strftime_now` see one moment for ever.
pub(super) fn fix_clock(environment: &mut Environment<'static>, time: &str) -> parasol_core::Result<()> {
    let now: DateTime = time.parse().map_err(|e| {
        let message = format!("`{time}` is no local time such as 2026-07-05T15:04:05: {e}");
        parasol_core::Error::new(parasol_core::ErrorKind::InvalidRequest, message)
    })?;
    environment.add_function("strftime_now", move |format: String| formatted(now, &format));
    Ok(())
}

fn raise(message: Value) -> Result<Value, Error> {
    let message = message.to_string();
    Err(Error::new(ErrorKind::InvalidOperation, message.clone()).with_source(Raised(message)))
}

fn formatted(now: DateTime, format: &str) -> Result<String, Error> {
    strtime::format(format, now).map_err(|e| {
        Error::new(ErrorKind::InvalidOperation, format!("strftime_now cannot write {format:?}: {e}"))
    })
}

/// Jinja's `int` and `float` give 0 for what is no number, where minijinja's fail.
fn int(
    state: &State<'_, '_>,
    value: &Value,
    default: Option<Value>,
    base: Option<u32>,
    args: Kwargs,
) -> Result<Value, Error> {
    let default = default.or(args.get("default")?).unwrap_or(Value::from(0));
    minijinja::filters::int(state, value, Some(default), base, args)
}

fn float(state: &State<'_, '_>, value: &Value, default: Option<Value>, args: Kwargs) -> Result<Value, Error> {
    let default = default.or(args.get("default")?).unwrap_or(Value::from(0.0));
    minijinja::filters::float(state, value, Some(default), args)
}

/// `tojson` as `transformers` defines it: `json.dumps` with its arguments, nothing escaped for HTML.
fn tojson(state: &mut State<'_, '_>, value: &Value, args: Kwargs) -> Result<Value, Error> {
    let style = Style {
        ascii: args.get::<Option<bool>>("ensure_ascii")?.unwrap_or(false),
        indent: args.get::<Option<usize>>("indent")?,
        sort_keys: args.get::<Option<bool>>("sort_keys")?.unwrap_or(false),
        separators: args.get::<Option<Vec<String>>>("separators")?,
    };
    args.assert_all_used()?;
    let text = dumps(value, &style)?;
    state.consume_fuel(text.len() as u64 / 64)?;
    Ok(Value::from(text))
}
