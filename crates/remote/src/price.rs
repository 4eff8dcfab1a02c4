//! What answers cost: prices as their providers publish them, and the most that a request can come to.

use crate::picture_price::PicturePrice;
use parasol_core::{ChatRequest, FilmSize, MediaSource, Money, Usage};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Prices in US dollars for a million tokens, as they were on a day.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Price {
    /// Of the prompt.
    pub input: f64,
    /// Of what the provider finds in its cache; like the prompt where nothing is said.
    #[serde(default)]
    pub cached: Option<f64>,
    /// Of what it puts into its cache; like the prompt where nothing is said.
    #[serde(default)]
    pub cache_write: Option<f64>,
    /// Of the answer, thinking included.
    pub output: f64,
    /// Of a minute of sound, where it is transcribed or spoken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minute: Option<f64>,
    /// Of a million characters, where they are spoken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub characters: Option<f64>,
    /// Of pictures.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pictures: Option<PicturePrice>,
    /// Of a second of film …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub second: Option<f64>,
    /// … where it is another price for a size, by sizes such as `1792x1024`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub second_of: BTreeMap<FilmSize, f64>,
    /// What holds instead for prompts that are longer, where that is dearer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub long: Option<Long>,
    /// The day that they are of, as `2025-11-27`.
    pub dated: String,
}

/// Prices of tokens for long prompts: of all tokens, not only of those above the limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Long {
    /// Tokens of the longest prompt that costs less.
    pub over: usize,
    /// See [`Price::input`].
    pub input: f64,
    /// See [`Price::cached`].
    #[serde(default)]
    pub cached: Option<f64>,
    /// See [`Price::cache_write`].
    #[serde(default)]
    pub cache_write: Option<f64>,
    /// See [`Price::output`].
    pub output: f64,
}

impl Price {
    /// What holds for a prompt of so many tokens.
    fn rates(&self, prompt: usize) -> Long {
        let plain = Long {
            over: 0,
            input: self.input,
            cached: self.cached,
            cache_write: self.cache_write,
            output: self.output,
        };
        self.long.filter(|long| prompt > long.over).unwrap_or(plain)
    }

    /// What an answer costs.
    #[must_use]
    pub fn cost(&self, usage: &Usage) -> Money {
        let rates = self.rates(usage.prompt_tokens);
        let plain = usage
            .prompt_tokens
            .saturating_sub(usage.cached_tokens)
            .saturating_sub(usage.cache_written_tokens);
        let parts = [
            (plain, rates.input),
            (usage.cached_tokens, rates.cached.unwrap_or(rates.input)),
            (usage.cache_written_tokens, rates.cache_write.unwrap_or(rates.input)),
            (usage.generated_tokens, rates.output),
        ];
        let dollars: f64 = parts.iter().map(|(tokens, price)| *tokens as f64 * price / 1e6).sum();
        Money::dollars(dollars)
    }

    /// What it costs to have so many seconds of sound written down, where that is known.
    #[must_use]
    pub fn sound(&self, seconds: f64) -> Option<Money> {
        Some(Money::dollars(self.minute? * seconds / 60.0))
    }

    /// What it costs to have so many characters spoken, if they make so many seconds, where that is known.
    #[must_use]
    pub fn speech(&self, characters: usize, seconds: f64) -> Option<Money> {
        let written = self.characters.map(|price| Money::dollars(price * characters as f64 / 1e6));
        written.or_else(|| self.sound(seconds))
    }

    /// What it costs to have a film of so many seconds made, where that is known.
    #[must_use]
    pub fn film(&self, seconds: u32, size: FilmSize) -> Option<Money> {
        let second = self.second_of.get(&size).copied().or(self.second)?;
        Some(Money::dollars(second * f64::from(seconds)))
    }

    /// The most that a request of `prompt` tokens can cost whose answer has at most `most`.
    #[must_use]
    pub fn at_most(&self, prompt: usize, most: usize) -> Money {
        let rates = self.rates(prompt);
        let input = rates.input.max(rates.cache_write.unwrap_or(0.0));
        Money::dollars((prompt as f64 * input + most as f64 * rates.output) / 1e6)
    }
}

/// What a picture takes at most with the providers that say so.
const PICTURE: usize = 3000;
/// The frame of a message and of a request.
const FRAME: usize = 16;

