//! `list`, `show`, `pull`, `rm`, `doctor`: the store, without a network.

#![allow(clippy::unwrap_used)]

mod common;

use common::{Home, fails, works};
use serde_json::Value;
use sha2::{Digest, Sha256};

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// A catalogue with the toy model under the name `toy`, taken from where it lies.
fn with_toy(home: &Home, ask: bool) -> impl Fn(&[&str]) -> common::Done + use<'_> {
    let model = home.toy_base();
    let bytes = std::fs::read(&model).unwrap();
    let sha: String = Sha256::digest(&bytes).iter().map(|b| format!("{b:02x}")).collect();
    let size = bytes.len();
    let catalogue = home.path("toy.toml");
    let text = format!(
        "[[model]]\nname = \"toy\"\naliases = [\"plaything\"]\ncapabilities = [\"complete\"]\n\
         licence = {{ name = \"Toy Terms\", ask = {ask} }}\n[[model.file]]\nname = \"toy.gguf\"\nsize = {size}\n\
         sha256 = \"{sha}\"\nsources = [\"file:base.gguf\"]\n"
    );
    std::fs::write(&catalogue, text).unwrap();
    move |args| {
        let mut command = home.parasol(args);
        command.env("PARASOL_CATALOGUE", home.path("toy.toml"));
        common::finish(command, None)
    }
}

#[test]
fn pulled_listed_shown_and_removed() {
    let home = Home::new();
    let parasol = with_toy(&home, false);
    let here = |done: &common::Done| {
        let list = json(works(done));
        let toy = list["models"].as_array().unwrap().iter().find(|m| m["name"] == "toy").unwrap().clone();
        toy["here"].as_bool().unwrap()
    };
    assert!(!here(&parasol(&["list", "--json"])));
    fails(&parasol(&["rm", "toy"]), 3, &["toy", "not been pulled"]);
    assert!(works(&parasol(&["pull", "plaything"])).contains("toy is ready"));
    assert!(here(&parasol(&["list", "--json"])));
    assert!(works(&parasol(&["list"])).contains("here"));
    let shown = json(works(&parasol(&["show", "toy", "--json", "--context", "100"])));
    assert_eq!((&shown["architecture"], &shown["here"]), (&"llama".into(), &true.into()));
    assert_eq!(shown["memory"]["context"], 100);
    assert!(shown["parameters"].as_u64().unwrap() > 1000 && shown["layers"] == 3);
    assert!(works(&parasol(&["show", "toy"])).contains("base model"));
    fails(&parasol(&["show", "toy", "--template"]), 3, &["no chat template"]);
    assert!(works(&parasol(&["rm", "toy"])).contains("toy is removed"));
    assert!(!here(&parasol(&["list", "--json"])));
    assert!(home.path("base.gguf").exists(), "a file of the user's was removed");
}

#[test]
fn terms_that_must_be_accepted_are_not_passed_by_silently() {
    let home = Home::new();
    let parasol = with_toy(&home, true);
    fails(&parasol(&["pull", "toy"]), 7, &["Toy Terms", "--accept-licence"]);
    works(&parasol(&["pull", "toy", "--accept-licence"]));
}

#[test]
fn what_is_not_here_is_shown_from_the_catalogue() {
    let home = Home::new();
    let done = home.run(&["show"]);
    assert!(works(&done).contains("parasol pull smollm2"), "{done:?}");
    assert_eq!(json(works(&home.run(&["show", "gemma3", "--json"])))["licence"]["ask"], true);
    fails(&home.run(&["show", "nosuchmodel"]), 3, &["nosuchmodel"]);
    fails(&home.run(&["show", "hf:owner/repo"]), 3, &["parasol pull hf:owner/repo"]);
}

#[test]
fn a_hostile_model_file_is_a_clear_error() {
    let home = Home::new();
    let path = home.path("bad.gguf");
    let name = path.to_str().unwrap();
    std::fs::write(&path, b"GGUF\x03\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff").unwrap();
    fails(&home.run(&["show", name]), 5, &["bad.gguf"]);
    fails(&home.run(&["run", name, "hi"]), 5, &["bad.gguf"]);
    std::fs::write(&path, b"<!DOCTYPE html><p>\x1b]0;owned\x07").unwrap();
    fails(&home.run(&["run", name, "hi"]), 10, &["web page"]);
}

#[test]
fn no_network_is_its_own_error() {
    // Port 9 of this machine: nobody listens there.
    fails(&Home::new().run(&["pull", "hf:owner/repo"]), 4, &[]);
}

#[test]
fn doctor_reports_in_json() {
    let report = json(works(&Home::new().run(&["doctor", "--json"])));
    assert!(report["machine"]["usable_threads"].as_u64().unwrap() > 0);
    let available = report["kernels"]["available"].as_array().unwrap();
    assert!(available.contains(&"portable".into()) && available.contains(&report["kernels"]["isa"]));
    let ceilings = report["ceilings"].as_array().unwrap();
    assert!(!ceilings.is_empty() && ceilings[0]["threads"] == 1);
    for limit in ["read_gb_per_s", "f32_gflops", "int8_gops"] {
        assert!(ceilings.iter().all(|c| c[limit].as_f64().unwrap() > 0.0), "{limit}: {report}");
    }
    assert!(
        report["findings"]
            .as_array()
            .unwrap()
            .iter()
            .all(|f| f["verdict"] == "ok" || f["verdict"] == "warning")
    );
}

#[test]
fn doctor_tells_what_is_wrong_and_goes_on() {
    let home = Home::new();
    let mut command = home.parasol(&["doctor"]);
    std::fs::write(home.path("bad.toml"), "[[model]]\nname = 3\n").unwrap();
    command.env("PARASOL_ISA", "abacus").env("PARASOL_CATALOGUE", home.path("bad.toml"));
    let done = common::finish(command, None);
    let report = works(&done);
    assert!(
        report.contains("problem ") && report.contains("abacus") && report.contains("bad.toml"),
        "{report}"
    );
}
