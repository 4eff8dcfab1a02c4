//! Grammars that an answer must follow, token by token: JSON Schema, regular expressions and Lark through `llguidance`. Which
//! grammar a request needs is [`crate::prompt`]'s to say; drawing a token from what is left is the sampler's.

mod compile;
mod constraint;
mod schema;
mod spec;
mod vocabulary;

pub use constraint::Constraint;
pub use schema::check as check_schema;
pub use spec::{Body, GrammarSpec};

use crate::tokenizer::Tokenizer;
use llguidance::ParserFactory;
use llguidance::earley::SlicedBiasComputer;
use llguidance::toktrie::{InferenceCapabilities, TokEnv};
use parasol_core::{Error, ErrorKind, Result};
use std::sync::{Arc, OnceLock};

/// Lexer states of one constraint, at some kilobyte each.
const MOST_LEXER_STATES: usize = 20_000;
/// Work on the regular expressions of one grammar, in the library's units (about 50 000 a millisecond).
const MOST_LEXER_WORK: u64 = 1_000_000;
/// Symbols in the productions of one grammar.
const LARGEST_GRAMMAR: usize = 200_000;

/// Makes constraints for one model's vocabulary. Building it takes some tenths of a second for a large vocabulary, so there is
/// one for each model, made when it is first needed ([`LazyGrammars`]).
pub struct GrammarFactory {
    parsers: Arc<ParserFactory>,
    ends: Arc<[u32]>,
    vocabulary: usize,
}

impl GrammarFactory {
    /// Arranges the tokenizer's tokens for masks.
    ///
    /// # Errors
    /// `Internal` when the library refuses the vocabulary.
    pub fn new(tokenizer: &Tokenizer) -> Result<Self> {
        let environment: TokEnv = Arc::new(vocabulary::Vocabulary::new(tokenizer)?);
        let slices = SlicedBiasComputer::general_slices();
        let mut parsers = ParserFactory::new(&environment, InferenceCapabilities::default(), &slices)
            .map_err(|e| {
                Error::new(ErrorKind::Internal, format!("the vocabulary cannot serve grammars: {e}"))
            })?;
        parsers.quiet();
        let limits = parsers.limits_mut();
        limits.max_lexer_states = MOST_LEXER_STATES;
        limits.initial_lexer_fuel = MOST_LEXER_WORK;
        limits.max_grammar_size = LARGEST_GRAMMAR;
        limits.verbose_errors = false;
        let vocabulary = tokenizer.vocabulary_size();
        Ok(Self { parsers: Arc::new(parsers), ends: tokenizer.ends().into(), vocabulary })
    }

    /// Compiles a grammar into the constraint of one answer.
    ///
    /// # Errors
    /// `InvalidRequest` for a grammar that is malformed, uses what is not supported (named), or is too large or too deep to
    /// be kept to in bounded time and memory; `Overloaded` when too many grammars are being compiled.
    pub fn compile(&self, spec: &GrammarSpec) -> Result<Constraint> {
        spec.check()?;
        let matcher = compile::compile(self.parsers.clone(), spec)?;
        Ok(Constraint::new(matcher, spec.after(), self.ends.clone(), self.vocabulary))
    }
}

impl std::fmt::Debug for GrammarFactory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "GrammarFactory({} tokens)", self.vocabulary)
    }
}

/// A model's [`GrammarFactory`], built by the first request that needs it.
#[derive(Debug, Default)]
pub struct LazyGrammars(OnceLock<Result<GrammarFactory>>);

impl LazyGrammars {
    /// One that is not built yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The factory; `tokenizer` must be the same at each call.
    ///
    /// # Errors
    /// Those of [`GrammarFactory::new`].
    pub fn get(&self, tokenizer: &Tokenizer) -> Result<&GrammarFactory> {
        self.0.get_or_init(|| GrammarFactory::new(tokenizer)).as_ref().map_err(Clone::clone)
    }
}
