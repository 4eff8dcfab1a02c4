//! The directory of providers and of their models: what is built in, and what the user's `remote.toml` adds or changes. It
//! makes entries of them that can be connected to; it opens no connection.

use crate::entry::{BackendEntry, Limits, RemoteEntry, RemoteVoice};
use crate::keys::{KeySources, is_absent};
use crate::ledger::Budget;
use crate::price::Price;
use parasol_core::{Error, ErrorKind, Result, SamplingChoice};
use parasol_wire::client::{Manner, Protocol, Thinking};
use parasol_wire::filming::FilmManner;
use parasol_wire::imagining::Drawing;
use serde::Deserialize;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

/// The name of the user's file in Parasol's folder.
pub const FILE: &str = "remote.toml";
/// Larger than any that people write.
const MOST_BYTES: u64 = 1 << 20;
const BUILT_IN: &str = include_str!("../providers.toml");

/// Somebody who computes models.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provider {
    /// Its name, also before a model's: `openrouter/meta-llama/llama-4`.
    pub name: String,
    /// Its name for people.
    #[serde(default)]
    pub title: String,
    /// What it speaks.
    #[serde(default)]
    pub protocol: Protocol,
    /// Its base URL; `PARASOL_NAME_URL` stands above it.
    #[serde(default)]
    pub url: String,
    /// The variable that holds its address, where that is the user's own …
    #[serde(default)]
    pub url_env: Option<String>,
    /// … and what follows it.
    #[serde(default)]
    pub url_path: String,
    /// Variables that may hold the key.
    #[serde(default)]
    pub key_env: Vec<String>,
    /// A program and its arguments that print the key, such as `["secret-tool", "lookup", "provider", "openai"]`.
    #[serde(default)]
    pub key_command: Vec<String>,
    /// The header that carries the key, where it is not the protocol's own.
    #[serde(default)]
    pub key_header: Option<String>,
    /// It may be asked without a key.
    #[serde(default)]
    pub key_optional: bool,
    /// How its form of the protocol differs.
    #[serde(default)]
    pub manner: Manner,
    /// The sampling where nobody says anything.
    #[serde(default)]
    pub sampling: SamplingChoice,
    /// How long it may take, and how much of it may be asked.
    #[serde(default)]
    pub limits: Option<Limits>,
}

/// A model of a provider's.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listed {
    /// Its name here.
    pub name: String,
    /// Other names for it.
    #[serde(default)]
    pub aliases: Vec<String>,
    /// Whose it is.
    pub provider: String,
    /// What its provider calls it; its name here where nothing is said.
    #[serde(default)]
    pub id: Option<String>,
    /// What it is asked by, where that is not what its provider mostly speaks.
    #[serde(default)]
    pub protocol: Option<Protocol>,
    /// The day on which its provider ends it, where that is announced, as `2026-05-15`.
    #[serde(default)]
    pub ends: Option<String>,
    /// Tokens that its context holds.
    #[serde(default)]
    pub context: Option<usize>,
    /// The most tokens of an answer.
    #[serde(default)]
    pub max_output: Option<usize>,
    /// The efforts that it can be asked for; `none` among them if it can be asked not to think.
    #[serde(default)]
    pub efforts: Option<Vec<String>>,
    /// How it is told to think.
    #[serde(default)]
    pub thinking: Option<Thinking>,
    /// Whether it takes temperature, filters and penalties.
    #[serde(default)]
    pub samples: Option<bool>,
    /// Whether it can be made to call a tool.
    #[serde(default)]
    pub forced_tools: Option<bool>,
    /// What it can do: `chat` where nothing is said, `embed`, `transcribe`, `speak`, `imagine` or `film`.
    #[serde(default)]
    pub capabilities: Option<Vec<String>>,
    /// Whether it tells the times of what it hears.
    #[serde(default)]
    pub timestamps: Option<bool>,
    /// The voices that it speaks with, the default first; others are passed on as they are named.
    #[serde(default)]
    pub voices: Vec<RemoteVoice>,
    /// The most characters that it speaks at once.
    #[serde(default)]
    pub max_characters: Option<usize>,
    /// The most texts that it embeds at once.
    #[serde(default)]
    pub max_inputs: Option<usize>,
    /// Whether its vectors can be asked for shorter than they are.
    #[serde(default)]
    pub dimensions: Option<bool>,
    /// Whether it reads what a vector is for before the text.
    #[serde(default)]
    pub purpose_prefix: Option<bool>,
    /// How it is asked for pictures.
    #[serde(default)]
    pub drawing: Option<Drawing>,
    /// How it makes films.
    #[serde(default)]
    pub films: Option<FilmManner>,
    /// What it costs.
    #[serde(default)]
    pub price: Option<Price>,
    /// Limits of its own.
    #[serde(default)]
    pub limits: Option<Limits>,
}

