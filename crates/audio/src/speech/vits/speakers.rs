//! The speakers of a voice file: how they are called, and the row that tells each to the network.

use super::config::Config;
use super::parts::From;
use parasol_core::{Error, ErrorKind, Result, Voice};
use std::collections::HashSet;

/// Speakers of a file: known voices have up to 904.
const MOST_SPEAKERS: usize = 1 << 13;
/// Numbers of a speaker's row: known voices have 512.
const WIDEST: usize = 1 << 12;
/// Characters of a speaker's name.
const LONGEST_NAME: usize = 100;

/// The speakers of a network that has several.
pub(super) struct Table {
    /// (speakers, width)
    rows: Vec<f32>,
    width: usize,
}

impl Table {
    /// The table that the network looks a speaker up in; `None` where it has one speaker.
    ///
    /// # Errors
    /// `Unsupported` when the network uses the speaker's number in another way, or has more of them than any voice.
    pub(super) fn open(from: &From<'_, '_>) -> Result<Option<Self>> {
        // Where there is one speaker this is no input, and Piper's exporter calls the first weights of the file so.
        let node = from.graph.reader("sid").ok().filter(|_| !from.graph.has("sid"));
        let Some(node) = node else { return Ok(None) };
        let unlike = |what: String| Err(Error::new(ErrorKind::Unsupported, what));
        let (true, Some(name)) = (node.operation == "Gather", node.inputs.first()) else {
            return unlike("the voice does not look its speakers up in a table".to_owned());
        };
        let tensor = from.graph.tensor(name)?;
        let &[speakers, width] = tensor.dims() else {
            return unlike(format!("the voice has speakers of the shape {:?}", tensor.dims()));
        };
        if !(1..=MOST_SPEAKERS).contains(&speakers) || !(1..=WIDEST).contains(&width) {
            return unlike(format!(
                "the voice has {speakers} speakers of {width} numbers: 1 to {MOST_SPEAKERS} of 1 to {WIDEST} are read"
            ));
        }
        Ok(Some(Self { rows: tensor.floats()?, width }))
    }

    /// Numbers of a row.
    pub(super) fn width(&self) -> usize {
        self.width
    }

    /// How many there are.
    fn count(&self) -> usize {
        self.rows.len() / self.width
    }
}

/// All speakers as voices.
pub(super) struct Speakers {
    pub(super) voices: Vec<Voice>,
    /// Of each voice: its row in the table.
    numbers: Vec<usize>,
    table: Option<Table>,
}

impl Speakers {
    /// The voices of a file called `name`.
    ///
    /// # Errors
    /// `Corrupt` when its configuration and its network do not agree on their number, or a name is none or there twice.
    pub(super) fn open(config: &Config, name: &str, table: Option<Table>) -> Result<Self> {
        let corrupt = |message: String| Err(Error::new(ErrorKind::Corrupt, message));
        let language = config.language();
        let voice =
            |name: String, description: String| Voice { name, language: language.clone(), description };
        let count = table.as_ref().map_or(1, Table::count);
        if let Some(said) = config.num_speakers.filter(|said| *said > count) {
            return corrupt(format!(
                "the voice has {said} speakers in its configuration and {count} in its network"
            ));
        }
        let default = config.default_speaker_id.unwrap_or(0);
        if default >= count {
            return corrupt(format!(
                "the voice has speaker {default} as its default and {count} in its network"
            ));
        }
        let own = config.dataset.clone().unwrap_or_else(|| name.to_owned());
        if table.is_none() {
            return Ok(Self { voices: vec![voice(own, String::new())], numbers: vec![0], table });
        }
        let mut all = named(config, count)?;
        // The default first, then by their numbers, those of one number as the file has them.
        all.sort_by_key(|(_, number)| (*number != default, *number));
        let (mut voices, mut numbers) = (Vec::new(), Vec::new());
        for (name, number) in all {
            voices.push(voice(name, format!("speaker {number} of {own}")));
            numbers.push(number);
        }
        Ok(Self { voices, numbers, table })
    }

    /// The voice that a word means: one of this name, else the speaker of this number.
    pub(super) fn find(&self, word: &str) -> Option<usize> {
        Voice::named(&self.voices, word).or_else(|| {
            self.table.as_ref()?;
            let number: usize = word.parse().ok()?;
            self.numbers.iter().position(|it| *it == number)
        })
    }

    /// What tells a voice to the network; `None` where it knows one only.
    ///
    /// # Panics
    /// When there is no such voice.
    pub(super) fn row(&self, voice: usize) -> Option<&[f32]> {
        let table = self.table.as_ref()?;
        let from = self.numbers[voice] * table.width;
        Some(&table.rows[from..from + table.width])
    }
}

/// The names of all speakers with their numbers below `count`: those of the configuration, and a number where it has none.
fn named(config: &Config, count: usize) -> Result<Vec<(String, usize)>> {
    let corrupt = |message: String| Err(Error::new(ErrorKind::Corrupt, message));
    let given = config.speaker_id_map.as_ref().map_or(&[][..], |names| &names.0);
    if given.len() > MOST_SPEAKERS {
        return corrupt(format!(
            "the voice names {} speakers: at most {MOST_SPEAKERS} are read",
            given.len()
        ));
    }
    let (mut all, mut names, mut numbered) = (Vec::new(), HashSet::new(), HashSet::new());
    for (name, number) in given {
        let shown: String = name.chars().take(LONGEST_NAME).collect();
        if name.trim() != name || name.is_empty() || name.chars().any(char::is_control) || shown != *name {
            return corrupt(format!(
                "the voice has a speaker called {shown:?}: a name has 1 to {LONGEST_NAME} letters, and no blanks around it"
            ));
        }
        if *number >= count {
            return corrupt(format!(
                "the voice has {number} as the number of {shown:?} and {count} speakers in its network"
            ));
        }
        if !names.insert(name.as_str()) {
            return corrupt(format!("the voice has two speakers called {shown:?}"));
        }
        numbered.insert(*number);
        all.push((name.clone(), *number));
    }
    for number in (0..count).filter(|number| !numbered.contains(number)) {
        let plain = number.to_string();
        let name = if names.contains(plain.as_str()) { format!("speaker {number}") } else { plain };
        if names.contains(name.as_str()) {
            return corrupt(format!("the voice has a speaker called {name:?} that is another"));
        }
        all.push((name, number));
    }
    Ok(all)
}
