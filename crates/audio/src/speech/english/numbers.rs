//! English words for numbers, which come as decimal digits so that no length overflows.

const ONES: [&str; 20] = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
];
const TENS: [&str; 10] =
    ["", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"];
const SCALES: [&str; 12] = [
    "",
    "thousand",
    "million",
    "billion",
    "trillion",
    "quadrillion",
    "quintillion",
    "sextillion",
    "septillion",
    "octillion",
    "nonillion",
    "decillion",
];
const IRREGULAR: [(&str, &str); 7] = [
    ("one", "first"),
    ("two", "second"),
    ("three", "third"),
    ("five", "fifth"),
    ("eight", "eighth"),
    ("nine", "ninth"),
    ("twelve", "twelfth"),
];

/// The name of a digit; what is no digit has none.
pub(super) fn digit(c: char) -> &'static str {
    c.to_digit(10).map_or("", |d| ONES[d as usize])
}

fn below_thousand(n: usize) -> String {
    let mut words = Vec::new();
    if n >= 100 {
        words.push(ONES[n / 100 % 20].to_owned());
        words.push("hundred".to_owned());
    }
    let rest = n % 100;
    if n >= 100 && rest > 0 {
        words.push("and".to_owned());
    }
    match rest {
        0 if n >= 100 => {}
        0..20 => words.push(ONES[rest].to_owned()),
        _ if rest.is_multiple_of(10) => words.push(TENS[rest / 10].to_owned()),
        _ => words.push(format!("{}-{}", TENS[rest / 10], ONES[rest % 10])),
    }
    words.join(" ")
}

/// "one thousand, two hundred and thirty-four". Beyond the last name of a scale digits are read one by one.
pub(super) fn cardinal(digits: &str) -> String {
    let digits = digits.trim_start_matches('0');
    if digits.is_empty() {
        return ONES[0].to_owned();
    }
    if digits.len() > 3 * SCALES.len() {
        return digits.chars().map(digit).collect::<Vec<_>>().join(" ");
    }
    let mut groups = Vec::new();
    let mut end = digits.len();
    for scale in SCALES {
        let start = end.saturating_sub(3);
        // A slice of at most three decimal digits.
        let value = digits[start..end].parse::<usize>().unwrap_or(0);
        if value > 0 {
            let words = below_thousand(value);
            groups.push(if scale.is_empty() { words } else { format!("{words} {scale}") });
        }
        if start == 0 {
            break;
        }
        end = start;
    }
    groups.reverse();
    match groups.split_last() {
        // "one thousand and one"
        Some((last, before)) if !before.is_empty() && !last.contains(' ') => {
            format!("{} and {last}", before.join(", "))
        }
        _ => groups.join(", "),
    }
}

/// "twenty-third", "one hundred and first".
pub(super) fn ordinal(digits: &str) -> String {
    let words = cardinal(digits);
    let at = words.rfind([' ', '-']).map_or(0, |at| at + 1);
    let (head, last) = words.split_at(at);
    let last = match IRREGULAR.iter().find(|(cardinal, _)| *cardinal == last) {
        Some((_, ordinal)) => (*ordinal).to_owned(),
        None => match last.strip_suffix('y') {
            Some(stem) => format!("{stem}ieth"),
            None => format!("{last}th"),
        },
    };
    format!("{head}{last}")
}

/// A year of four digits: "nineteen oh-five", "two thousand and five", "twenty ten".
pub(super) fn year(digits: &str) -> String {
    let n = digits.parse::<usize>().unwrap_or(0);
    let (high, low) = (n / 100, n % 100);
    if high == 0 || high % 10 == 0 && low < 10 || high >= 100 {
        return cardinal(digits);
    }
    let low = match low {
        0 => "hundred".to_owned(),
        1..10 => format!("oh-{}", ONES[low]),
        _ => below_thousand(low),
    };
    format!("{} {low}", below_thousand(high))
}

/// "three point one four"; zeros at the end are not read.
pub(super) fn decimal(text: &str) -> String {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let fraction = fraction.trim_end_matches('0');
    let mut words = cardinal(whole);
    if !fraction.is_empty() {
        words += " point";
        for c in fraction.chars() {
            words = words + " " + digit(c);
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_names() {
        for (digits, words) in [
            ("0", "zero"),
            ("000", "zero"),
            ("13", "thirteen"),
            ("42", "forty-two"),
            ("100", "one hundred"),
            ("101", "one hundred and one"),
            ("1001", "one thousand and one"),
            ("1020", "one thousand and twenty"),
            ("1234", "one thousand, two hundred and thirty-four"),
            ("1000000", "one million"),
            ("20000003", "twenty million and three"),
        ] {
            assert_eq!(cardinal(digits), words);
        }
        assert!(cardinal(&"9".repeat(36)).contains("decillion"));
        assert_eq!(cardinal(&"1".repeat(37)).split(' ').count(), 37);
    }

    #[test]
    fn ordinals_years_and_decimals_have_names() {
        for (digits, words) in [
            ("1", "first"),
            ("12", "twelfth"),
            ("23", "twenty-third"),
            ("30", "thirtieth"),
            ("1000", "one thousandth"),
        ] {
            assert_eq!(ordinal(digits), words);
        }
        for (digits, words) in [
            ("1905", "nineteen oh-five"),
            ("2005", "two thousand and five"),
            ("2010", "twenty ten"),
            ("1900", "nineteen hundred"),
            ("0042", "forty-two"),
        ] {
            assert_eq!(year(digits), words);
        }
        assert_eq!(decimal("3.140"), "three point one four");
        assert_eq!(decimal(".5"), "zero point five");
    }
}
