//! What a configuration says about a remote model: its name and the addresses that answer for it.

use crate::keys::Key;
use crate::price::Price;
use parasol_core::SamplingChoice;
use parasol_wire::client::{Manner, Protocol};
use serde::{Deserialize, Serialize};

/// A model that other machines compute.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RemoteEntry {
    /// What it is called here.
    pub name: String,
    /// The addresses that answer for it.
    #[serde(rename = "remote")]
    pub backends: Vec<BackendEntry>,
    /// What it can do: `chat`, `complete`, `embed`, `transcribe`, `speak`, `imagine`, `film`; the first two when nothing is said.
    #[serde(default = "both")]
    pub capabilities: Vec<String>,
    /// Tokens that its context holds, where that is known; some servers tell by themselves.
    #[serde(default)]
    pub context: Option<usize>,
    /// The sampling that is recommended for it. What it leaves open is sent as the protocol's own default: temperature 1
    /// and no filter.
    #[serde(default)]
    pub sampling: SamplingChoice,
    /// How long its addresses may take, and how much may be asked of them.
    #[serde(default)]
    pub limits: Limits,
    /// The voices that it speaks with, the default first.
    #[serde(default)]
    pub voices: Vec<RemoteVoice>,
    /// What it costs.
    #[serde(default)]
    pub price: Option<Price>,
    /// Whose it is, for the usage report; its first address where nothing is said.
    #[serde(default)]
    pub provider: Option<String>,
}

/// A voice of a model that speaks.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RemoteVoice {
    /// Its name.
    pub name: String,
    /// What its provider calls it, where that is something else.
    pub id: Option<String>,
    /// The language that it speaks, as a tag; empty where it speaks that of the text.
    pub language: String,
    /// What it sounds like, for people.
    pub description: String,
}

/// One address.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackendEntry {
    /// Its base URL, up to and with the version: `http://10.0.0.7:8000/v1`. Without a path, `/v1` is meant. `{model}` stands for the
    /// name of the model there, and `?api-version=…` may follow, as in Azure's older form.
    pub url: String,
    /// Its share of the work beside the others; 0 is asked only when no other can answer.
    #[serde(default = "one")]
    pub weight: u32,
    /// The environment variable that holds its API key.
    #[serde(default)]
    pub api_key_env: Option<String>,
    /// What the model is called there, where that is another name.
    #[serde(default)]
    pub model: Option<String>,
    /// Whether it takes nothing but the protocol's own fields: no top-k, no template variables, no grammars.
    #[serde(default)]
    pub standard: bool,
    /// What it speaks.
    #[serde(default)]
    pub protocol: Protocol,
    /// How its form of the protocol differs; what `standard` says where nothing is said.
    #[serde(default)]
    pub manner: Option<Manner>,
    /// The header that carries its key, where it is not the protocol's own.
    #[serde(default)]
    pub key_header: Option<String>,
    /// Its key, where it has been found already. Never written or read.
    #[serde(skip)]
    pub key: Option<Key>,
    /// Where that key should be, for people.
    #[serde(skip)]
    pub key_name: Option<String>,
    /// The day on which its provider ends the model, where that is announced.
    #[serde(skip)]
    pub ends: Option<String>,
}

/// How long things may take, in seconds, and how often a backend is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// To connect, TLS included.
    pub connect: f64,
    /// From the request to the first piece of the answer: a long prompt in a long queue takes its time.
    pub first_token: f64,
    /// Between two pieces of an answer.
    pub idle: f64,
    /// Between two looks at `/models`; 0 never looks.
    pub health_interval: f64,
    /// Failures in a row after which a backend is left alone for a while.
    pub failures: u32,
    /// For how long it is left alone at first; doubled each time that it fails again, up to a minute.
    pub cooldown: f64,
    /// How often a request is tried again, on top of the first time, when its addresses fail before the answer begins.
    pub retries: u32,
    /// The longest that a request waits for its turn, or between two tries; what is to take longer is told as an error.
    pub longest_wait: f64,
    /// Answers at once; 0 is no limit.
    pub concurrency: usize,
    /// Requests a minute; 0 is no limit.
    pub requests_per_minute: u32,
    /// Tokens a minute, of prompts and answers together; 0 is no limit.
    pub tokens_per_minute: u64,
    /// Between two looks at a job, at first; three times as much later on.
    pub poll: f64,
    /// The longest that a job may take.
    pub job: f64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect: 5.0,
            first_token: 300.0,
            idle: 60.0,
            health_interval: 10.0,
            failures: 3,
            cooldown: 1.0,
            retries: 0,
            longest_wait: 30.0,
            concurrency: 0,
            requests_per_minute: 0,
            tokens_per_minute: 0,
            poll: 5.0,
            job: 3600.0,
        }
    }
}

fn one() -> u32 {
    1
}

fn both() -> Vec<String> {
    vec!["chat".to_owned(), "complete".to_owned()]
}
