//! What of a text that is written anew again and again is certain: the words on which two attempts in a row agree (LocalAgreement-2,
//! Liu et al. 2020, as Macháček et al. 2023 use it with Whisper).

/// Words that are certain, and the last attempt.
#[derive(Debug, Clone, Default)]
pub(super) struct Agreement {
    certain: Vec<String>,
    last: Vec<String>,
}

impl Agreement {
    /// Takes the next attempt at the whole text; returns what became certain with it, to be put behind what was before.
    pub(super) fn push(&mut self, text: &str) -> String {
        let words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
        let agreed = words.iter().zip(&self.last).take_while(|(a, b)| same(a, b)).count();
        let from = self.certain.len();
        let new = match words.get(..from) {
            // What is certain stays, also where a later attempt has changed its mind.
            Some(before) if before.iter().zip(&self.certain).all(|(a, b)| same(a, b)) => {
                words.get(from..agreed).unwrap_or_default()
            }
            _ => &[],
        };
        let delta = joined(new, from > 0);
        self.certain.extend_from_slice(new);
        self.last = words;
        delta
    }

    /// Takes the final text; returns what of it follows what was certain, or nothing when it turned out otherwise.
    pub(super) fn finish(&mut self, text: &str) -> String {
        let words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
        let from = self.certain.len();
        match words.get(..from) {
            Some(before) if before.iter().zip(&self.certain).all(|(a, b)| same(a, b)) => {
                joined(&words[from..], from > 0)
            }
            _ => String::new(),
        }
    }
}

/// Marks and capitals come and go while a sentence grows.
fn same(a: &str, b: &str) -> bool {
    let letters = |word: &str| {
        word.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect::<String>()
    };
    a == b || letters(a) == letters(b)
}

fn joined(words: &[String], more: bool) -> String {
    let text = words.join(" ");
    if more && !text.is_empty() { format!(" {text}") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_told_when_two_attempts_agree_and_once() {
        let mut it = Agreement::default();
        assert_eq!(it.push(" The boat"), "");
        assert_eq!(it.push(" The boat was died"), "The boat");
        assert_eq!(it.push(" The boat was tied to"), " was");
        assert_eq!(it.push(" the boat, was tied to a"), " tied to");
        // A worse attempt takes nothing back.
        assert_eq!(it.push(" Goat"), "");
        assert_eq!(it.finish(" The boat was tied to a bridge."), " a bridge.");
    }

    #[test]
    fn a_final_text_that_differs_is_not_appended() {
        let mut it = Agreement::default();
        it.push("one two");
        assert_eq!(it.push("one two"), "one two");
        assert_eq!(it.finish("one too"), "");
        assert_eq!(it.finish(""), "");
        assert_eq!(Agreement::default().finish(" Hi."), "Hi.");
    }
}
