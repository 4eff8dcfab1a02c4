//! How models differ within a protocol: what they do not take is left out and told, or refused, before their provider does.

#![allow(clippy::unwrap_used)]

mod dialects;

use dialects::manner;
use parasol_core::{
    ChatRequest, Effort, ErrorKind, Message, Reasoning, Role, Sampling, SamplingChoice, ToolChoice, ToolSpec,
};
use parasol_wire::client::{self, Manner, Protocol, Thinking, Written};
use serde_json::{Value, json};

fn asked(change: impl FnOnce(&mut ChatRequest)) -> ChatRequest {
    let mut request = ChatRequest {
        messages: vec![Message::new(Role::User, "hi")],
        sampling: SamplingChoice::neutral().sampling(),
        ..ChatRequest::default()
    };
    change(&mut request);
    request
}

fn written(protocol: Protocol, request: &ChatRequest, manner: &Manner) -> Written {
    client::chat(protocol, "m", request, manner).unwrap()
}

fn fields(written: &Written) -> Vec<&str> {
    written.ignored.iter().map(|(field, _)| field.as_str()).collect()
}

#[test]
fn a_model_that_takes_no_sampling_is_sent_none_and_the_caller_is_told() {
    let sampling = Sampling {
        temperature: 0.2,
        top_p: Some(0.5),
        top_k: Some(5),
        presence_penalty: 1.0,
        seed: Some(7),
        ..SamplingChoice::neutral().sampling()
    };
    let (warm, plain) = (asked(|it| it.sampling = sampling), asked(|_| {}));
    for protocol in dialects::CALLED {
        // Also where what it does by itself is not known, so that otherwise everything would be sent.
        for defaults in [manner().defaults, None] {
            let manner = Manner { samples: false, defaults, ..manner() };
            let it = written(protocol, &warm, &manner);
            let told = fields(&it);
            for field in ["temperature", "top_p", "top_k", "penalties"] {
                assert!(told.contains(&field), "{protocol:?}: {told:?}");
            }
            let text = it.body.to_string();
            for name in ["temperature", "top_p", "topP", "top_k", "topK", "enalty"] {
                assert!(!text.contains(name), "{protocol:?}: {text}");
            }
            // What it can do is done all the same.
            assert!(text.contains("seed") || told.contains(&"seed"), "{protocol:?}: {text}");
            assert!(fields(&written(protocol, &plain, &manner)).is_empty(), "{protocol:?}");
        }
    }
}

#[test]
fn a_model_that_cannot_be_made_to_call_a_tool_is_not_asked_to() {
    let tool = ToolSpec { name: "f".into(), description: String::new(), parameters: json!({}) };
    let manner = Manner { forced_tools: false, ..manner() };
    for protocol in dialects::CALLED {
        for (choice, fits) in [
            (ToolChoice::Auto, true),
            (ToolChoice::None, true),
            (ToolChoice::Required, false),
            (ToolChoice::Named("f".into()), false),
        ] {
            let request = asked(|it| (it.tools, it.tool_choice) = (vec![tool.clone()], choice.clone()));
            let told = client::chat(protocol, "m", &request, &manner);
            assert_eq!(told.is_ok(), fits, "{protocol:?}: {choice:?}");
            if let Err(error) = told {
                assert!(
                    *error.kind() == ErrorKind::Unsupported && error.message().starts_with("tool_choice")
                );
            }
        }
    }
}

#[test]
fn anthropics_newer_models_think_by_effort_and_some_always() {
    let always = Manner {
        thinking: Thinking::Effort,
        efforts: Some(["low", "medium", "high"].map(str::to_owned).to_vec()),
        ..manner()
    };
    let sometimes = Manner { efforts: None, ..always.clone() };
    let off = asked(|it| it.reasoning = Some(Reasoning::Off));
    let it = written(Protocol::Anthropic, &off, &always);
    assert_eq!((&it.body["thinking"], &it.body["output_config"]["effort"]), (&Value::Null, &json!("low")));
    assert_eq!(fields(&it), ["reasoning"]);
    let it = written(Protocol::Anthropic, &off, &sometimes);
    assert_eq!((it.body["thinking"]["type"].as_str(), it.ignored.len()), (Some("disabled"), 0));
    let on = asked(|it| (it.reasoning, it.effort) = (Some(Reasoning::On), Some(Effort::High)));
    for manner in [&always, &sometimes] {
        let it = written(Protocol::Anthropic, &on, manner);
        // Without the second of these, what was thought would not be told.
        assert_eq!(it.body["thinking"], json!({ "type": "adaptive", "display": "summarized" }));
        assert!(it.body["output_config"]["effort"] == "high" && it.ignored.is_empty());
    }
}
