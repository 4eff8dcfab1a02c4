//! What a configuration says about a remote model: its name and the addresses that answer for it.

use parasol_core::SamplingChoice;
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
    /// What it can do: `chat`, `complete`; both when nothing is said.
    #[serde(default = "both")]
    pub capabilities: Vec<String>,
    /// Tokens that its context holds, where that is known; some servers tell by themselves.
    #[serde(default)]
    pub context: Option<usize>,
    /// The sampling that is recommended for it. What it leaves open is sent as the protocol's own default: temperature 1
    /// and no filter.
    #[serde(default)]
    pub sampling: SamplingChoice,
    /// How long its addresses may take.
    #[serde(default)]
    pub limits: Limits,
}

/// One address that speaks OpenAI's protocol.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackendEntry {
    /// Its base URL, up to and with the version: `http://10.0.0.7:8000/v1`. Without a path, `/v1` is meant.
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
        }
    }
}

fn one() -> u32 {
    1
}

fn both() -> Vec<String> {
    vec!["chat".to_owned(), "complete".to_owned()]
}
