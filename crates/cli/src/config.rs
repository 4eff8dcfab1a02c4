//! The configuration file. Its keys are the flags of `parasol serve`, so that the declaration in `args` stays the only one: what
//! the file says becomes the default of the flag, and flags and environment variables go before it as they do before
//! every default.

use crate::args::{self, CacheType, ConfigArgs, ConfigCommand, most_threads};
use crate::exit::Outcome;
use crate::output;
use crate::terminal::Style;
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command};
use parasol_core::{Error, ErrorKind, Result};
use parasol_hub::Settings;
use parasol_runtime::{BackendEntry, Limits, Price, RemoteVoice};
use parasol_server::Setting;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use toml::{Spanned, Value};

/// The name of the file in the home folder.
const FILE: &str = "config.toml";

/// What a remote model can be used for where nothing is said.
pub(crate) const CAPABILITIES: [&str; 2] = ["chat", "complete"];

/// What it can be used for at all. Films are made by models of `remote.toml` only, where their jobs are found again from the command line.
const KNOWN: [&str; 6] = ["chat", "complete", "embed", "transcribe", "speak", "imagine"];

/// Larger than any that people write.
const MOST_BYTES: u64 = 1 << 20;

/// What is set for one model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ModelEntry {
    /// Its name.
    pub(crate) name: String,
    /// It is never unloaded for others.
    #[serde(default)]
    pub(crate) pin: bool,
    /// Tokens that its context holds.
    #[serde(default)]
    pub(crate) context: Option<usize>,
    /// Tokens that its cache holds for all sequences together.
    #[serde(default, rename = "cache-tokens")]
    pub(crate) cache_tokens: Option<usize>,
    /// How its keys and values are kept.
    #[serde(default, rename = "cache-type")]
    pub(crate) cache_type: Option<CacheType>,
    /// Sequences that are computed together.
    #[serde(default)]
    pub(crate) sequences: Option<usize>,
    /// Threads to compute with.
    #[serde(default)]
    pub(crate) threads: Option<usize>,
    /// Quantise it to this format while it loads.
    #[serde(default)]
    pub(crate) quantize: Option<String>,
    /// Addresses that compute it instead of this machine.
    #[serde(default)]
    pub(crate) remote: Vec<BackendEntry>,
    /// For a remote model: what it can be used for; `chat` and `complete` when nothing is said.
    #[serde(default)]
    pub(crate) capabilities: Option<Vec<String>>,
    /// For a remote model: how long its addresses may take.
    #[serde(default)]
    pub(crate) limits: Option<Limits>,
    /// For a remote model that speaks: its voices, the default first.
    #[serde(default)]
    pub(crate) voices: Vec<RemoteVoice>,
    /// For a remote model: what it costs.
    #[serde(default)]
    pub(crate) price: Option<Price>,
}

/// The value parser of `--models`.
pub(crate) fn model_entries(text: &str) -> std::result::Result<Box<[ModelEntry]>, String> {
    let entries: Vec<ModelEntry> = serde_json::from_str(text).map_err(|e| e.to_string())?;
    for entry in &entries {
        check_entry(entry)?;
    }
    Ok(entries.into())
}

fn check_entry(entry: &ModelEntry) -> std::result::Result<(), String> {
    let name = &entry.name;
    let local = [
        ("pin", entry.pin),
        ("threads", entry.threads.is_some()),
        ("quantize", entry.quantize.is_some()),
        ("cache-tokens", entry.cache_tokens.is_some()),
        ("cache-type", entry.cache_type.is_some()),
        ("sequences", entry.sequences.is_some()),
    ];
    let counts = [
        ("context", entry.context),
        ("threads", entry.threads),
        ("cache-tokens", entry.cache_tokens),
        ("sequences", entry.sequences),
    ];
    let local = local.iter().find(|(_, set)| *set && !entry.remote.is_empty());
    let zero = counts.iter().find(|(_, count)| *count == Some(0));
    if name.trim().is_empty() {
        Err("a model has no name".into())
    } else if let Some((setting, _)) = local {
        Err(format!("{name} is remote: {setting} is a setting of models that run here"))
    } else if entry.remote.is_empty() && entry.limits.is_some() {
        Err(format!("{name} runs here: limits are a setting of remote models"))
    } else if entry.remote.is_empty() && entry.capabilities.is_some() {
        Err(format!(
            "{name} runs here: what it can do its file says, and capabilities are a setting of remote models"
        ))
    } else if entry.capabilities.as_ref().is_some_and(Vec::is_empty) {
        Err(format!("{name} has no capabilities: leave them out, or name some of {}", KNOWN.join(", ")))
    } else if entry.capabilities.iter().flatten().any(|can| can == "film") {
        Err(format!("{name} cannot be used for films from here: write it into remote.toml"))
    } else if let Some(other) = entry.capabilities.iter().flatten().find(|c| !KNOWN.contains(&c.as_str())) {
        Err(format!("{name} cannot be used for {other:?}: {} are what there is", KNOWN.join(", ")))
    } else if let Some((setting, _)) = zero {
        Err(format!("the {setting} of {name} must be at least 1"))
    } else if entry.threads.is_some_and(|threads| threads > most_threads()) {
        Err(format!("the threads of {name} must be at most {} on this machine", most_threads()))
    } else {
        entry.remote.iter().try_for_each(|address| address.check(name)).map_err(|e| format!("{name}: {e}"))
    }
}

