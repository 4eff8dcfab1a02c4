//! What a request's text asks for, in order: passages, each with its pace and volume, and pauses. Plain text is one passage; text that
//! begins with `<speak` is SSML (W3C, 1.1), of which the tags for structure, pauses, pace, volume and pronunciation are obeyed. A tag that is
//! not is refused by name.

use super::ssml::{Piece, Tag, pieces};
use parasol_core::{Error, ErrorKind, Result};
use std::time::Duration;

/// Pauses between sentences and paragraphs that are marked as such, and the longest that a tag may ask for.
const SENTENCE: Duration = Duration::from_millis(250);
const PARAGRAPH: Duration = Duration::from_millis(600);
const LONGEST: Duration = Duration::from_secs(60);
/// Tags within tags.
const DEEPEST: usize = 32;

/// One step of reading.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Step {
    /// Something is said.
    Passage(Passage),
    /// Nothing is said for a while.
    Pause(Duration),
}

/// Text that is said in one manner.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Passage {
    /// The text.
    pub(super) text: String,
    /// The pace, as a factor.
    pub(super) speed: f32,
    /// The volume, as a factor.
    pub(super) volume: f32,
    /// Bytes of the request's text at which this begins …
    pub(super) from: usize,
    /// … and ends.
    pub(super) to: usize,
}

/// What holds inside a tag.
#[derive(Clone, Default)]
struct Manner {
    tag: String,
    speed: f32,
    volume: f32,
    /// Something has been said in place of the text within.
    silent: bool,
    spelt: bool,
    /// A pause when the tag ends.
    after: Option<Duration>,
}

/// The steps of a text; `takes_phonemes` tells whether the voice obeys `<phoneme>`.
///
/// # Errors
/// `InvalidRequest` for SSML that cannot be read, `Unsupported` for a tag or a value that is not obeyed, naming it.
pub(super) fn steps(text: &str, takes_phonemes: bool) -> Result<Vec<Step>> {
    let begin = text.trim_start();
    if !(begin.starts_with("<speak") || begin.starts_with("<?xml") && begin.contains("<speak")) {
        let whole = Passage { text: text.to_owned(), speed: 1.0, volume: 1.0, from: 0, to: text.len() };
        return Ok(vec![Step::Passage(whole)]);
    }
    let mut reader = Reader { steps: Vec::new(), stack: Vec::new(), at: 0, takes_phonemes };
    for piece in pieces(text) {
        match piece? {
            Piece::Text { text, from, to } => reader.text(&text, from, to)?,
            Piece::Open(tag) => reader.open(&tag)?,
            Piece::Close(name) => reader.close(&name)?,
        }
    }
    match reader.stack.last() {
        Some(open) => Err(invalid(format!("the SSML ends inside <{}>: close it", open.tag))),
        None => Ok(reader.steps),
    }
}

fn invalid(message: String) -> Error {
    Error::new(ErrorKind::InvalidRequest, message)
}

fn unsupported(what: impl std::fmt::Display) -> Error {
    Error::new(
        ErrorKind::Unsupported,
        format!("SSML's {what} is not obeyed: leave it out (docs/speech.md lists what is)"),
    )
}

struct Reader {
    steps: Vec<Step>,
    stack: Vec<Manner>,
    /// Where the last text ended.
    at: usize,
    takes_phonemes: bool,
}

impl Reader {
    fn text(&mut self, text: &str, from: usize, to: usize) -> Result<()> {
        self.at = to;
        let Some(manner) = self.stack.last() else {
            return match text.trim() {
                "" => Ok(()),
                text => {
                    let shown: String = text.chars().take(20).collect();
                    Err(invalid(format!("{shown:?} stands outside of <speak>")))
                }
            };
        };
        if manner.silent {
            return Ok(());
        }
        let text = match manner.spelt {
            true => text.chars().filter(|c| !c.is_whitespace()).map(|c| format!("{c} ")).collect(),
            false => text.to_owned(),
        };
        let (speed, volume) = (manner.speed, manner.volume);
        self.say(text, speed, volume, from, to);
        Ok(())
    }

    fn say(&mut self, text: String, speed: f32, volume: f32, from: usize, to: usize) {
        if text.trim().is_empty() {
            return;
        }
        // What only a tag such as <sub> divides is one sentence.
        if let Some(Step::Passage(last)) = self.steps.last_mut()
            && last.speed == speed
            && last.volume == volume
        {
            last.text += &text;
            last.to = to;
        } else {
            self.steps.push(Step::Passage(Passage { text, speed, volume, from, to }));
        }
    }