/// Models that are asked one after the other until one answers.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Chain {
    /// What it is called.
    pub name: String,
    /// The models in order, remote or local.
    pub models: Vec<String>,
}

/// Answers that are given again.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CacheSettings {
    /// For so many seconds.
    pub seconds: f64,
    /// At most so many of them.
    #[serde(default = "many")]
    pub entries: usize,
}

fn many() -> usize {
    1000
}

/// What a file says.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Written {
    provider: Vec<Provider>,
    model: Vec<Listed>,
    chain: Vec<Chain>,
    budget: Option<Budget>,
    cache: Option<CacheSettings>,
}

/// All that is known.
#[derive(Debug, Clone, Default)]
pub struct Directory {
    providers: BTreeMap<String, Provider>,
    models: Vec<Listed>,
    /// Lower-case names and aliases.
    names: HashMap<String, usize>,
    chains: Vec<Chain>,
    budget: Budget,
    cache: Option<CacheSettings>,
}

impl Directory {
    /// What is built in, with what the file in `home` adds and changes.
    ///
    /// # Errors
    /// `InvalidRequest` naming file, line and what is wrong.
    pub fn load(home: &Path) -> Result<Self> {
        let mut all = Self::default();
        all.add("the built-in list of providers", BUILT_IN)?;
        let path = home.join(FILE);
        let named = path.display().to_string();
        match std::fs::metadata(&path) {
            Err(e) if is_absent(&e) => return Ok(all),
            Err(e) => return Err(Error::from(e).within(format!("cannot read {named}"))),
            Ok(meta) if meta.len() > MOST_BYTES => {
                return Err(invalid(format!(
                    "{named} is larger than {MOST_BYTES} bytes: that is no settings file"
                )));
            }
            Ok(_) => {}
        }
        let text = std::fs::read_to_string(&path)
            .map_err(|e| Error::from(e).within(format!("cannot read {named}")))?;
        all.add(&named, &text)?;
        Ok(all)
    }

    fn add(&mut self, file: &str, text: &str) -> Result<()> {
        let written: Written = toml::from_str(text).map_err(|e| {
            let line = e
                .span()
                .map_or(1, |span| text.get(..span.start).unwrap_or_default().matches('\n').count() + 1);
            invalid(format!("{file}, line {line}: {}", e.message()))
        })?;
        for provider in written.provider {
            self.providers.insert(provider.name.clone(), provider);
        }
        for model in written.model {
            if !self.providers.contains_key(&model.provider) {
                let known: Vec<&str> = self.providers.keys().map(String::as_str).collect();
                return Err(invalid(format!(
                    "{file}: the model {} is of the provider {:?}, which is none of {}: add it under [[provider]]",
                    model.name,
                    model.provider,
                    known.join(", ")
                )));
            }
            let at = self.models.len();
            for name in model.aliases.iter().chain([&model.name]) {
                self.names.insert(name.to_lowercase(), at);
            }
            self.models.push(model);
        }
        self.chains.extend(written.chain);
        self.budget = written.budget.unwrap_or_else(|| std::mem::take(&mut self.budget));
        self.cache = written.cache.or(self.cache);
        Ok(())
    }

