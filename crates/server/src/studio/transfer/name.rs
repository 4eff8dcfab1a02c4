//! What a file that is handed out is called: a name that every system accepts, in a header that every browser understands.

use std::fmt::Write as _;

/// The longest name in bytes, without what comes after the dot: file systems take 255 in all.
const LONGEST: usize = 120;

/// Names that Windows gives to devices.
const DEVICES: [&str; 6] = ["con", "prn", "aux", "nul", "com", "lpt"];

/// The value of `content-disposition` for a file called after `title`.
pub(super) fn attachment(title: &str, ending: &str) -> String {
    let name = format!("{}.{ending}", safe(title));
    // For what cannot read the second form (RFC 6266); the second is RFC 8187's.
    let plain: String = name.chars().map(|c| if c.is_ascii() { c } else { '_' }).collect();
    let mut coded = String::new();
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._".contains(&byte) {
            coded.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(coded, "%{byte:02X}");
        }
    }
    format!("attachment; filename=\"{plain}\"; filename*=UTF-8''{coded}")
}

/// The title as a file's name.
fn safe(title: &str) -> String {
    let mut name = String::new();
    for c in title.chars() {
        let c = if c.is_control() || "/\\:*?\"<>|%;".contains(c) { ' ' } else { c };
        if turns(c) || (c.is_whitespace() && (name.is_empty() || name.ends_with(' '))) {
            continue;
        }
        if name.len() + c.len_utf8() > LONGEST {
            break;
        }
        name.push(if c.is_whitespace() { ' ' } else { c });
    }
    let name = name.trim_matches(['.', ' ', '-']);
    let stem = name.split('.').next().unwrap_or("").trim().to_lowercase();
    let device = DEVICES.iter().any(|device| stem.strip_prefix(device).is_some_and(|rest| rest.len() < 2));
    match (name.is_empty(), device) {
        (true, _) => "conversation".to_owned(),
        (_, true) => format!("conversation {name}"),
        _ => name.to_owned(),
    }
}

/// Characters that one does not see, some of which make a name read backwards.
fn turns(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{61c}')
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn names_are_ones_that_any_system_takes() {
        for (title, name) in [
            ("Plans for May", "Plans for May"),
            ("../../etc/passwd", "etc passwd"),
            ("a\r\nset-cookie: x=1", "a set-cookie x=1"),
            ("\"quoted\"; filename=evil.exe", "quoted filename=evil.exe"),
            ("nul", "conversation nul"),
            ("COM1.txt", "conversation COM1.txt"),
            ("Communism", "Communism"),
            ("...", "conversation"),
            ("", "conversation"),
            ("gpj.\u{202e}exe", "gpj.exe"),
            ("-rf", "rf"),
        ] {
            assert_eq!(safe(title), name, "{title:?}");
        }
        assert!(safe(&"é".repeat(500)).len() <= LONGEST);
    }

    #[test]
    fn the_header_is_ascii_and_names_the_file_in_utf_8() {
        let header = attachment("Größe “Δ” 50%", "json");
        assert_eq!(
            header,
            "attachment; filename=\"Gr__e ___ 50.json\"; filename*=UTF-8''Gr%C3%B6%C3%9Fe%20%E2%80%9C%CE%94%E2%80%9D%2050.json"
        );
        let hostile: String = ('\0'..='\u{2fff}').collect();
        let header = attachment(&hostile, "md");
        assert!(
            header.bytes().all(|b| (0x20..0x7f).contains(&b)) && header.matches('"').count() == 2,
            "{header}"
        );
        assert!(axum::http::HeaderValue::from_str(&header).is_ok());
    }
}
