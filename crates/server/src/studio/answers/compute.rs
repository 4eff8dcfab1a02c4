//! Computing an answer: from the branch to a request, and from the model's events to the message that is kept and told.

use super::super::store::{
    self, AnswerTimings, AnswerUsage, Message, MessageRole, MessageState, Parameters, ToolCall, finish_word,
};
use super::live::{Live, frame};
use crate::AppState;
use crate::context::RequestContext;
use futures_core::Stream;
use parasol_core::{
    ChatRequest, EventStream, GenerationEvent, Message as Said, Part, Result, Role, Sampling,
    ToolCall as Called, ToolCallDelta, ToolChoice, ToolSpec,
};
use serde_json::{Value, json};
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How often what there is of an answer is saved, and its speed told.
const SAVE: Duration = Duration::from_secs(1);

/// What a model is told in place of a tool's result: protocols and templates want one for each call.
const NOT_RUN: &str = "This call was not run: no tools are connected here.";

/// What is asked of which model.
pub(super) struct Question {
    pub(super) model: String,
    pub(super) system: Option<String>,
    pub(super) path: Vec<Message>,
    pub(super) parameters: Parameters,
}

impl Question {
    /// The conversation as the model gets it. Answers that say nothing are left out, and what was said in several messages without an
    /// answer between them is one message: templates want turns. Tools that answers called are there with their calls and with what
    /// became of those, and none may be called.
    pub(super) fn request(&self) -> ChatRequest {
        let mut messages: Vec<Said> = Vec::new();
        if let Some(system) = self.system.as_ref().filter(|system| !system.trim().is_empty()) {
            messages.push(Said::new(Role::System, system.clone()));
        }
        for message in &self.path {
            let role = match message.role {
                MessageRole::User => Role::User,
                MessageRole::Assistant => Role::Assistant,
            };
            if role == Role::Assistant && message.content.is_empty() && message.tool_calls.is_empty() {
                continue;
            }
            match messages.last_mut().filter(|last| last.role == role && last.tool_calls.is_empty()) {
                Some(last) if message.tool_calls.is_empty() => {
                    last.content = format!("{}\n\n{}", last.content, message.content);
                }
                _ => messages.extend(turn(role, message)),
            }
        }
        ChatRequest {
            tools: tools(&messages),
            tool_choice: ToolChoice::None,
            messages,
            reasoning: self.parameters.thinks(),
            max_tokens: self.parameters.max_tokens,
            stop: self.parameters.stop.clone().unwrap_or_default(),
            ..ChatRequest::default()
        }
    }
}

/// What a message says, the tools that it called, and for each call what became of it.
fn turn(role: Role, message: &Message) -> Vec<Said> {
    let calls = message.tool_calls.iter().enumerate().map(|(at, call)| Called {
        id: if call.id.is_empty() { format!("call_{at}") } else { call.id.clone() },
        name: if call.name.is_empty() { "unnamed".to_owned() } else { call.name.clone() },
        arguments: arguments(&call.arguments),
    });
    let said = Said { tool_calls: calls.collect(), ..Said::new(role, message.content.clone()) };
    let results: Vec<Said> = said.tool_calls.iter().map(result).collect();
    std::iter::once(said).chain(results).collect()
}

/// The result of a call that nobody ran.
fn result(call: &Called) -> Said {
    Said {
        tool_call_id: Some(call.id.clone()),
        name: Some(call.name.clone()),
        ..Said::new(Role::Tool, NOT_RUN)
    }
}

/// A call's arguments as an object, which is what templates and protocols take; those that broke off are shown, not lost.
fn arguments(text: &str) -> Value {
    let text = text.trim();
    match serde_json::from_str::<Value>(text) {
        _ if text.is_empty() => json!({}),
        Ok(value) if value.is_object() => value,
        _ => json!({ "incomplete": text }),
    }
}

/// The tools that a conversation's calls name: some protocols refuse calls of tools that the request does not describe.
fn tools(messages: &[Said]) -> Vec<ToolSpec> {
    let mut tools: Vec<ToolSpec> = Vec::new();
    for call in messages.iter().flat_map(|message| &message.tool_calls) {
        if !tools.iter().any(|tool| tool.name == call.name) {
            let parameters = json!({ "type": "object" });
            tools.push(ToolSpec { name: call.name.clone(), description: String::new(), parameters });
        }
    }
    tools
}