/// A file that was read and found right.
struct File {
    path: PathBuf,
    /// For each key its values, as its flag would be given them, and its line.
    values: BTreeMap<String, (Vec<String>, usize)>,
}

/// The command line, read with the configuration file where the command takes one.
///
/// # Errors
/// What is wrong with the file. A wrong command line ends the program.
pub(crate) fn matches() -> Result<ArgMatches> {
    let matches = args::command().get_matches();
    let Some(settings) = settings(&matches) else { return Ok(matches) };
    match file(settings.get_one::<PathBuf>("config"))? {
        Some(file) => Ok(with(args::command(), &file).get_matches()),
        None => Ok(matches),
    }
}

/// The settings of `serve` in what was matched, if the command has them.
fn settings(matches: &ArgMatches) -> Option<&ArgMatches> {
    match matches.subcommand()? {
        ("serve", sub) => Some(sub),
        ("config", sub) => sub.subcommand().filter(|(name, _)| *name == "show").map(|(_, sub)| sub),
        _ => None,
    }
}

/// The file that is named, or the one in the home folder if it is there.
fn file(named: Option<&PathBuf>) -> Result<Option<File>> {
    let path = match named {
        Some(path) => path.clone(),
        None => {
            let path = Settings::from_env()?.home.join(FILE);
            if !path.exists() {
                return Ok(None);
            }
            path
        }
    };
    read(path).map(Some)
}

/// The command with the file's values as defaults.
fn with(command: Command, file: &File) -> Command {
    let set = |mut command: Command| {
        for (name, (values, _)) in &file.values {
            let values = values.clone();
            command = command.mut_arg(name.replace('-', "_"), |arg| arg.default_values(values));
        }
        command
    };
    command.mut_subcommand("serve", set).mut_subcommand("config", |c| c.mut_subcommand("show", set))
}

fn read(path: PathBuf) -> Result<File> {
    let name = path.display();
    let failed =
        |e: std::io::Error| Error::from(e).within(format!("cannot read the configuration file {name}"));
    let mut bytes = Vec::new();
    // What has no size, as a device or a pipe, is not read for ever.
    std::fs::File::open(&path)
        .and_then(|file| file.take(MOST_BYTES + 1).read_to_end(&mut bytes))
        .map_err(failed)?;
    if bytes.len() as u64 > MOST_BYTES {
        let says = format!("{name} is larger than {MOST_BYTES} bytes: that is no configuration file");
        return Err(Error::new(ErrorKind::InvalidRequest, says));
    }
    let text = String::from_utf8(bytes).map_err(|e| {
        wrong(&path, "", 0, &format!("it is no UTF-8 from byte {}", e.utf8_error().valid_up_to()))
    })?;
    let values = understand(&path, &text)?;
    Ok(File { path, values })
}

fn understand(path: &Path, text: &str) -> Result<BTreeMap<String, (Vec<String>, usize)>> {
    let at = |e: &toml::de::Error| e.span().map_or(0, |span| span.start);
    let table: BTreeMap<Spanned<String>, Spanned<Value>> =
        toml::from_str(text).map_err(|e| wrong(path, text, at(&e), e.message()))?;
    let command = args::command();
    let serve =
        command.find_subcommand("serve").map(|c| c.get_arguments().collect::<Vec<_>>()).unwrap_or_default();
    let known = |arg: &&&Arg| {
        arg.get_long().is_some_and(|long| !["config", "help", "quiet", "version"].contains(&long))
    };
    let mut values = BTreeMap::new();
    for (key, value) in table {
        let name = key.get_ref();
        let Some(arg) = serve.iter().filter(known).find(|arg| arg.get_long() == Some(name.as_str())) else {
            let names = serve.iter().filter(known).filter_map(|arg| arg.get_long());
            let near = names
                .map(|n| (strsim::jaro_winkler(n, &name.replace('_', "-")), n))
                .max_by(|a, b| a.0.total_cmp(&b.0))
                .filter(|(score, _)| *score > 0.7)
                .map(|(_, n)| format!("; did you mean {n}?"))
                .unwrap_or_else(|| "; `parasol serve --help` lists the settings".into());
            return Err(wrong(path, text, key.span().start, &format!("there is no setting {name}{near}")));
        };
        let start = value.span().start;
        if name == "models" {
            check_models(path, text)?;
        }
        let given =
            strings(arg, value.into_inner()).map_err(|e| wrong(path, text, start, &format!("{name} {e}")))?;
        try_values(arg, &given).map_err(|e| wrong(path, text, start, &e))?;
        values.insert(name.clone(), (given, position(text, start).0));
    }
    Ok(values)
}

