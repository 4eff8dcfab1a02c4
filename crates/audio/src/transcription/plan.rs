//! A request to transcribe, checked before it waits for its turn.

use super::{DEFAULT_BEAM, Engine, LONGEST_PROMPT, MOST_BEAMS, languages};
use parasol_core::{Error, ErrorKind, Result, Timestamps, TranscribeRequest, TranscribeTask};

/// Temperatures that are tried one after the other.
const TEMPERATURES: [f32; 6] = [0.0, 0.2, 0.4, 0.6, 0.8, 1.0];

/// A request, checked.
pub(super) struct Plan {
    pub(super) language: Option<u32>,
    pub(super) task: TranscribeTask,
    pub(super) timestamps: Timestamps,
    pub(super) prompt: Vec<u32>,
    pub(super) temperatures: Vec<f32>,
    pub(super) beams: usize,
    pub(super) previous: bool,
    pub(super) voice_activity: bool,
    pub(super) seed: u64,
}

impl Plan {
    /// # Errors
    /// `InvalidRequest` for a language, a temperature or a number that there is not.
    pub(super) fn new(engine: &Engine, request: &TranscribeRequest) -> Result<Self> {
        let invalid = |message: String| Err(Error::new(ErrorKind::InvalidRequest, message));
        let special = &engine.special;
        let language = match request.language.as_deref().map(str::trim).filter(|l| !l.is_empty()) {
            None => None,
            Some(name) => match languages::find(name).and_then(|index| special.language_token(index)) {
                Some(token) => Some(token),
                None => {
                    return invalid(format!(
                        "{name:?} is no language that {} knows: give a code such as en, or none to have it found",
                        engine.name
                    ));
                }
            },
        };
        if !special.multilingual {
            let other = language.filter(|token| *token != special.language);
            if other.is_some() || request.task == TranscribeTask::Translate {
                return invalid(format!(
                    "{} knows English only: take a multilingual model such as whisper-base",
                    engine.name
                ));
            }
        }
        let temperatures = match request.temperature {
            None => TEMPERATURES.to_vec(),
            Some(t) if (0.0..=2.0).contains(&t) => vec![t],
            Some(t) => return invalid(format!("the temperature is {t}: it lies between 0 and 2")),
        };
        let beams = request.beam.unwrap_or(DEFAULT_BEAM);
        if !(1..=MOST_BEAMS).contains(&beams) {
            return invalid(format!("{beams} texts side by side: 1 to {MOST_BEAMS} can be followed"));
        }
        let prompt = request.prompt.as_deref().map(str::trim).unwrap_or_default();
        if prompt.len() > LONGEST_PROMPT {
            return invalid(format!(
                "the prompt has {} bytes: at most {LONGEST_PROMPT} are read",
                prompt.len()
            ));
        }
        let prompt = match prompt {
            "" => Vec::new(),
            text => engine.vocabulary.encode(&format!(" {text}")),
        };
        let most = engine.config.text_context / 2 - 1;
        if prompt.len() > most {
            return invalid(format!(
                "the prompt has {} tokens and the model looks back on {most}: shorten it",
                prompt.len()
            ));
        }
        let clock = || std::time::SystemTime::UNIX_EPOCH.elapsed().map_or(1, |t| t.subsec_nanos().into());
        Ok(Self {
            language: language.or((!special.multilingual).then_some(special.language)),
            task: request.task,
            timestamps: request.timestamps,
            prompt,
            temperatures,
            beams,
            previous: request.previous_text,
            voice_activity: request.voice_activity,
            seed: request.seed.unwrap_or_else(clock),
        })
    }
}
