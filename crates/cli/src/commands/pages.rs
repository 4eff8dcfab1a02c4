//! `parasol completions` and `parasol man`: pages made from the declaration in `args`.

use crate::args::Cli;
use crate::exit::{Outcome, Stop};
use crate::output;
use clap::CommandFactory;
use parasol_core::{Error, ErrorKind};

/// Prints the completions for `shell`.
///
/// # Errors
/// When stdout cannot be written to.
pub(crate) fn completions(shell: clap_complete::Shell) -> Outcome {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "parasol", &mut script);
    output::write(&String::from_utf8_lossy(&script))
}

/// Prints the manual page of the program, or of one of its commands, as roff.
///
/// # Errors
/// When there is no such command, or stdout cannot be written to.
pub(crate) fn man(command: Option<&str>) -> Outcome {
    let mut program = Cli::command();
    // Gives the subcommands their full names and the global options.
    program.build();
    let page = match command {
        None => program,
        Some(name) => {
            let known: Vec<_> = program.get_subcommands().map(|c| c.get_name().to_owned()).collect();
            let found = program
                .get_subcommands()
                .find(|c| c.get_name() == name || c.get_all_aliases().any(|a| a == name));
            let found = found.cloned().ok_or_else(|| {
                let message = format!("there is no command {name}: there are {}", known.join(", "));
                Stop::Failed(Error::new(ErrorKind::InvalidRequest, message))
            })?;
            // A page is headed by the name to type and filed under the name with a dash, as git's pages are.
            let display = format!("parasol-{}", found.get_name());
            found.display_name(display)
        }
    };
    let mut roff = Vec::new();
    clap_mangen::Man::new(page).source(concat!("parasol ", env!("CARGO_PKG_VERSION"))).render(&mut roff)?;
    output::write(&String::from_utf8_lossy(&roff))
}
