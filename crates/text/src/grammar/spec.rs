//! What a grammar is made of: a Lark text, and the parts that it names with `@`.

use super::schema;
use llguidance::api::{GrammarWithLexer, TopLevelGrammar};
use parasol_core::{AnswerFormat, Error, ErrorKind, Result};
use serde_json::{Value as Json, json};

/// Longest Lark text or regular expression, in bytes.
const LONGEST_TEXT: usize = 64 << 10;
/// White space where JSON allows it: enough for a pretty-printed answer, and no way to fill the context with it.
const WHITE_SPACE: &str = r" |\n[ ]{0,16}|\n\t{0,8}";

/// One part of a grammar.
#[derive(Debug, Clone, PartialEq)]
pub enum Body {
    /// JSON that this schema accepts.
    Schema(Json),
    /// A text that this regular expression matches as a whole.
    Regex(String),
    /// A text of this Lark grammar.
    Lark(String),
}

/// A grammar to compile with [`super::GrammarFactory::compile`].
#[derive(Debug, Clone, PartialEq)]
pub struct GrammarSpec {
    start: Body,
    parts: Vec<(String, Body)>,
    after: Option<u32>,
}

impl GrammarSpec {
    /// The grammar of one body.
    pub fn new(start: Body) -> Self {
        Self { start, parts: Vec::new(), after: None }
    }

    /// The grammar of an answer's form.
    pub fn from_format(format: &AnswerFormat) -> Self {
        Self::new(Body::from_format(format))
    }

    /// The same with a part that the Lark text refers to as `@name`.
    #[must_use]
    pub fn with_part(mut self, name: impl Into<String>, body: Body) -> Self {
        self.parts.push((name.into(), body));
        self
    }

    /// The same, asleep until `token` comes: everything is allowed before it and after the text that the grammar describes.
    #[must_use]
    pub fn asleep_until(mut self, token: u32) -> Self {
        self.after = Some(token);
        self
    }

    /// The token that wakes it.
    pub(super) fn after(&self) -> Option<u32> {
        self.after
    }

    /// Refuses what would be ignored or would take too much to compile.
    pub(super) fn check(&self) -> Result<()> {
        self.start.check()?;
        self.parts.iter().try_for_each(|(_, body)| body.check())
    }

    /// In the library's types.
    pub(super) fn grammar(&self) -> TopLevelGrammar {
        let mut grammars = vec![self.start.grammar("start-of-all")];
        grammars.extend(self.parts.iter().map(|(name, body)| body.grammar(name)));
        TopLevelGrammar { grammars, max_tokens: None }
    }
}

impl Body {
    /// The body of an answer's form.
    pub fn from_format(format: &AnswerFormat) -> Self {
        match format {
            AnswerFormat::JsonObject => Self::Schema(json!({"type": "object"})),
            AnswerFormat::JsonSchema { schema } => Self::Schema(schema.clone()),
            AnswerFormat::Regex { pattern } => Self::Regex(pattern.clone()),
            AnswerFormat::Lark { grammar } => Self::Lark(grammar.clone()),
        }
    }

    fn check(&self) -> Result<()> {
        let (what, text) = match self {
            Self::Schema(schema) => return schema::check(schema),
            Self::Regex(pattern) => ("regular expression", pattern),
            Self::Lark(grammar) => ("grammar", grammar),
        };
        if text.len() > LONGEST_TEXT {
            let message =
                format!("the {what} is {} bytes long; at most {LONGEST_TEXT} are compiled", text.len());
            return Err(Error::new(ErrorKind::InvalidRequest, message));
        }
        Ok(())
    }

    fn grammar(&self, name: &str) -> GrammarWithLexer {
        let mut grammar = match self {
            Self::Schema(schema) => {
                let options = json!({"whitespace_pattern": WHITE_SPACE});
                let schema = match schema::closed(schema) {
                    Json::Object(mut fields) => {
                        fields.insert("x-guidance".into(), options);
                        Json::Object(fields)
                    }
                    // `true` accepts everything, and `false` is refused by the check.
                    _ => json!({"x-guidance": options}),
                };
                GrammarWithLexer::from_json_schema(schema)
            }
            Self::Regex(pattern) => GrammarWithLexer::from_regex(pattern),
            Self::Lark(lark) => GrammarWithLexer::from_lark(lark.clone()),
        };
        grammar.name = Some(name.to_owned());
        grammar
    }
}