    fn open(&mut self, tag: &Tag) -> Result<()> {
        if self.stack.len() >= DEEPEST {
            return Err(invalid(format!("the SSML nests more than {DEEPEST} tags: make it flatter")));
        }
        let outer = match self.stack.last() {
            Some(outer) => outer.clone(),
            None if tag.name == "speak" => Manner { speed: 1.0, volume: 1.0, ..Manner::default() },
            None => return Err(invalid(format!("<{}> stands outside of <speak>", tag.name))),
        };
        let mut manner = Manner { tag: tag.name.clone(), after: None, ..outer };
        match tag.name.as_str() {
            "speak" => {}
            "p" => manner.after = Some(PARAGRAPH),
            "s" => manner.after = Some(SENTENCE),
            "break" => self.steps.push(Step::Pause(pause(tag)?)),
            "prosody" => prosody(tag, &mut manner)?,
            "sub" => self.instead(&mut manner, tag.need("alias")?.to_owned()),
            "phoneme" if !self.takes_phonemes => return Err(unsupported("<phoneme> with this voice")),
            "phoneme" => {
                let phonemes = tag.need("ph")?;
                if phonemes.contains(['(', ')', '/', '[', ']']) {
                    return Err(invalid(format!("the phonemes {phonemes:?} hold brackets or slashes")));
                }
                self.instead(&mut manner, format!("[phonemes](/{phonemes}/)"));
            }
            "say-as" => match tag.need("interpret-as")? {
                "characters" | "spell-out" | "verbatim" => manner.spelt = true,
                // Numbers, dates and times are read as such wherever they stand.
                "cardinal" | "number" | "ordinal" | "date" | "time" | "currency" | "telephone" | "unit"
                | "fraction" | "address" => {}
                other => return Err(unsupported(format_args!("<say-as interpret-as={other:?}>"))),
            },
            // These change nothing that is heard here and lose nothing that is said.
            "mark" | "w" | "token" | "meta" | "metadata" | "emphasis" => {}
            other => return Err(unsupported(format_args!("<{other}>"))),
        }
        if tag.closed {
            self.end(&manner);
        } else {
            self.stack.push(manner);
        }
        Ok(())
    }

    /// Says something in place of all that stands in a tag, unless a tag around it has done so.
    fn instead(&mut self, manner: &mut Manner, text: String) {
        if !std::mem::replace(&mut manner.silent, true) {
            self.say(text, manner.speed, manner.volume, self.at, self.at);
        }
    }

    fn close(&mut self, name: &str) -> Result<()> {
        match self.stack.pop() {
            Some(manner) if manner.tag == name => {
                self.end(&manner);
                Ok(())
            }
            Some(manner) => Err(invalid(format!("</{name}> stands where </{}> belongs", manner.tag))),
            None => Err(invalid(format!("</{name}> closes nothing"))),
        }
    }

    fn end(&mut self, manner: &Manner) {
        if let Some(pause) = manner.after {
            self.steps.push(Step::Pause(pause));
        }
    }
}

/// How long a `<break>` is.
fn pause(tag: &Tag) -> Result<Duration> {
    if let Some(time) = tag.get("time") {
        let number = |text: &str| text.trim().parse::<f64>().ok().filter(|n| n.is_finite() && *n >= 0.0);
        let seconds = match (time.strip_suffix("ms"), time.strip_suffix('s')) {
            (Some(ms), _) => number(ms).map(|ms| ms / 1000.0),
            (None, Some(s)) => number(s),
            _ => None,
        };
        let pause = seconds.and_then(|s| Duration::try_from_secs_f64(s).ok()).filter(|p| *p <= LONGEST);
        return pause.ok_or_else(|| {
            invalid(format!(
                "the break of {time:?} is no time from 0 to {} s, such as 500ms",
                LONGEST.as_secs()
            ))
        });
    }
    Ok(Duration::from_millis(match tag.get("strength").unwrap_or("medium") {
        "none" => 0,
        "x-weak" => 100,
        "weak" => 250,
        "medium" => 500,
        "strong" => 800,
        "x-strong" => 1200,
        other => return Err(invalid(format!("{other:?} is no strength of a break"))),
    }))
}