/// Tokens that a prompt cannot exceed: every token of a text is at least one byte of it.
#[must_use]
pub(crate) fn most_prompt_tokens(request: &ChatRequest) -> usize {
    let mut all = FRAME;
    for message in &request.messages {
        let calls: usize = message
            .tool_calls
            .iter()
            .map(|call| call.name.len().saturating_add(call.arguments.to_string().len()))
            .sum();
        let attached: usize = message
            .attachments
            .iter()
            .map(|attachment| match (&attachment.source, attachment.kind) {
                (MediaSource::Text(text), _) => text.len(),
                (_, parasol_core::MediaKind::Image) => PICTURE,
                // A page of some ten kilobytes is read as text and as a picture.
                (MediaSource::Base64(data), _) => data.len() / 2,
                _ => 100 * PICTURE,
            })
            .fold(0, usize::saturating_add);
        let said = message.content.len().saturating_add(message.reasoning.as_ref().map_or(0, String::len));
        all = all.saturating_add(said).saturating_add(calls).saturating_add(attached).saturating_add(FRAME);
    }
    for tool in &request.tools {
        let size = tool.name.len().saturating_add(tool.description.len());
        all =
            all.saturating_add(size).saturating_add(tool.parameters.to_string().len()).saturating_add(FRAME);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use parasol_core::{Message, Role};

    fn price() -> Price {
        Price {
            input: 3.0,
            cached: Some(0.3),
            cache_write: Some(3.75),
            output: 15.0,
            dated: "2025-11-27".into(),
            ..Price::default()
        }
    }

    #[test]
    fn sound_is_paid_for_by_the_minute() {
        assert_eq!(price().sound(60.0), None);
        let heard = Price { minute: Some(0.006), ..price() };
        assert_eq!(heard.sound(90.0), Some(Money::dollars(0.009)));
        assert_eq!(heard.speech(1000, 90.0), Some(Money::dollars(0.009)));
        let written = Price { characters: Some(15.0), ..heard };
        assert_eq!(written.speech(1000, 90.0), Some(Money::dollars(0.015)));
        assert_eq!(price().speech(1000, 90.0), None);
    }

    #[test]
    fn films_are_paid_for_by_the_second_and_by_their_size() {
        let size = |text: &str| text.parse::<FilmSize>().unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(price().film(4, size("1280x720")), None);
        let second_of = BTreeMap::from([(size("1792x1024"), 0.5)]);
        let film = Price { second: Some(0.3), second_of, ..price() };
        assert_eq!(film.film(4, size("1280x720")), Some(Money::dollars(1.2)));
        assert_eq!(film.film(4, size("1792x1024")), Some(Money::dollars(2.0)));
    }

    #[test]
    fn every_kind_of_token_has_its_price() {
        let usage = Usage {
            prompt_tokens: 1_000_000,
            cached_tokens: 500_000,
            cache_written_tokens: 100_000,
            generated_tokens: 10_000,
            ..Usage::default()
        };
        // 400 000 plain, 500 000 cached, 100 000 written, 10 000 of the answer.
        assert_eq!(price().cost(&usage), Money::dollars(1.2 + 0.15 + 0.375 + 0.15));
        let flat = Price { cached: None, cache_write: None, ..price() };
        assert_eq!(flat.cost(&usage), Money::dollars(3.0 + 0.15));
    }

    #[test]
    fn long_prompts_have_prices_of_their_own_and_are_promised_them() {
        let long =
            Long { over: 200_000, input: 6.0, cached: Some(0.6), cache_write: Some(7.5), output: 22.5 };
        let price = Price { long: Some(long), ..price() };
        let usage = |prompt_tokens| Usage {
            prompt_tokens,
            cached_tokens: 100_000,
            generated_tokens: 10_000,
            ..Usage::default()
        };
        assert_eq!(price.cost(&usage(200_000)), Money::dollars(0.3 + 0.03 + 0.15));
        assert_eq!(price.cost(&usage(200_001)), Money::dollars(0.600_006 + 0.06 + 0.225));
        assert_eq!(price.at_most(200_000, 10_000), Money::dollars(0.75 + 0.15));
        assert_eq!(price.at_most(400_000, 10_000), Money::dollars(3.0 + 0.225));
    }

    #[test]
    fn no_prompt_has_more_tokens_than_was_reckoned_with() {
        let text = "häßlich 🐦 ".repeat(50);
        let request =
            ChatRequest { messages: vec![Message::new(Role::User, text.clone())], ..ChatRequest::default() };
        let most = most_prompt_tokens(&request);
        assert!(most >= text.len(), "{most}");
        let usage = Usage { prompt_tokens: most, generated_tokens: 100, ..Usage::default() };
        assert!(price().at_most(most, 100) >= price().cost(&usage));
    }
}
