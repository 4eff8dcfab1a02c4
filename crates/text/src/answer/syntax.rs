//! How families of models write calls to tools, recognised by their chat templates.

/// The way in which a model writes calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallSyntax {
    /// `<tool_call>{"name": …, "arguments": {…}}</tool_call>`: Hermes, Qwen and many others.
    Hermes,
    /// `<tool_call><function=name><parameter=key>value</parameter></function></tool_call>`: Qwen3-Coder.
    Xml,
    /// `{"name": …, "parameters": {…}}`, after `<|python_tag|>` or alone: Llama 3.
    Llama3,
    /// `[TOOL_CALLS] [{"name": …, "arguments": {…}}, …]`: Mistral.
    Mistral,
    /// `[TOOL_CALLS]name[ARGS]{…}`: Mistral's later models.
    MistralNamed,
    /// A fence of ```` ```tool_call ```` with JSON, or of ```` ```tool_code ```` with a call as in Python: Gemma 3.
    Gemma,
}

impl CallSyntax {
    /// The syntax that a chat template teaches; `None` when it knows none.
    pub fn of_template(source: &str) -> Option<Self> {
        let has = |text| source.contains(text);
        if has("<tool_call>") {
            Some(if has("<function=") { Self::Xml } else { Self::Hermes })
        } else if has("[TOOL_CALLS]") {
            Some(if has("[ARGS]") { Self::MistralNamed } else { Self::Mistral })
        } else if has("<|python_tag|>") || has("<|start_header_id|>") && has("\"parameters\":") {
            Some(Self::Llama3)
        } else if has("```tool_call") || has("```tool_code") {
            Some(Self::Gemma)
        } else {
            None
        }
    }

    /// Marks that begin a call.
    pub(super) fn opens(self) -> &'static [&'static str] {
        match self {
            Self::Hermes | Self::Xml => &["<tool_call>"],
            Self::Llama3 => &["<|python_tag|>"],
            Self::Mistral | Self::MistralNamed => &["[TOOL_CALLS]"],
            Self::Gemma => &["```tool_call", "```tool_code"],
        }
    }

    /// The mark that ends one.
    pub(super) fn close(self) -> Option<&'static str> {
        match self {
            Self::Hermes | Self::Xml => Some("</tool_call>"),
            Self::Gemma => Some("```"),
            Self::Llama3 | Self::Mistral | Self::MistralNamed => None,
        }
    }

    /// Whether an answer that begins with a brace may be a call.
    pub(super) fn bare(self) -> bool {
        matches!(self, Self::Llama3 | Self::Gemma)
    }

    /// Whether a character may stand between calls.
    pub(super) fn fills(self, c: char) -> bool {
        c.is_whitespace() || self == Self::Llama3 && matches!(c, ';' | ',')
    }

    /// All texts that mean something to the syntax: where they are control tokens, which otherwise stay hidden, they are read.
    pub(super) fn marks(self) -> Vec<&'static str> {
        let mut marks = self.opens().to_vec();
        marks.extend(self.close());
        if matches!(self, Self::Mistral | Self::MistralNamed) {
            marks.extend(["[ARGS]", "[CALL_ID]"]);
        }
        marks
    }
}