/// Pace and volume; what a voice here cannot change is refused.
fn prosody(tag: &Tag, manner: &mut Manner) -> Result<()> {
    for name in ["pitch", "contour", "range", "duration"] {
        if tag.get(name).is_some() {
            return Err(unsupported(format_args!("<prosody {name}>")));
        }
    }
    if let Some(rate) = tag.get("rate") {
        manner.speed *= match rate {
            "x-slow" => 0.5,
            "slow" => 0.75,
            "medium" | "default" => 1.0,
            "fast" => 1.25,
            "x-fast" => 1.75,
            _ => factor(rate, "rate")?,
        };
    }
    if let Some(volume) = tag.get("volume") {
        manner.volume *= match volume {
            "silent" => 0.0,
            "x-soft" => 0.25,
            "soft" => 0.5,
            "medium" | "default" => 1.0,
            "loud" => 1.5,
            "x-loud" => 2.0,
            _ => match volume.strip_suffix("dB").and_then(|db| db.trim().parse::<f32>().ok()) {
                Some(db) if (-60.0..=12.0).contains(&db) => 10f32.powf(db / 20.0),
                _ => factor(volume, "volume")?,
            },
        };
    }
    Ok(())
}

/// `120%`, `+20%`, `-20%` or `1.2`.
fn factor(text: &str, what: &str) -> Result<f32> {
    let number = |text: &str| text.trim().parse::<f32>().ok();
    let value = match text.strip_suffix('%') {
        Some(percent) if percent.starts_with(['+', '-']) => number(percent).map(|p| 1.0 + p / 100.0),
        Some(percent) => number(percent).map(|p| p / 100.0),
        None => number(text),
    };
    value
        .filter(|value| (0.0..=4.0).contains(value))
        .ok_or_else(|| invalid(format!("the {what} {text:?} is no factor from 0 to 4, such as 120% or 1.2")))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn said(text: &str) -> Vec<String> {
        let each = |step: Step| match step {
            Step::Passage(p) => format!("{}×{}: {}", p.speed, p.volume, p.text.trim()),
            Step::Pause(length) => format!("{} ms", length.as_millis()),
        };
        steps(text, true).unwrap().into_iter().map(each).collect()
    }

    #[test]
    fn plain_text_stays_as_it_is() {
        assert_eq!(said("a < b & <c>"), ["1×1: a < b & <c>"]);
    }

    #[test]
    fn tags_are_obeyed() {
        assert_eq!(
            said(
                "<?xml version=\"1.0\"?> <speak version='1.1'>Hi &amp; <sub alias=\"World\">W</sub>!<break time=\"1.5s\"/>\
                 <prosody rate=\"50%\" volume='soft'>slow <prosody rate=\"+100%\">fast</prosody></prosody>\
                 <p>One</p><say-as interpret-as=\"characters\">a1</say-as> <phoneme ph=\"həlˈO\">x</phoneme></speak>"
            ),
            [
                "1×1: Hi & World!",
                "1500 ms",
                "0.5×0.5: slow",
                "1×0.5: fast",
                "1×1: One",
                "600 ms",
                "1×1: a 1 [phonemes](/həlˈO/)"
            ]
        );
    }

    #[test]
    fn what_stands_apart_from_tags_is_said_as_it_stands() {
        assert_eq!(said("<speak><!-- no --><![CDATA[1 < 2 & <b>]]> yes</speak>"), ["1×1: 1 < 2 & <b> yes"]);
        assert_eq!(said("<speak><![CDATA[]]>x</speak>"), ["1×1: x"]);
    }

    #[test]
    fn what_is_said_instead_is_said_once() {
        assert_eq!(said("<speak><sub alias='a'><w>x</w>y<w>z</w></sub> b</speak>"), ["1×1: a b"]);
        assert_eq!(said("<speak><sub alias='a'><sub alias='c'>y</sub></sub></speak>"), ["1×1: a"]);
    }

    #[test]
    fn what_is_not_obeyed_is_named() {
        for (text, part) in [
            ("<speak><audio src='x'/></speak>", "<audio>"),
            ("<speak><prosody pitch='high'>x</prosody></speak>", "pitch"),
            ("<speak><voice name='x'>x</voice></speak>", "<voice>"),
            ("<speak>x", "<speak>"),
            ("<speak><![CDATA[x</speak>", "CDATA"),
            ("<speak></p></speak>", "</p>"),
            ("<speak>x</speak> and more", "and more"),
            ("<speak><break time='9h'/></speak>", "9h"),
            ("<speak>&nope;</speak>", "&nope;"),
            ("<speak><sub>x</sub></speak>", "alias"),
            ("<speak", "<speak"),
        ] {
            let error = steps(text, true).unwrap_err();
            assert!(error.message().contains(part), "{text}: {error}");
        }
        assert!(steps(&format!("<speak>{}", "<p>".repeat(1000)), true).is_err());
        let error = steps("<speak><phoneme ph='x'>x</phoneme></speak>", false).unwrap_err();
        assert!(error.message().contains("<phoneme>"), "{error}");
    }
}
