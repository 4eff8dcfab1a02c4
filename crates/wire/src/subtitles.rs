//! Transcripts as files: SubRip (SRT), WebVTT (<https://www.w3.org/TR/webvtt1/>) and tab-separated values, piece by piece.

use parasol_core::Segment;

/// Kinds of file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subtitles {
    /// SubRip: numbered, with a comma before the milliseconds.
    Srt,
    /// WebVTT.
    Vtt,
    /// Start and end in milliseconds, and the text.
    Tsv,
}

impl Subtitles {
    /// What stands before the first segment.
    pub fn head(self) -> &'static str {
        match self {
            Self::Srt => "",
            Self::Vtt => "WEBVTT\n\n",
            Self::Tsv => "start\tend\ttext\n",
        }
    }

    /// One segment; its words, where they are timed, become cues of their own.
    pub fn segment(self, segment: &Segment, words: bool) -> String {
        let cue = |number: usize, start: f64, end: f64, text: &str| {
            let text = clean(text);
            match self {
                Self::Srt => {
                    format!("{}\n{} --> {}\n{text}\n\n", number + 1, time(start, ','), time(end, ','))
                }
                // The format's own marks.
                Self::Vtt => {
                    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
                    format!("{} --> {}\n{text}\n\n", time(start, '.'), time(end, '.'))
                }
                Self::Tsv => format!("{}\t{}\t{text}\n", milliseconds(start), milliseconds(end)),
            }
        };
        if !words || segment.words.is_empty() {
            return cue(segment.id, segment.start, segment.end, &segment.text);
        }
        let numbered = segment.words.iter().enumerate();
        numbered.map(|(at, word)| cue(segment.id + at, word.start, word.end, &word.word)).collect()
    }
}

/// One line without what separates cues and columns.
fn clean(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace("-->", "→")
}

fn milliseconds(seconds: f64) -> u64 {
    // Times are finite and not negative; `as` bounds what is not.
    (seconds * 1000.0).round() as u64
}

fn time(seconds: f64, point: char) -> String {
    let all = milliseconds(seconds);
    let (hours, minutes, seconds) = (all / 3_600_000, all / 60_000 % 60, all / 1000 % 60);
    format!("{hours:02}:{minutes:02}:{seconds:02}{point}{:03}", all % 1000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use parasol_core::Word;

    #[test]
    fn segments_are_written_as_the_formats_want_them() {
        let word = |word: &str, start, end| Word { word: word.into(), start, end, probability: 1.0 };
        let segment = Segment {
            id: 1,
            start: 3661.5,
            end: 3662.007,
            text: " a < b\n --> c\t".into(),
            words: vec![word(" a", 3661.5, 3661.7), word(" b", 3661.7, 3662.0)],
            ..Segment::default()
        };
        assert_eq!(
            Subtitles::Srt.segment(&segment, false),
            "2\n01:01:01,500 --> 01:01:02,007\na < b → c\n\n"
        );
        assert_eq!(
            Subtitles::Vtt.segment(&segment, false),
            "01:01:01.500 --> 01:01:02.007\na &lt; b → c\n\n"
        );
        assert_eq!(Subtitles::Tsv.segment(&segment, false), "3661500\t3662007\ta < b → c\n");
        assert!(Subtitles::Srt.segment(&segment, true).ends_with("3\n01:01:01,700 --> 01:01:02,000\nb\n\n"));
    }
}
