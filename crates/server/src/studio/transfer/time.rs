//! Times as other programs write them: seconds, milliseconds or less since 1970, as whole numbers, fractions or text.

use jiff::Timestamp;
use serde_json::Value;

/// The time that a value means, to the millisecond; none if it means none that could be.
pub(super) fn time(value: Option<&Value>) -> Option<Timestamp> {
    match value? {
        Value::Number(number) => since_1970(number.as_f64()?),
        Value::String(text) => {
            let text = text.trim();
            let number = || text.parse().ok().and_then(since_1970);
            let told = text.parse::<Timestamp>().ok();
            told.and_then(|at| Timestamp::from_millisecond(at.as_millisecond()).ok()).or_else(number)
        }
        _ => None,
    }
}

fn since_1970(count: f64) -> Option<Timestamp> {
    // One program writes several units; each but seconds begins long after what the one before could mean.
    let milliseconds = match count {
        n if !(n.is_finite() && n > 0.0) => return None,
        n if n < 1e11 => n * 1e3,
        n if n < 1e14 => n,
        n if n < 1e17 => n / 1e3,
        n => n / 1e6,
    };
    if milliseconds >= 1e15 {
        return None;
    }
    // Whole and far below 2⁵³.
    #[allow(clippy::cast_possible_truncation)]
    let milliseconds = milliseconds.floor() as i64;
    Timestamp::from_millisecond(milliseconds).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_way_of_writing_a_time_means_the_same() {
        for value in [
            json!(1_700_000_000),
            json!(1_700_000_000.000_9),
            json!(1_700_000_000_000_u64),
            json!(1_700_000_000_000_000_u64),
            json!(1_700_000_000_000_000_000_u64),
            json!("1700000000"),
            json!("2023-11-14T22:13:20Z"),
            json!("2023-11-14T23:13:20.0004+01:00"),
        ] {
            assert_eq!(time(Some(&value)).map(|at| at.as_millisecond()), Some(1_700_000_000_000), "{value}");
        }
    }

    #[test]
    fn what_is_no_time_is_none() {
        for value in [
            json!(null),
            json!(0),
            json!(-5),
            json!(1e300),
            json!("soon"),
            json!([1]),
            json!(true),
            json!("NaN"),
        ] {
            assert_eq!(time(Some(&value)), None, "{value}");
        }
        assert_eq!(time(None), None);
    }
}
