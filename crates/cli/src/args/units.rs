//! Times and sizes as people write them: `30s`, `10m`, `2d`; `512KiB`, `32MB`, `4G`.

use std::time::Duration;

/// A time: a number with `ms`, `s`, `m`, `h` or `d`; without a unit, seconds.
pub(crate) fn time(text: &str) -> Result<Duration, String> {
    let (number, unit) = split(text);
    let seconds = match unit {
        "ms" => 0.001,
        "" | "s" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        "d" => 86_400.0,
        _ => return Err(format!("{unit:?} is no unit of time: write 500ms, 30s, 10m, 2h or 7d")),
    };
    let number: f64 = number.parse().map_err(|_| "must be a time such as 30s, 10m or 2h".to_owned())?;
    match Duration::try_from_secs_f64(number * seconds) {
        Ok(time) if !time.is_zero() => Ok(time),
        _ => Err("must be more than nothing and less than for ever".into()),
    }
}

/// A size: a number with `kB`, `MB`, `GB` (of a thousand) or `KiB`, `MiB`, `GiB` (of 1 024); without a unit, bytes.
pub(crate) fn size(text: &str) -> Result<u64, String> {
    let (number, unit) = split(text);
    let factor: u64 = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kb" => 1000,
        "m" | "mb" => 1_000_000,
        "g" | "gb" => 1_000_000_000,
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        _ => return Err(format!("{unit:?} is no unit of size: write 512KiB, 32MB or 4GB")),
    };
    let number: f64 = number.parse().map_err(|_| "must be a size such as 512KiB, 32MB or 4GB".to_owned())?;
    let bytes = number * factor as f64;
    // Beyond 2^53 a float no longer counts single bytes, and no machine has as many.
    if (1.0..9e15).contains(&bytes) { Ok(bytes as u64) } else { Err("must be at least one byte".into()) }
}

/// A size that fits this machine's addresses.
pub(crate) fn length(text: &str) -> Result<usize, String> {
    usize::try_from(size(text)?).map_err(|_| "is more than this machine can address".into())
}

fn split(text: &str) -> (&str, &str) {
    let text = text.trim();
    let at = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(at);
    (number, unit.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_sizes_are_read() {
        assert_eq!(time("90"), Ok(Duration::from_secs(90)));
        assert_eq!(time("1.5h"), Ok(Duration::from_secs(5400)));
        assert_eq!(time("250 ms"), Ok(Duration::from_millis(250)));
        assert!(time("0").is_err() && time("-1s").is_err() && time("1y").is_err() && time("1e99d").is_err());
        assert_eq!(size("32MB"), Ok(32_000_000));
        assert_eq!(size("1KiB"), Ok(1024));
        assert!(
            size("").is_err() && size("0").is_err() && size("nan").is_err() && size("9999999999GB").is_err()
        );
    }
}