    /// The providers by name.
    pub fn providers(&self) -> impl Iterator<Item = &Provider> {
        self.providers.values()
    }

    /// The provider of this name.
    #[must_use]
    pub fn provider(&self, name: &str) -> Option<&Provider> {
        self.providers.get(name)
    }

    /// The models that are listed; of several with one name the last, which is the user's.
    pub fn models(&self) -> impl Iterator<Item = &Listed> {
        let current = |(at, model): &(usize, &Listed)| self.names.get(&model.name.to_lowercase()) == Some(at);
        self.models.iter().enumerate().filter(current).map(|(_, model)| model)
    }

    /// The chains.
    #[must_use]
    pub fn chains(&self) -> &[Chain] {
        &self.chains
    }

    /// What may be spent.
    #[must_use]
    pub fn budget(&self) -> &Budget {
        &self.budget
    }

    /// Whether answers are kept to be given again.
    #[must_use]
    pub fn cache(&self) -> Option<CacheSettings> {
        self.cache
    }

    /// The model that is listed under a name, or of which it names the edition of a day: `gpt-4o-2024-11-20`.
    fn listed(&self, name: &str) -> Option<Listed> {
        let of = |name: &str| self.names.get(&name.to_lowercase()).and_then(|at| self.models.get(*at));
        if let Some(model) = of(name) {
            return Some(model.clone());
        }
        let model = of(undated(name)?)?;
        Some(Listed { name: name.to_owned(), id: Some(name.to_owned()), ..model.clone() })
    }

    /// The model that a name means: one that is listed, or any of a provider's as `provider/model`.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<Listed> {
        if let Some(model) = self.listed(name) {
            return Some(model);
        }
        let (provider, model) = name.split_once('/')?;
        let provider = self.providers.get(&provider.to_lowercase())?;
        if model.is_empty() {
            return None;
        }
        if let Some(listed) = self.listed(model).filter(|listed| listed.provider == provider.name) {
            return Some(listed);
        }
        // One that has no chats has nothing but films.
        let can: &[&str] = if provider.protocol == Protocol::Runway { &["film"] } else { &["chat", "embed"] };
        Some(Listed {
            name: name.to_owned(),
            provider: provider.name.clone(),
            id: Some(model.to_owned()),
            // Which of several it is its provider knows.
            capabilities: Some(can.iter().map(|&can| can.to_owned()).collect()),
            ..Listed::default()
        })
    }

    /// The entry to connect to for a listed model, its key included.
    ///
    /// # Errors
    /// `Denied` naming the variable when the key is missing; `InvalidRequest` when the address is; what reading keys fails
    /// with.
    pub fn entry(&self, model: &Listed, keys: &KeySources) -> Result<RemoteEntry> {
        let Some(provider) = self.providers.get(&model.provider) else {
            return Err(Error::new(ErrorKind::Internal, format!("{} has no provider", model.name)));
        };
        let key = keys.find(&provider.name, &provider.key_env, &provider.key_command)?;
        if key.is_none() && !provider.key_optional {
            return Err(provider.keyless(&model.name));
        }
        let manner = Manner {
            max_output: model.max_output.or(provider.manner.max_output),
            efforts: model.efforts.clone().or_else(|| provider.manner.efforts.clone()),
            thinking: model.thinking.unwrap_or(provider.manner.thinking),
            timestamps: model.timestamps.unwrap_or(provider.manner.timestamps),
            max_characters: model.max_characters.unwrap_or(provider.manner.max_characters),
            max_inputs: model.max_inputs.unwrap_or(provider.manner.max_inputs),
            dimensions_field: match model.dimensions {
                Some(false) => String::new(),
                _ => provider.manner.dimensions_field.clone(),
            },
            purpose_prefix: model.purpose_prefix.unwrap_or(provider.manner.purpose_prefix),
            samples: model.samples.unwrap_or(provider.manner.samples),
            forced_tools: model.forced_tools.unwrap_or(provider.manner.forced_tools),
            drawing: model.drawing.clone().unwrap_or_else(|| provider.manner.drawing.clone()),
            films: model.films.clone().unwrap_or_else(|| provider.manner.films.clone()),
            ..provider.manner.clone()
        };
        let backend = BackendEntry {
            url: provider.address()?,
            model: Some(model.id.clone().unwrap_or_else(|| model.name.clone())),
            protocol: model.protocol.unwrap_or(provider.protocol),
            ends: model.ends.clone(),
            manner: Some(manner),
            key,
            key_name: provider.key_env.first().cloned(),
            key_header: provider.key_header.clone(),
            ..BackendEntry::default()
        };
        Ok(RemoteEntry {
            name: model.name.clone(),
            backends: vec![backend],
            capabilities: model.abilities(),
            context: model.context,
            sampling: provider.sampling,
            limits: model.limits.or(provider.limits).unwrap_or_else(patient),
            voices: model.voices.clone(),
            price: model.price.clone(),
            provider: Some(provider.name.clone()),
        })
    }
}