/// Reads the entries of models for the places of what is wrong in them.
fn check_models(path: &Path, text: &str) -> Result<()> {
    #[derive(Deserialize)]
    struct Models {
        models: Vec<Spanned<ModelEntry>>,
    }
    let read: Models = toml::from_str(text)
        .map_err(|e| wrong(path, text, e.span().map_or(0, |span| span.start), e.message()))?;
    for entry in read.models {
        check_entry(entry.get_ref()).map_err(|e| wrong(path, text, entry.span().start, &e))?;
    }
    Ok(())
}

/// A value as its flag would be given it.
fn strings(arg: &Arg, value: Value) -> std::result::Result<Vec<String>, String> {
    let scalar = |value: Value| match value {
        Value::String(text) => Ok(text),
        Value::Integer(n) => Ok(n.to_string()),
        Value::Float(n) => Ok(n.to_string()),
        Value::Boolean(b) => Ok(b.to_string()),
        other => Err(format!("cannot be a {}", other.type_str())),
    };
    match value {
        _ if arg.get_id() == "models" => {
            serde_json::to_string(&value).map(|t| vec![t]).map_err(|e| e.to_string())
        }
        Value::Array(values) if matches!(arg.get_action(), ArgAction::Append) => {
            values.into_iter().map(scalar).collect()
        }
        Value::Boolean(_) if !matches!(arg.get_action(), ArgAction::SetTrue) => {
            Err("cannot be a boolean".into())
        }
        other if matches!(arg.get_action(), ArgAction::SetTrue) && !other.is_bool() => {
            Err(format!("must be true or false and is a {}", other.type_str()))
        }
        other => Ok(vec![scalar(other)?]),
    }
}

/// Has the flag's own parser look at the values.
fn try_values(arg: &Arg, values: &[String]) -> std::result::Result<(), String> {
    if matches!(arg.get_action(), ArgAction::SetTrue) {
        return Ok(());
    }
    let name = arg.get_long().unwrap_or_default();
    let alone = Command::new("serve").no_binary_name(true).arg(arg.clone().env(None::<&str>));
    let words = values.iter().map(|value| format!("--{name}={value}"));
    alone.try_get_matches_from(words).map(|_| ()).map_err(|e| {
        let text = e.to_string();
        let first = text.lines().next().unwrap_or_default();
        first.trim_start_matches("error: ").replace(&format!("'--{name} "), &format!("'{name} "))
    })
}

/// Line and column, from 1, of a byte.
fn position(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    (line, column)
}

fn wrong(path: &Path, text: &str, at: usize, says: &str) -> Error {
    let (line, column) = position(text, at);
    Error::new(ErrorKind::InvalidRequest, format!("{}, line {line}, column {column}: {says}", path.display()))
}

/// Runs `parasol config`.
///
/// # Errors
/// What is wrong with the file.
pub(crate) fn command(args: &ConfigArgs, matches: &ArgMatches) -> Outcome {
    match &args.command {
        ConfigCommand::Check { file: named } => match file(named.as_ref())? {
            Some(file) => output::line(&format!("{} is right", file.path.display())),
            None => output::line("there is no configuration file, which is right as well"),
        },
        ConfigCommand::Show(args) => show(args.config.as_ref(), matches),
    }
}

/// Prints every setting, its value and its source.
fn show(named: Option<&PathBuf>, matches: &ArgMatches) -> Outcome {
    let mut rows = vec![["SETTING", "VALUE", "FROM"].map(str::to_owned).to_vec()];
    rows.extend(listed(named, matches)?.into_iter().map(|it| vec![it.key, it.value, it.source]));
    output::write(&output::table(&rows, &[], Style::stdout()))
}

