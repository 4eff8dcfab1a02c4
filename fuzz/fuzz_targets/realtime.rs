//! Any text as messages of a Realtime session, a line each: refused, or taken in; settings change together or not at all, and can be
//! sent back as they are shown.
#![no_main]

use libfuzzer_sys::fuzz_target;
use parasol_core::SamplingChoice;
use parasol_wire::openai::realtime::{ClientEvent, Item, Received, ResponseCall, Session, conversation};

fuzz_target!(|text: &str| {
    let mut session = Session::new(Some("m".into()), ("ears".into(), "voice".into()));
    let mut items: Vec<Item> = Vec::new();
    for line in text.lines().take(64) {
        match Received::read(line).event {
            Ok(ClientEvent::SessionUpdate(change)) => {
                let before = session.clone();
                match session.update(change) {
                    Ok(()) => session.update(shown(&session)).expect("what is shown can be sent back"),
                    Err(_) => assert_eq!(session, before),
                }
            }
            Ok(ClientEvent::ItemCreate { item, .. }) => items.push(item),
            Ok(ClientEvent::ResponseCreate(response)) => {
                if let (Ok(call), Ok(messages)) = (ResponseCall::read(&session, response), conversation(&items)) {
                    call.speech.request(messages, &SamplingChoice::default());
                }
            }
            _ => {}
        }
    }
    items.iter().for_each(|item| drop(item.write(true)));
});

fn shown(session: &Session) -> serde_json::Value {
    session.write("sess_1")
}