/// Computes an answer to its end, or until it is stopped, and keeps it.
pub(super) async fn run(state: AppState, ctx: RequestContext, live: Arc<Live>, question: Question) {
    let mut stop = live.stopping();
    let outcome = tokio::select! {
        outcome = follow(&state, &ctx, &live, &question) => Some(outcome),
        _ = stop.wait_for(|stop| *stop) => None,
    };
    let mut message = live.message();
    // An answer that the server's end interrupted is kept already.
    if message.state != MessageState::Running {
        return;
    }
    match outcome {
        Some(Ok(())) => message.state = MessageState::Complete,
        Some(Err(error)) => {
            message.state = MessageState::Failed;
            message.error = Some(error.message().to_owned());
        }
        None => message.state = MessageState::Stopped,
    }
    let kept = message.clone();
    if let Err(error) = state.storage().run(move |db| store::save(db, &kept)).await {
        tracing::error!(%error, "an answer cannot be kept");
        message.state = MessageState::Failed;
        message.error = Some(format!("the answer could not be kept: {error}"));
    }
    let told = json!({ "conversation": live.conversation, "message": message.id, "state": message.state });
    let id = message.id.clone();
    live.end(message);
    state.house().answers.forget(&id);
    state.house().events.publish(Some(&live.owner), "answer", &told);
    super::super::conversations::publish(&state, &live.owner, &live.conversation, "updated");
}

/// Hands what the model says on to the message and its listeners.
async fn follow(state: &AppState, ctx: &RequestContext, live: &Live, question: &Question) -> Result<()> {
    let mut request = question.request();
    let recommended = state.recommended(ctx, &question.model).await?;
    let sampling = question.parameters.sampling().or(&recommended).sampling();
    request.sampling = Sampling { seed: question.parameters.seed, ..sampling };
    let mut events = state.chat(ctx, &question.model, request).await?;
    let mut saved = Instant::now();
    let mut tokens = 0_usize;
    let mut first: Option<Instant> = None;
    while let Some(event) = next(&mut events).await {
        let event = event?;
        if matches!(event, GenerationEvent::Token(_) | GenerationEvent::ToolCall(_)) {
            tokens = tokens.saturating_add(1);
            first.get_or_insert_with(Instant::now);
        }
        take(live, event);
        if saved.elapsed() >= SAVE {
            saved = Instant::now();
            // The first token came at the beginning of the time that is measured.
            let seconds = first.map_or(0.0, |first| first.elapsed().as_secs_f64());
            let speed = if seconds > 0.0 { tokens.saturating_sub(1) as f64 / seconds } else { 0.0 };
            live.tell(frame("stats", &json!({ "generated_tokens": tokens, "tokens_per_second": speed })));
            let message = live.message();
            state.storage().run(move |db| store::save(db, &message)).await?;
        }
    }
    Ok(())
}

async fn next(events: &mut EventStream<GenerationEvent>) -> Option<Result<GenerationEvent>> {
    poll_fn(|cx| Pin::new(&mut *events).poll_next(cx)).await
}

/// Takes an event into the message and tells it.
fn take(live: &Live, event: GenerationEvent) {
    match event {
        // The message has the name that was asked for, which finds the model again.
        GenerationEvent::Started { .. } => {}
        GenerationEvent::Prefill { done, total } => {
            live.tell(frame("prefill", &json!({ "done": done, "total": total })));
        }
        GenerationEvent::Token(token) => {
            if token.text.is_empty() {
                return;
            }
            let told = frame("delta", &json!({ "part": token.part, "text": token.text }));
            let add = |message: &mut Message| match token.part {
                Part::Answer | Part::Refusal => message.content.push_str(&token.text),
                Part::Reasoning => message.reasoning.get_or_insert_default().push_str(&token.text),
            };
            live.change(add, Some(told));
        }
        // Seals and sources have no place in a conversation of the studio's yet; what was ignored stands in the log.
        GenerationEvent::Signature(_) | GenerationEvent::Citation(_) | GenerationEvent::Ignored { .. } => {}
        GenerationEvent::ToolCall(delta) => {
            let told = frame("tool_call", &piece(&delta));
            live.change(|message| add_call(message, delta), Some(told));
        }
        GenerationEvent::Finished { reason, usage, timings, .. } => {
            let milliseconds = |time: Duration| time.as_secs_f64() * 1e3;
            let finish = |message: &mut Message| {
                message.finish_reason = Some(finish_word(reason).to_owned());
                message.usage = Some(AnswerUsage {
                    prompt_tokens: usage.prompt_tokens,
                    cached_tokens: usage.cached_tokens,
                    generated_tokens: usage.generated_tokens,
                    reasoning_tokens: usage.reasoning_tokens,
                    cost_usd: usage.cost.map(|cost| cost.as_dollars()),
                });
                message.timings = Some(AnswerTimings {
                    first_token_ms: milliseconds(timings.first_token),
                    prefill_ms: milliseconds(timings.prefill),
                    decode_ms: milliseconds(timings.decode),
                });
            };
            live.change(finish, None);
        }
    }
}

