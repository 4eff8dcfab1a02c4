//! Keeps what a model thinks apart from what it answers: `<think>` … `</think>` and its kin, at the beginning of an answer.

use parasol_core::Part;

/// The marks around what a model thinks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ThinkingMarks {
    /// Before it.
    pub open: &'static str,
    /// After it.
    pub close: &'static str,
}

impl ThinkingMarks {
    /// All that are known.
    pub const KNOWN: [Self; 2] =
        [Self { open: "<think>", close: "</think>" }, Self { open: "[THINK]", close: "[/THINK]" }];
}

/// Where an answer begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ThinkingStart {
    /// Before the opening mark, which may or may not come.
    Before,
    /// After it: the prompt ends with it.
    Inside,
}

#[derive(Debug, PartialEq, Eq)]
enum State {
    Before,
    Inside,
    /// White space after the closing mark belongs to neither part.
    Closed,
    After,
}

/// Splits one answer.
#[derive(Debug)]
pub(super) struct Thinking {
    marks: ThinkingMarks,
    state: State,
    held: String,
    /// No thought has been shown yet: white space before the first is dropped.
    fresh: bool,
}

impl Thinking {
    pub(super) fn new(marks: ThinkingMarks, start: ThinkingStart) -> Self {
        let state = if start == ThinkingStart::Inside { State::Inside } else { State::Before };
        Self { marks, state, held: String::new(), fresh: true }
    }

    pub(super) fn marks(&self) -> ThinkingMarks {
        self.marks
    }

    /// Whether the answer is inside the thinking.
    pub(super) fn inside(&self) -> bool {
        self.state == State::Inside
    }

    /// Takes more text; the parts that became certain, in order.
    pub(super) fn push(&mut self, text: &str) -> Vec<(Part, String)> {
        let mut out = Vec::new();
        self.held.push_str(text);
        if self.state == State::Before {
            let start = self.held.trim_start();
            if let Some(rest) = start.strip_prefix(self.marks.open) {
                self.held = rest.to_owned();
                self.state = State::Inside;
            } else if !self.marks.open.starts_with(start) {
                self.state = State::After;
            }
        }
        if self.state == State::Inside {
            self.thoughts(&mut out);
        }
        if self.state == State::Closed {
            let start = self.held.trim_start();
            if !start.is_empty() {
                self.held = start.to_owned();
                self.state = State::After;
            }
        }
        if self.state == State::After && !self.held.is_empty() {
            out.push((Part::Answer, std::mem::take(&mut self.held)));
        }
        out
    }

    fn thoughts(&mut self, out: &mut Vec<(Part, String)>) {
        if self.fresh {
            self.held = self.held.trim_start().to_owned();
        }
        let thought = match self.held.find(self.marks.close) {
            Some(at) => {
                let rest = self.held.split_off(at + self.marks.close.len());
                self.held.truncate(at);
                self.state = State::Closed;
                std::mem::replace(&mut self.held, rest).trim_end().to_owned()
            }
            None => {
                // White space before the closing mark, and what may be its beginning, wait.
                let close = self.marks.close;
                let begun = (1..close.len()).rev().find(|&n| self.held.ends_with(&close[..n])).unwrap_or(0);
                let shown = self.held[..self.held.len() - begun].trim_end().len();
                self.held.drain(..shown).collect()
            }
        };
        if !thought.is_empty() {
            self.fresh = false;
            out.push((Part::Reasoning, thought));
        }
    }

    /// The answer is over: what was held back.
    pub(super) fn finish(&mut self) -> Option<(Part, String)> {
        let rest = std::mem::take(&mut self.held);
        let part = match self.state {
            State::Inside => Part::Reasoning,
            State::Closed => return None,
            State::Before | State::After => Part::Answer,
        };
        (!rest.is_empty()).then_some((part, rest))
    }
}