impl Listed {
    /// What it can do.
    #[must_use]
    pub fn abilities(&self) -> Vec<String> {
        self.capabilities.clone().unwrap_or_else(|| vec!["chat".into()])
    }
}

/// Providers are asked again when they are busy, and not looked at in between.
fn patient() -> Limits {
    Limits { retries: 2, health_interval: 0.0, ..Limits::default() }
}

impl Provider {
    /// The variable that overrides its address.
    #[must_use]
    pub fn url_variable(&self) -> String {
        format!("PARASOL_{}_URL", self.name.to_uppercase().replace('-', "_"))
    }

    /// Its address: of the variable that overrides it, of its own variable, or as it is written.
    fn address(&self) -> Result<String> {
        let var = |name: &str| std::env::var(name).ok().filter(|value| !value.trim().is_empty());
        if let Some(url) = var(&self.url_variable()) {
            return Ok(url);
        }
        if let Some(name) = &self.url_env
            && let Some(url) = var(name)
        {
            return Ok(format!("{}{}", url.trim().trim_end_matches('/'), self.url_path));
        }
        if self.url.is_empty() {
            let name = self.url_env.clone().unwrap_or_else(|| self.url_variable());
            return Err(invalid(format!("{} has no address: set {name} to it", self.name_for_people())));
        }
        Ok(self.url.clone())
    }

    /// Whether it could be asked, as far as that can be told without running a program.
    #[must_use]
    pub fn is_ready(&self, keys: &KeySources) -> bool {
        let key = self.key_optional || !self.key_command.is_empty() || keys.has(&self.name, &self.key_env);
        key && self.address().is_ok()
    }

    /// Its name for people.
    #[must_use]
    pub fn name_for_people(&self) -> &str {
        if self.title.is_empty() { &self.name } else { &self.title }
    }

    fn keyless(&self, model: &str) -> Error {
        let variable = self.key_env.first().cloned().unwrap_or_else(|| "key_env in remote.toml".into());
        let message = format!(
            "{model} is computed by {}, which wants a key: set {variable} to it, or store it with \
             `parasol providers login {}`",
            self.name_for_people(),
            self.name
        );
        Error::new(ErrorKind::Denied, message)
    }
}

/// A name without the day at its end, as `-2024-11-20` or `-20251001`.
fn undated(name: &str) -> Option<&str> {
    [11, 9].into_iter().find_map(|length| {
        let (rest, day) = name.split_at_checked(name.len().checked_sub(length)?)?;
        let fits = |(at, c): (usize, char)| match at {
            0 => c == '-',
            5 | 8 if length == 11 => c == '-',
            _ => c.is_ascii_digit(),
        };
        (!rest.is_empty() && day.chars().enumerate().all(fits)).then_some(rest)
    })
}

fn invalid(message: String) -> Error {
    Error::new(ErrorKind::InvalidRequest, message)
}

#[cfg(test)]
#[path = "directory_tests.rs"]
mod tests;
