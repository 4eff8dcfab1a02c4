//! `parasol chat`: the conversation at the terminal. What a line means is in `command`, where it comes from in `editor`,
//! what is kept in `conversation`.

mod command;
mod conversation;
mod editor;

use crate::answer::{Answer, Show, follow};
use crate::args::{ChatArgs, EngineArgs, GenerationArgs};
use crate::exit::{Outcome, Stop};
use crate::interrupt::Listener;
use crate::models::{self, Opening};
use crate::output;
use crate::terminal::Style;
use command::Line;
use conversation::Conversation;
use editor::Input;
use parasol_core::{ChatRequest, Error, ErrorKind, Message, Role};
use parasol_runtime::{AnyModel, Runtime};
use std::path::{Path, PathBuf};

/// The name of the history file in Parasol's folder.
const HISTORY: &str = "chat_history";

/// A chat going on.
struct Session<'a> {
    runtime: &'a Runtime,
    engine: &'a EngineArgs,
    generation: &'a GenerationArgs,
    accept_licence: bool,
    /// Print timings after each answer.
    stats: bool,
    model: AnyModel,
    talk: Conversation,
    last: Option<Answer>,
    listener: Listener,
    typed: bool,
    style: Style,
}

/// Runs a chat to its end.
///
/// # Errors
/// When the model cannot be opened; from a pipe also when a line fails.
pub(crate) fn chat(runtime: &Runtime, args: &ChatArgs) -> Outcome {
    let mut talk = match &args.load {
        Some(path) => Conversation::load(path)?,
        None => Conversation::default(),
    };
    if let Some(system) = &args.system {
        crate::input::check(system.as_bytes(), "--system")?;
        talk.set_system(system);
    }
    let reference = args.model_flag.as_deref().or(args.model.as_deref());
    // A loaded conversation goes on with the model that it was had with, unless another is named.
    let reference = reference.or(Some(talk.model.as_str()).filter(|m| !m.is_empty()));
    let opening = Opening { reference, engine: &args.engine, accept_licence: args.accept_licence };
    let model = models::open(runtime, &opening)?;
    let history = (!args.no_history).then(|| runtime.home().join(HISTORY));
    let mut input = Input::open(history)?;
    let mut session = Session {
        runtime,
        engine: &args.engine,
        generation: &args.generation,
        accept_licence: args.accept_licence,
        stats: args.stats,
        model,
        talk,
        last: None,
        listener: Listener::new(),
        typed: input.is_typed(),
        style: Style::stdout(),
    };
    session.greet()?;
    let outcome = session.converse(&mut input);
    input.close();
    outcome
}

