//! Stress marks in phonemes, and how words in a sentence strengthen or weaken them.

pub(super) const PRIMARY: char = 'ˈ';
pub(super) const SECONDARY: char = 'ˌ';
/// Vowels; capitals are diphthongs.
pub(super) const VOWELS: &str = "AIOQWYaiuæɑɒɔəɛɜɪʊʌᵻ";
/// Consonants by which a word's beginning is known.
pub(super) const CONSONANTS: &str = "bdfhjklmnpstvwzðŋɡɹɾʃʒʤʧθ";
const LONG: &str = "AIOQWYʤʧ";

/// How much a word weighs when one of two must give way.
pub(super) fn weight(phonemes: &str) -> usize {
    phonemes.chars().map(|c| if LONG.contains(c) { 2 } else { 1 }).sum()
}

fn marked(phonemes: &str) -> bool {
    phonemes.contains([PRIMARY, SECONDARY])
}

fn has_vowel(phonemes: &str) -> bool {
    phonemes.contains(|c| VOWELS.contains(c))
}

/// Puts a mark in front of the first vowel.
fn mark(phonemes: &str, mark: char) -> String {
    match phonemes.find(|c| VOWELS.contains(c)) {
        Some(at) => format!("{}{mark}{}", &phonemes[..at], &phonemes[at..]),
        None => phonemes.to_owned(),
    }
}

/// Phonemes with another stress: below −1 none, −1 secondary for primary, 0 and ±½ at most secondary, 1 and more primary for
/// secondary, and beyond 1 primary where there was none. `None` changes nothing.
pub(super) fn apply(phonemes: &str, stress: Option<f32>) -> String {
    let Some(stress) = stress else { return phonemes.to_owned() };
    let swap = |from: char, to: char| phonemes.replace(from, to.encode_utf8(&mut [0; 4]));
    if stress < -1.0 {
        return phonemes.replace([PRIMARY, SECONDARY], "");
    }
    if stress == -1.0 || (stress == 0.0 || stress == -0.5) && phonemes.contains(PRIMARY) {
        return phonemes.replace(SECONDARY, "").replace(PRIMARY, "ˌ");
    }
    if (stress == 0.0 || stress == 0.5 || stress == 1.0) && !marked(phonemes) {
        return if has_vowel(phonemes) { mark(phonemes, SECONDARY) } else { phonemes.to_owned() };
    }
    if stress >= 1.0 && !phonemes.contains(PRIMARY) && phonemes.contains(SECONDARY) {
        return swap(SECONDARY, PRIMARY);
    }
    if stress > 1.0 && !marked(phonemes) && has_vowel(phonemes) {
        return mark(phonemes, PRIMARY);
    }
    phonemes.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stress_is_added_moved_and_taken() {
        assert_eq!(apply("kˌʌlɚˈæt", Some(-2.0)), "kʌlɚæt");
        assert_eq!(apply("bˈæt", Some(-0.5)), "bˌæt");
        assert_eq!(apply("bæt", Some(0.5)), "bˌæt");
        assert_eq!(apply("bæt", Some(2.0)), "bˈæt");
        assert_eq!(apply("bˌæt", Some(2.0)), "bˈæt");
        assert_eq!(apply("s", Some(2.0)), "s");
        assert_eq!(apply("bæt", None), "bæt");
        assert_eq!(weight("bˈAt"), 5);
    }
}
