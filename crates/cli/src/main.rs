//! The `parasol` command: a door to the runtime. It knows terminals, pipes, exit codes and words for people, and no
//! model: what can be asked for is declared in `args`, what each command does stands in `commands` and `chat`.

mod answer;
mod args;
mod beside;
mod chat;
mod commands;
mod config;
mod exit;
mod input;
mod interrupt;
mod models;
mod output;
mod sink;
mod terminal;

use args::{Cli, Command};
use clap::FromArgMatches;
use exit::{Outcome, Stop};
use parasol_core::{Error, ErrorKind};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

fn main() -> ExitCode {
    let matches = match config::matches() {
        Ok(matches) => matches,
        Err(e) => {
            output::error(e.message());
            return ExitCode::from(&Stop::Failed(e));
        }
    };
    let cli = match Cli::from_arg_matches(&matches) {
        Ok(cli) => cli,
        Err(e) => e.exit(),
    };
    if cli.quiet {
        output::be_quiet();
    }
    interrupt::install();
    // A panic has told its place on stderr; here it becomes an exit code, with the terminal put back.
    let outcome = catch_unwind(AssertUnwindSafe(|| dispatch(&cli.command, &matches))).unwrap_or_else(|_| {
        Err(Error::new(ErrorKind::Internal, "this is a fault of Parasol's own: please report it").into())
    });
    terminal::restore();
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(stop) => {
            if let Stop::Failed(e) = &stop {
                output::error(e.message());
            }
            ExitCode::from(&stop)
        }
    }
}

fn dispatch(command: &Command, matches: &clap::ArgMatches) -> Outcome {
    match command {
        Command::Run(args) => commands::run::run(args, matches),
        Command::Chat(args) => chat::chat(&commands::runtime()?, args),
        Command::Transcribe(args) => commands::transcribe::transcribe(&commands::runtime()?, args),
        Command::Listen(args) => commands::listen::listen(&commands::runtime()?, args),
        Command::Film(args) => commands::film::film(&commands::runtime()?, args),
        Command::Jobs(args) => commands::jobs::jobs(&commands::runtime()?, args),
        Command::Speak(args) => commands::speak::speak(&commands::runtime()?, args),
        Command::Embed(args) => commands::embed::embed(&commands::runtime()?, args),
        Command::Imagine(args) => commands::imagine::imagine(&commands::runtime()?, args),
        Command::Voices(args) => commands::voices::voices(&commands::runtime()?, args),
        Command::Pull(args) => commands::pull::pull(&commands::runtime()?, args),
        Command::List(args) => commands::list::list(&commands::runtime()?, args),
        Command::Show(args) => commands::show::show(&commands::runtime()?, args),
        Command::Rm(args) => commands::rm::rm(&commands::runtime()?, args),
        Command::Serve(args) => commands::serve::serve(args, matches),
        Command::Ps(args) => commands::admin::ps(args),
        Command::Stop(args) => commands::admin::stop(args),
        Command::Providers(args) => commands::providers::providers(&commands::runtime()?, args),
        Command::Usage(args) => commands::usage::usage(&commands::runtime()?, args),
        Command::Keys(args) => commands::keys::keys(args),
        Command::Config(args) => config::command(args, matches),
        Command::Bench(args) => commands::bench::bench(&commands::runtime()?, args),
        Command::Doctor(args) => commands::doctor::doctor(args),
        Command::Completions(args) => commands::pages::completions(args.shell),
        Command::Man(args) => commands::pages::man(args.command.as_deref()),
    }
}
