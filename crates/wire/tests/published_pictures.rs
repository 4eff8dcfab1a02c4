//! Pictures in the shapes that providers publish (`tests/fixtures/providers`).

#![allow(clippy::unwrap_used)]

use parasol_core::{Error, ErrorKind, Money};
use parasol_wire::client::{self, Protocol};
use parasol_wire::imagining::{self, Drawn, Event, Events, Job, JobState, Received, Source};

fn file(name: &str) -> Vec<u8> {
    let path = format!("{}/../../tests/fixtures/providers/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(path).unwrap()
}

fn read(protocol: Protocol, name: &str) -> Result<Drawn, Error> {
    imagining::read(protocol, &Received { kind: "application/json", header: &|_| None, body: &file(name) })
}

/// The size of a picture that came along.
fn size(source: &Source) -> Option<(u32, u32)> {
    match source {
        Source::Here(picture) => picture.dimensions(),
        Source::Address(_) => None,
    }
}

#[test]
fn openais_and_those_of_its_kin() {
    let it = read(Protocol::OpenAi, "openai_images.json").unwrap();
    assert_eq!(size(&it.pictures[0].source), Some((3, 2)));
    assert_eq!((it.usage.text_tokens, it.usage.picture_tokens, it.usage.output_tokens), (10, 40, 50));
    let it = read(Protocol::OpenAi, "xai_images.json").unwrap();
    assert_eq!((it.pictures.len(), it.usage.cost), (2, Some(Money::dollars(0.04))));
    assert!(it.pictures[0].revised_prompt.is_none());
    assert!(matches!(&it.pictures[1].source, Source::Address(url) if url.starts_with("https://imgen.x.ai/")));
    assert_eq!(read(Protocol::OpenAi, "together_images.json").unwrap().pictures.len(), 1);
    let error = client::error(Protocol::OpenAi, 400, &file("openai_images_blocked.json"), None);
    assert!(
        *error.kind() == ErrorKind::InvalidRequest && error.message().contains("safety system"),
        "{error}"
    );
}

#[test]
fn openais_stream_whole_and_byte_by_byte() {
    let bytes = file("openai_images.sse");
    for size in [1, 7, bytes.len()] {
        let (mut events, mut told) = (Events::default(), Vec::new());
        bytes.chunks(size).for_each(|piece| told.extend(events.push(piece).unwrap()));
        told.extend(events.finish().unwrap());
        let [Event::Preview(0, _), Event::Done(_, usage)] = &told[..] else { panic!("{told:?}") };
        assert_eq!((usage.picture_tokens, usage.output_tokens), (40, 50));
    }
}

#[test]
fn googles_and_stabilitys() {
    let it = read(Protocol::Gemini, "gemini_image.json").unwrap();
    assert_eq!((it.pictures.len(), it.usage.text_tokens, it.usage.output_tokens), (1, 8, 1296));
    let error = read(Protocol::Gemini, "gemini_image_refused.json").unwrap_err();
    assert!(
        *error.kind() == ErrorKind::InvalidRequest && error.message().contains("Unable to show"),
        "{error}"
    );
    let it = read(Protocol::Stability, "stability_image.json").unwrap();
    assert_eq!((it.pictures[0].seed, size(&it.pictures[0].source)), (Some(343_940_597), Some((3, 2))));
    let error = client::error(Protocol::Stability, 403, &file("stability_moderated.json"), None);
    assert_eq!(*error.kind(), ErrorKind::InvalidRequest);
}

#[test]
fn jobs_of_black_forest_labs() {
    let job = Job::read(&file("bfl_submitted.json")).unwrap();
    assert_eq!(job.cost, Some(Money::dollars(0.03)));
    assert!(
        imagining::may_be_asked("api.bfl.ai", "api.eu1.bfl.ai") && job.polling_url.contains("api.eu1.bfl.ai")
    );
    let JobState::Ready { sample, seed: Some(42), cost: None } =
        JobState::read(&file("bfl_ready.json")).unwrap()
    else {
        panic!()
    };
    assert!(sample.starts_with("https://delivery-eu1.bfl.ai/"));
    let error = JobState::read(&file("bfl_moderated.json")).unwrap_err();
    assert!(error.message().contains("Derivative Works Filter"), "{error}");
}