impl Session<'_> {
    fn greet(&self) -> Outcome {
        if !self.typed || output::quiet() {
            return Ok(());
        }
        let context = self.model.context();
        let context = context.map(|n| format!(" · context {} tokens", output::grouped(n as u64)));
        let context = context.unwrap_or_default();
        let rest = format!("{context} · /help lists the commands, Ctrl-D leaves");
        output::line(&format!("{}{}\n", self.style.bold(self.model.name()), self.style.dim(&rest)))
    }

    fn converse(&mut self, input: &mut Input) -> Outcome {
        while let Some(text) = input.next(&self.listener)? {
            let line = command::parse(&text);
            if line == Line::Quit {
                break;
            }
            match self.handle(line) {
                // At a terminal a failure is told and the talk goes on; a script must not run on after one.
                Err(Stop::Failed(e)) if self.typed => {
                    output::error(e.message());
                    if matches!(e.kind(), ErrorKind::ContextOverflow { .. }) {
                        output::note("/clear starts afresh");
                    }
                }
                Err(Stop::Interrupted) if self.typed => output::note("stopped"),
                other => other?,
            }
        }
        Ok(())
    }

    fn handle(&mut self, line: Line) -> Outcome {
        match line {
            Line::Blank | Line::Quit => Ok(()),
            Line::Say(text) => {
                crate::input::check(text.as_bytes(), "the message")?;
                self.talk.messages.push(Message::new(Role::User, text));
                self.answer()
            }
            Line::Retry => {
                if self.talk.unanswer() {
                    self.answer()
                } else {
                    Err(mistake("there is nothing to answer yet"))
                }
            }
            Line::Help => output::line(&command::help()),
            Line::System(None) => {
                output::line(self.talk.system().unwrap_or("no instructions: /system TEXT sets them"))
            }
            Line::System(Some(text)) => {
                crate::input::check(text.as_bytes(), "the instructions")?;
                self.talk.set_system(&text);
                self.tell("instructions set")
            }
            Line::Clear => {
                self.talk.clear();
                self.tell("forgotten")
            }
            Line::Save(path) => self.save(Path::new(&path)),
            Line::Load(path) => self.load(PathBuf::from(path)),
            Line::Model(None) => output::line(self.model.name()),
            Line::Model(Some(name)) => self.change_model(&name),
            Line::Stats => self.show_stats(),
            Line::Mistake(why) => Err(mistake(&why)),
        }
    }

    /// Answers the conversation, whose last message is the user's. Fails as if that message had not been said.
    fn answer(&mut self) -> Outcome {
        let request = ChatRequest {
            messages: self.talk.messages.clone(),
            sampling: self.generation.sampling(self.model.recommended()),
            max_tokens: self.generation.max_tokens,
            stop: self.generation.stop.clone(),
            ..ChatRequest::default()
        };
        self.listener.take();
        let answered =
            models::chat(&self.model, request).and_then(|stream| follow(stream, &self.listener, Show::Text));
        let answer = answered.inspect_err(|_| drop(self.talk.messages.pop()))?;
        let end = if answer.text.ends_with('\n') { "" } else { "\n" };
        output::write(if self.typed && end.is_empty() {
            "\n"
        } else if self.typed {
            "\n\n"
        } else {
            end
        })?;
        if answer.text.is_empty() {
            self.talk.messages.pop();
        } else {
            let mut message = Message::new(Role::Assistant, answer.text.clone());
            message.reasoning = Some(answer.reasoning.clone()).filter(|thoughts| !thoughts.is_empty());
            message.signatures.clone_from(&answer.signatures);
            self.talk.messages.push(message);
        }
        if answer.interrupted() {
            output::note(&self.style.dim("(stopped)"));
        }
        let way_out = "/clear starts afresh";
        answer.tell_if_context_is_full(self.model.context(), self.generation.max_tokens, way_out);
        if self.stats {
            output::note(&Style::stderr().dim(&answer.stats()));
        }
        self.last = Some(answer);
        Ok(())
    }

    fn save(&mut self, path: &Path) -> Outcome {
        self.model.reference().clone_into(&mut self.talk.model);
        self.talk.save(path)?;
        self.tell(&format!("saved to {}", path.display()))
    }

    fn load(&mut self, path: PathBuf) -> Outcome {
        self.talk = Conversation::load(&path)?;
        let count = self.talk.messages.len();
        self.tell(&format!("loaded {count} messages from {}", path.display()))
    }

    fn change_model(&mut self, name: &str) -> Outcome {
        let opening =
            Opening { reference: Some(name), engine: self.engine, accept_licence: self.accept_licence };
        self.model = models::open(self.runtime, &opening)?;
        self.listener.take();
        self.tell(&format!("now talking with {}", self.model.name()))
    }

    fn show_stats(&self) -> Outcome {
        let Some(last) = &self.last else { return output::line("no answer yet") };
        let used = last.usage.prompt_tokens.saturating_add(last.usage.generated_tokens);
        output::line(&last.stats())?;
        let Some(limit) = self.model.context() else { return Ok(()) };
        output::line(&format!(
            "context {} of {} tokens",
            output::grouped(used as u64),
            output::grouped(limit as u64)
        ))
    }

    /// Confirms something to a person; a program sees that no error came.
    fn tell(&self, text: &str) -> Outcome {
        if self.typed { output::line(&self.style.dim(text)) } else { Ok(()) }
    }
}

fn mistake(why: &str) -> Stop {
    Stop::Failed(Error::new(ErrorKind::InvalidRequest, why))
}