/// Every setting, its value and its source.
///
/// # Errors
/// What is wrong with the configuration file.
pub(crate) fn listed(named: Option<&PathBuf>, matches: &ArgMatches) -> Result<Vec<Setting>> {
    let file = file(named)?;
    let command = args::command();
    let Some(found) = settings(matches) else { return Ok(Vec::new()) };
    let serve =
        command.find_subcommand("serve").map(|c| c.get_arguments().collect::<Vec<_>>()).unwrap_or_default();
    let mut rows = Vec::new();
    for arg in serve {
        let Some(name) = arg.get_long().filter(|n| !["help", "version", "quiet"].contains(n)) else {
            continue;
        };
        let id = arg.get_id().as_str();
        let raw = found.try_get_raw(id).ok().flatten();
        let value: Vec<_> = raw.into_iter().flatten().map(|v| v.to_string_lossy().into_owned()).collect();
        let in_file = file.as_ref().and_then(|f| Some((f, f.values.get(name)?.1)));
        let source = match (found.value_source(id), in_file) {
            (Some(ValueSource::CommandLine), _) => format!("--{name}"),
            (Some(ValueSource::EnvVariable), _) => {
                arg.get_env().map(|e| e.to_string_lossy().into_owned()).unwrap_or_default()
            }
            (_, Some((file, line))) => format!("{}, line {line}", file.path.display()),
            _ => "default".into(),
        };
        let meaning = arg.get_help().map(ToString::to_string).unwrap_or_default();
        rows.push(Setting { key: name.to_owned(), value: value.join(", "), source, meaning });
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn fails(text: &str) -> String {
        understand(Path::new("c.toml"), text).unwrap_err().message().to_owned()
    }

    #[test]
    fn what_is_wrong_is_named_with_its_place() {
        let says = [
            (
                "max-queue = 4\nmax-boddy = 3\n",
                "line 2, column 1: there is no setting max-boddy; did you mean max-body?",
            ),
            ("max-queue = 0", "line 1, column 13"),
            ("# x\n\n  listen = \"nowhere\"", "line 3, column 12"),
            ("listen = [", "line 1"),
            ("insecure = 3", "insecure must be true or false"),
            ("log-format = \"xml\"", "xml"),
            ("[[models]]\nname = \"a\"\nweight = 3\n", "line 3"),
            ("[[models]]\nname = \"a\"\npin = true\nremote = [{ url = \"http://x\" }]\n", "a is remote"),
            ("config = \"x\"", "no setting config"),
            ("[[models]]\nname = \"a\"\ncapabilities = [\"chat\"]\n", "a runs here"),
            (
                "[[models]]\nname = \"a\"\ncapabilities = [\"draw\"]\nremote = [{ url = \"http://x\" }]\n",
                "\"draw\"",
            ),
            (
                "[[models]]\nname = \"a\"\ncapabilities = []\nremote = [{ url = \"http://x\" }]\n",
                "no capabilities",
            ),
            (
                "[[models]]\nname = \"a\"\ncapabilities = [\"film\"]\nremote = [{ url = \"http://x\" }]\n",
                "remote.toml",
            ),
            (
                "# x\n[[models]]\nname = \"a\"\nremote = [{ url = \"nowhere\" }]\n",
                "line 2, column 1: a: a remote address is no URL",
            ),
            ("[[models]]\nname = \"a\"\nremote = [{ url = \"ftp://h\" }]\n", "http://"),
            ("[[models]]\nname = \"a\"\nthreads = 1000000\n", "the threads of a must be at most"),
            ("threads = 1000000\n", "line 1, column 11"),
            ("max-queue = 4\nmax-queue = 5\n", "line 2"),
            ("[max-queue]\nx = 1\n", "line 1"),
            ("max-queue = 99999999999999999999\n", "line 1"),
            ("grace = \"-3s\"\n", "line 1"),
            ("memory = \"three\"\n", "line 1"),
            ("\u{feff}max-queue = 0\n", "line 1"),
            ("models = 3\n", "line 1"),
        ];
        for (text, part) in says {
            assert!(fails(text).contains(part), "{}", fails(text));
        }
    }

    #[test]
    fn a_right_file_is_read() {
        let text = "listen = [\"127.0.0.1:1\", \"[::1]:2\"]\nmax-body = \"1MB\"\ninsecure = true\n\
                    [[models]]\nname = \"far\"\nremote = [{ url = \"http://127.0.0.1:1\", weight = 2 }]\n";
        let values = understand(Path::new("c.toml"), text).unwrap();
        assert_eq!(values["listen"].0, ["127.0.0.1:1", "[::1]:2"]);
        assert_eq!((values["max-body"].1, values["insecure"].0.as_slice()), (2, &["true".to_owned()][..]));
        let file = File { path: "c.toml".into(), values };
        let matches =
            with(args::command(), &file).try_get_matches_from(["parasol", "serve", "--max-body", "2MB"]);
        let matches = matches.unwrap();
        let serve = settings(&matches).unwrap();
        assert_eq!(serve.get_one::<usize>("max_body"), Some(&2_000_000));
        assert!(serve.get_flag("insecure"));
        assert_eq!(serve.get_one::<Box<[ModelEntry]>>("models").unwrap().len(), 1);
    }
}
