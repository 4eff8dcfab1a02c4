//! `parasol providers`: who computes models elsewhere, which of them can be asked, and their keys.

use crate::args::{ProvidersArgs, ProvidersCommand};
use crate::exit::{Outcome, Stop};
use crate::output;
use crate::terminal::{self, Style};
use parasol_core::{Error, ErrorKind};
use parasol_runtime::{Far, Key, Listed, Provider, Runtime};
use serde_json::{Value, json};
use std::io::Read;

/// Longer texts are no keys.
const LONGEST_KEY: u64 = 1 << 14;

/// Runs the command.
///
/// # Errors
/// When a provider is unknown, or the key file cannot be read or written.
pub(crate) fn providers(runtime: &Runtime, args: &ProvidersArgs) -> Outcome {
    let far = runtime.far();
    match &args.command {
        None => list(far, args.json),
        Some(ProvidersCommand::Login { provider, keyring }) => login(far, provider, *keyring),
        Some(ProvidersCommand::Logout { provider }) => {
            let provider = known(far, provider)?;
            far.keys().store(&provider.name, None)?;
            output::line(&format!("no key of {} is kept any more", provider.name_for_people()))
        }
    }
}

fn known<'f>(far: &'f Far, name: &str) -> Outcome<&'f Provider> {
    far.directory().provider(name).ok_or_else(|| {
        let names: Vec<&str> = far.directory().providers().map(|p| p.name.as_str()).collect();
        let message = format!("there is no provider {name:?}: there are {}", names.join(", "));
        Stop::Failed(Error::new(ErrorKind::NotFound, message))
    })
}

/// Takes a key from stdin: an argument would stay in the shell's history.
fn login(far: &Far, name: &str, keyring: bool) -> Outcome {
    let provider = known(far, name)?;
    if terminal::stdin() {
        output::note(&format!(
            "paste the key of {} and press Enter, then Ctrl-D:",
            provider.name_for_people()
        ));
    }
    let mut text = String::new();
    std::io::stdin().lock().take(LONGEST_KEY).read_to_string(&mut text).map_err(Error::from)?;
    let key = Key::new(&text, "stdin")?;
    if keyring {
        far.keys().store_in_keyring(&provider.name, &key)?;
        return output::line("kept in the keyring of this system");
    }
    far.keys().store(&provider.name, Some(&key))?;
    output::line(&format!("kept in {}", far.keys().file().display()))
}

fn list(far: &Far, as_json: bool) -> Outcome {
    if as_json {
        let providers: Vec<Value> = far.directory().providers().map(|p| describe(far, p)).collect();
        let chains: Vec<Value> = far
            .directory()
            .chains()
            .iter()
            .map(|chain| json!({ "name": chain.name, "models": chain.models }))
            .collect();
        return output::json(&json!({ "providers": providers, "chains": chains }));
    }
    let style = Style::stdout();
    let heading = ["MODEL", "PROVIDER", "CONTEXT", "$/M IN", "$/M OUT", "STATE"].map(str::to_owned).to_vec();
    let mut rows = vec![heading];
    for provider in far.directory().providers() {
        let ready = provider.is_ready(far.keys());
        let state = match (ready, provider.key_env.first()) {
            (true, _) => style.good("ready"),
            (false, Some(name)) => style.dim(&format!("needs {name}")),
            (false, None) => style.dim("needs an address"),
        };
        let models: Vec<&Listed> = of(far, provider).collect();
        for model in &models {
            let dollars = |pick: fn(&parasol_runtime::Price) -> f64| {
                model.price.as_ref().map(|price| pick(price).to_string()).unwrap_or_default()
            };
            let heard = model.price.as_ref().and_then(|price| {
                let minute = price.minute.map(|price| format!("{price}/min"));
                let pictures = price.pictures.as_ref().filter(|_| price.output == 0.0);
                let picture = pictures.and_then(|it| it.each).map(|price| format!("{price}/picture"));
                let second = price.second.map(|price| format!("{price}/s"));
                price.characters.map(|price| format!("{price}/M chars")).or(minute).or(picture).or(second)
            });
            rows.push(vec![
                style.bold(&model.name),
                provider.name_for_people().to_owned(),
                model.context.map(|n| output::grouped(n as u64)).unwrap_or_default(),
                if heard.is_some() { String::new() } else { dollars(|price| price.input) },
                heard.unwrap_or_else(|| dollars(|price| price.output)),
                match &model.ends {
                    Some(day) => format!("{state}, ends {day}"),
                    None => state.clone(),
                },
            ]);
        }
        let any = style.bold(&format!("{}/…", provider.name));
        let none = String::new();
        rows.push(vec![any, provider.name_for_people().to_owned(), none.clone(), none.clone(), none, state]);
    }
    for chain in far.directory().chains() {
        let (none, models) = (String::new(), chain.models.join(" → "));
        rows.push(vec![style.bold(&chain.name), "chain".into(), none.clone(), none.clone(), none, models]);
    }
    output::write(&output::table(&rows, &[2, 3, 4], style))
}

fn of<'f>(far: &'f Far, provider: &'f Provider) -> impl Iterator<Item = &'f Listed> {
    far.directory().models().filter(|model| model.provider == provider.name)
}

fn describe(far: &Far, provider: &Provider) -> Value {
    let models: Vec<Value> = of(far, provider)
        .map(|model| {
            json!({
                "name": model.name, "aliases": model.aliases, "id": model.id, "context": model.context,
                "max_output": model.max_output, "ends": model.ends, "price": model.price, "capabilities": model.abilities(),
            })
        })
        .collect();
    json!({
        "name": provider.name,
        "title": provider.name_for_people(),
        "protocol": provider.protocol,
        "ready": provider.is_ready(far.keys()),
        "key_env": provider.key_env,
        "url_env": provider.url_variable(),
        "models": models,
    })
}
