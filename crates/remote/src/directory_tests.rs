#![allow(clippy::unwrap_used)]
use super::*;

fn with(text: &str) -> Result<Directory> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join(FILE), text).unwrap();
    Directory::load(folder.path())
}

#[test]
fn what_is_built_in_is_right_and_every_model_has_a_dated_price() {
    let all = with("").unwrap();
    for name in [
        "claude-sonnet-4.6",
        "gpt-5",
        "gemini-2.5-pro",
        "grok-3",
        "deepseek-r1",
        "mistral-large",
        "command-r-plus",
        "gpt-4o-mini",
        "groq/openai/gpt-oss-120b",
    ] {
        assert!(all.find(name).is_some(), "{name}");
    }
    for model in all.models() {
        let price = model.price.as_ref().unwrap_or_else(|| panic!("{} has no price", model.name));
        price.dated.parse::<jiff::civil::Date>().unwrap();
        model.ends.as_ref().map(|day| day.parse::<jiff::civil::Date>().unwrap());
        let dearer = |long: &crate::price::Long| long.input > price.input && long.over > 0;
        assert!(price.long.as_ref().is_none_or(dearer), "{}", model.name);
        if model.abilities() == ["embed"] {
            assert!(price.input > 0.0 && price.output == 0.0 && model.context.is_some(), "{}", model.name);
            continue;
        }
        if model.abilities() == ["transcribe"] {
            assert!(price.minute > Some(0.0), "{}", model.name);
            continue;
        }
        if model.abilities() == ["speak"] {
            assert!(price.minute.or(price.characters) > Some(0.0), "{}", model.name);
            assert!(!model.voices.is_empty(), "{}", model.name);
            continue;
        }
        if model.abilities() == ["imagine"] {
            let pictures = price.pictures.as_ref().unwrap();
            assert!(price.output > 0.0 || pictures.each > Some(0.0), "{}", model.name);
            assert!(pictures.by.iter().all(|by| by.each > 0.0), "{}", model.name);
            continue;
        }
        if model.abilities() == ["film"] {
            assert!(price.second > Some(0.0), "{}", model.name);
            continue;
        }
        assert!(price.input > 0.0 && price.output >= price.input, "{}", model.name);
        assert!(model.context.is_some(), "{}", model.name);
    }
    assert_eq!(all.find("CLAUDE-SONNET-4-6").unwrap().name, "claude-sonnet-4.6");
    assert!(all.find("smollm2").is_none() && all.find("openai/").is_none() && all.find("a/b").is_none());
    for (dated, name) in [
        ("gpt-4o-2024-11-20", "gpt-4o"),
        ("openai/gpt-4o-2024-11-20", "gpt-4o"),
        ("claude-haiku-4-5-20251001", "claude-haiku-4.5"),
    ] {
        let it = all.find(dated).unwrap();
        assert_eq!(it.price, all.find(name).unwrap().price, "{dated}");
        assert_eq!(Some(it.name), it.id, "it is asked for as it was named");
    }
    for other in ["gpt-4o-2024-11-2x", "gpt-4o-20241120-1", "-2024-11-20", "gpt-4o-é024-11-20"] {
        assert!(all.find(other).is_none(), "{other}");
    }
    let any = all.find("openrouter/meta-llama/llama-4").unwrap();
    assert_eq!((any.id.as_deref(), any.price), (Some("meta-llama/llama-4"), None));
    assert!(all.find("openai/gpt-5").unwrap().price.is_some());
}

#[test]
fn the_users_file_adds_changes_and_is_complained_about_by_line() {
    let all = with(
        "[[provider]]\nname = \"mine\"\nurl = \"http://127.0.0.1:1/v1\"\nkey_optional = true\n\
         [[model]]\nname = \"gpt-5\"\nprovider = \"mine\"\n[budget]\nday = 2.5\nkeys = { a = 1.0 }\n\
         [[chain]]\nname = \"best\"\nmodels = [\"gpt-5\", \"smollm2\"]\n",
    )
    .unwrap();
    let model = all.find("gpt-5").unwrap();
    assert_eq!(model.provider, "mine");
    assert_eq!(all.models().filter(|m| m.name == "gpt-5").count(), 1);
    assert_eq!((all.budget().day, all.chains()[0].models.len()), (Some(2.5), 2));
    let folder = tempfile::tempdir().unwrap();
    let entry = all.entry(&model, &KeySources::at(folder.path())).unwrap();
    assert_eq!(entry.backends[0].url, "http://127.0.0.1:1/v1");
    let error = with("[budget]\n\nweek = 3\n").unwrap_err();
    assert!(error.message().contains("remote.toml, line 3"), "{error}");
    let error = with("[[model]]\nname = \"x\"\nprovider = \"nobody\"\n").unwrap_err();
    assert!(error.message().contains("nobody"), "{error}");
}

#[test]
fn a_model_says_how_it_differs_from_its_provider() {
    let all = with(
        "[[provider]]\nname = \"p\"\nurl = \"http://h/v1\"\nkey_optional = true\n[[model]]\nname = \"m\"\nprovider = \"p\"\n\
         protocol = \"responses\"\nsamples = false\nforced_tools = false\nends = \"2026-05-15\"\n",
    )
    .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let entry = all.entry(&all.find("m").unwrap(), &KeySources::at(folder.path())).unwrap();
    let backend = &entry.backends[0];
    let manner = backend.manner.as_ref().unwrap();
    assert_eq!((backend.protocol, manner.samples, manner.forced_tools), (Protocol::Responses, false, false));
    assert_eq!(backend.ends.as_deref(), Some("2026-05-15"));
    let other = all.entry(&all.find("p/other").unwrap(), &KeySources::at(folder.path())).unwrap();
    assert!(other.backends[0].protocol == Protocol::OpenAi && other.backends[0].ends.is_none());
}

#[test]
fn a_missing_key_is_told_with_its_variable() {
    let text = "[[provider]]\nname = \"p\"\ntitle = \"P Inc\"\nurl = \"http://h/v1\"\n\
                key_env = [\"PARASOL_TEST_NO_SUCH_KEY\"]\n[[model]]\nname = \"m\"\nprovider = \"p\"\n";
    let (all, folder) = (with(text).unwrap(), tempfile::tempdir().unwrap());
    let keys = KeySources::at(folder.path());
    let error = all.entry(&all.find("m").unwrap(), &keys).unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Denied);
    assert!(error.message().contains("PARASOL_TEST_NO_SUCH_KEY"), "{error}");
    assert!(!all.provider("p").unwrap().is_ready(&keys));
    keys.store("p", Some(&crate::Key::new("k-1234", "x").unwrap())).unwrap();
    assert!(all.provider("p").unwrap().is_ready(&keys));
    assert!(all.entry(&all.find("m").unwrap(), &keys).unwrap().backends[0].key.is_some());
}
