//! Models of the test fixtures, loaded, shared and unloaded for real.

#![allow(clippy::unwrap_used)]

use parasol_core::{CompleteRequest, ErrorKind};
use parasol_hub::{Cancel, Licence, Settings};
use parasol_runtime::{Models, ModelsOptions, Policy, Runtime};
use std::path::{Path, PathBuf};
use std::sync::Arc;

fn toy(name: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures");
    root.join(name).join("model.gguf").display().to_string()
}

fn models(home: &Path, change: impl FnOnce(&mut ModelsOptions)) -> Arc<Models> {
    let settings =
        Settings { home: PathBuf::from(home), catalogues: Vec::new(), ..Settings::from_env().unwrap() };
    let mut options = ModelsOptions { paths: Policy::Allowed, ..ModelsOptions::default() };
    change(&mut options);
    Models::new(Runtime::new(settings).unwrap(), options).unwrap()
}

#[test]
fn a_lease_keeps_its_model_and_its_streams_keep_the_lease() {
    let dir = tempfile::tempdir().unwrap();
    let it = models(dir.path(), |options| options.patience = std::time::Duration::from_millis(50));
    let path = toy("toy-llama");
    let lease = it.acquire(&path).unwrap();
    assert!(lease.context().unwrap() > 0 && lease.stats().is_some());
    assert!(it.used() > 0 && it.loaded()[0].in_use == 1);
    let request = CompleteRequest { prompt: "a".into(), max_tokens: Some(2), ..CompleteRequest::default() };
    let stream = lease.complete().unwrap().complete(request).unwrap();
    drop(lease);
    assert_eq!(it.loaded()[0].in_use, 1, "the stream holds it");
    assert_eq!(*it.unload(&path).unwrap_err().kind(), ErrorKind::Timeout);
    drop(stream);
    assert_eq!(it.used(), 0);
    assert!(it.loaded().is_empty());
}

#[test]
fn settings_for_models_that_nothing_has_are_told() {
    let dir = tempfile::tempdir().unwrap();
    let it = models(dir.path(), |options| {
        options.pinned = vec!["smolm2".into(), "smollm2".into(), toy("toy-llama"), "hf:o/r".into()];
    });
    assert_eq!(it.unknown(), ["smolm2"]);
}

#[test]
fn what_goes_on_behind_a_file_is_no_path() {
    let dir = tempfile::tempdir().unwrap();
    let behind = format!("{}/voice", toy("toy-llama"));
    let error = models(dir.path(), |_| {}).speaker(&behind).unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::NotFound, "{error}");
    // Who may name no paths does not learn which are there.
    let named = |name: &str| {
        let error = models(dir.path(), |options| options.paths = Policy::Refused).speaker(name).unwrap_err();
        (error.kind().clone(), error.message().replace(name, ""))
    };
    assert_eq!(named(&behind), named("/nowhere/at-all/voice"));
}

#[test]
fn what_does_not_fit_names_its_parts() {
    let dir = tempfile::tempdir().unwrap();
    let it = models(dir.path(), |options| options.memory = Some(1000));
    let error = it.acquire(&toy("toy-llama")).unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::OutOfMemory);
    assert!(error.message().contains("weights") && error.message().contains("1.0 kB"), "{error}");
    assert_eq!(it.used(), 0);
}

#[test]
fn strangers_open_no_files_and_fetch_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let it = models(dir.path(), |options| options.paths = Policy::Refused);
    for name in [toy("toy-llama").as_str(), "../model.gguf", "a\0b", "models/../../x", ""] {
        assert_eq!(*it.acquire(name).unwrap_err().kind(), ErrorKind::InvalidRequest, "{name:?}");
    }
    for name in ["smollm2", "smollm2:latest", "models/smollm2", "SmolLM2"] {
        let error = it.acquire(name).unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::NotFound);
        assert!(error.message().contains("parasol pull"), "{error}");
    }
    // A file of that name in the working directory is not looked at.
    assert_eq!(*it.acquire("Cargo.toml").unwrap_err().kind(), ErrorKind::NotFound);
    assert!(it.card("zzz").is_err() && it.unload("zzz").unwrap().is_none());
}

#[test]
fn models_that_listen_share_the_budget_and_make_room() {
    let hub = parasol_hub::Hub::open().unwrap();
    let pulled = hub.pull("whisper-tiny", Licence::Refuse, &Cancel::new(), &mut |_| {}).unwrap();
    let (ears, text) = (pulled.model.path().display().to_string(), toy("toy-llama"));
    let dir = tempfile::tempdir().unwrap();
    let alone = models(dir.path(), |_| {});
    drop(alone.ears(&ears).unwrap());
    let needs = alone.used();
    assert!(needs > 70 << 20, "{needs}");
    // What listens is no language model, and the other way round.
    let error = alone.acquire(&ears).unwrap_err();
    assert!(*error.kind() == ErrorKind::Unsupported && error.message().contains("transcribe"), "{error}");
    let error = alone.ears(&text).unwrap_err();
    assert!(
        *error.kind() == ErrorKind::Unsupported && error.message().contains("does not listen"),
        "{error}"
    );
    drop(alone);

    // Room for one of them.
    let it = models(dir.path(), |options| {
        options.memory = Some(needs + 1000);
        options.patience = std::time::Duration::from_millis(50);
    });
    drop(it.acquire(&text).unwrap());
    let lease = it.ears(&ears).unwrap();
    let names = |it: &Models| it.loaded().into_iter().map(|m| m.name).collect::<Vec<_>>();
    assert_eq!((names(&it), it.used()), (vec![ears.clone()], needs), "the text model has made room");
    // In use it stays, and says so.
    let error = it.acquire(&text).unwrap_err();
    assert!(*error.kind() == ErrorKind::OutOfMemory && error.message().contains("in use"), "{error}");
    drop(lease);
    drop(it.acquire(&text).unwrap());
    assert_eq!(names(&it), [text]);
}