fn piece(delta: &ToolCallDelta) -> serde_json::Value {
    let mut it = json!({ "index": delta.index, "arguments": delta.arguments });
    if let Some(start) = &delta.start {
        it["id"] = json!(start.id);
        it["name"] = json!(start.name);
    }
    it
}

fn add_call(message: &mut Message, delta: ToolCallDelta) {
    // Calls come one after the other; a gap would be a fault of an engine's, and must not cost memory.
    let at = delta.index.min(message.tool_calls.len());
    if at == message.tool_calls.len() {
        message.tool_calls.push(ToolCall::default());
    }
    if let Some(call) = message.tool_calls.get_mut(at) {
        if let Some(start) = delta.start {
            call.id = start.id;
            call.name = start.name;
        }
        call.arguments.push_str(&delta.arguments);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn said(role: MessageRole, content: &str) -> Message {
        Message::new(role, None, content.to_owned()).unwrap()
    }

    #[test]
    fn a_model_gets_turns() {
        use MessageRole::{Assistant, User};
        let path = vec![
            said(User, "a"),
            said(Assistant, ""),
            said(User, "b"),
            said(Assistant, "c"),
            said(User, "d"),
        ];
        let question = Question {
            model: String::new(),
            system: Some("s".into()),
            path,
            parameters: Parameters::default(),
        };
        let request = question.request();
        let turns: Vec<_> = request.messages.into_iter().map(|m| (m.role, m.content)).collect();
        let wanted = [(Role::System, "s"), (Role::User, "a\n\nb"), (Role::Assistant, "c"), (Role::User, "d")];
        assert_eq!(turns, wanted.map(|(role, text)| (role, text.to_owned())));
        assert!(request.tools.is_empty());
    }

    #[test]
    fn a_model_gets_its_calls_of_tools_and_what_became_of_them() {
        use MessageRole::{Assistant, User};
        let call = |id: &str, name: &str, arguments: &str| ToolCall {
            id: id.into(),
            name: name.into(),
            arguments: arguments.into(),
        };
        let calls = vec![
            call("c7", "weather", r#"{"city":"Oslo"}"#),
            call("", "weather", ""),
            call("x", "time", r#"{"zone":"#),
        ];
        let silent = Message { tool_calls: calls, ..said(Assistant, "") };
        let path = vec![said(User, "a"), said(Assistant, "b"), silent, said(Assistant, "c"), said(User, "d")];
        let question =
            Question { model: String::new(), system: None, path, parameters: Parameters::default() };
        let request = question.request();
        let roles: Vec<_> = request.messages.iter().map(|m| m.role).collect();
        let tool = Role::Tool;
        let wanted =
            [Role::User, Role::Assistant, Role::Assistant, tool, tool, tool, Role::Assistant, Role::User];
        assert_eq!(roles, wanted);
        let called: Vec<_> =
            request.messages[2].tool_calls.iter().map(|c| (c.id.as_str(), c.arguments.clone())).collect();
        let cut = json!({ "incomplete": r#"{"zone":"# });
        assert_eq!(called, [("c7", json!({ "city": "Oslo" })), ("call_1", json!({})), ("x", cut)]);
        let results: Vec<_> =
            request.messages[3..6].iter().map(|m| m.tool_call_id.as_deref().unwrap()).collect();
        assert_eq!(results, ["c7", "call_1", "x"]);
        assert!(request.messages[3].content.contains("not run"));
        let named: Vec<_> = request.tools.iter().map(|tool| tool.name.as_str()).collect();
        assert_eq!((named, request.tool_choice), (vec!["weather", "time"], ToolChoice::None));
    }
}
