#![allow(clippy::unwrap_used)]
use super::*;

fn asked(purpose: Option<EmbedPurpose>) -> EmbedRequest {
    EmbedRequest { purpose, dimensions: Some(8), ..EmbedRequest::texts(["one", "two"]) }
}

fn written(protocol: Protocol, request_: &EmbedRequest, manner: &Manner) -> Written {
    request(protocol, "m", &request_.inputs, request_, manner).unwrap()
}

#[test]
fn each_protocol_is_asked_in_its_own_words() {
    let (query, standard) = (asked(Some(EmbedPurpose::Query)), Manner::standard());
    let it = written(Protocol::OpenAi, &query, &standard);
    let wanted =
        json!({ "model": "m", "input": ["one", "two"], "encoding_format": "float", "dimensions": 8 });
    assert_eq!((it.path.as_str(), &it.body), ("embeddings", &wanted));
    assert_eq!(it.ignored[0].0, "purpose");
    let it = written(Protocol::OpenAi, &EmbedRequest { truncate: true, ..query.clone() }, &Manner::default());
    assert_eq!(
        (&it.body["input_type"], it.body["truncate_prompt_tokens"].as_i64()),
        (&json!("query"), Some(-1))
    );
    assert!(it.ignored.is_empty());
    let mistral = Manner { dimensions_field: "output_dimension".into(), ..Manner::standard() };
    assert_eq!(written(Protocol::OpenAi, &query, &mistral).body["output_dimension"], 8);

    let it = written(Protocol::Gemini, &query, &standard);
    let one = json!({ "model": "models/m", "content": { "parts": [{ "text": "one" }] }, "taskType": "RETRIEVAL_QUERY",
        "outputDimensionality": 8 });
    assert_eq!((it.path.as_str(), &it.body["requests"][0]), ("models/m:batchEmbedContents", &one));
    let prefixed = Manner { purpose_prefix: true, ..Manner::standard() };
    let it = written(Protocol::Gemini, &asked(Some(EmbedPurpose::Document)), &prefixed);
    let one = &it.body["requests"][1];
    assert_eq!(one["content"]["parts"][0]["text"], "title: none | text: two");
    assert!(one.get("taskType").is_none());

    let it = written(Protocol::Cohere, &query, &standard);
    let wanted = json!({ "model": "m", "texts": ["one", "two"], "input_type": "search_query",
        "embedding_types": ["float"], "truncate": "NONE", "output_dimension": 8 });
    assert_eq!((it.path.as_str(), &it.body), ("embed", &wanted));
    let it = written(Protocol::Cohere, &EmbedRequest { truncate: true, ..asked(None) }, &standard);
    assert_eq!((&it.body["input_type"], &it.body["truncate"]), (&json!("search_document"), &json!("END")));
}

#[test]
fn what_a_protocol_has_no_words_for_is_refused_by_name() {
    let tokens = EmbedRequest { inputs: vec![EmbedInput::Tokens(vec![1, 2])], ..EmbedRequest::default() };
    let it = written(Protocol::OpenAi, &tokens, &Manner::standard());
    assert_eq!(it.body["input"], json!([[1, 2]]));
    let both = EmbedRequest {
        inputs: vec![EmbedInput::Tokens(vec![1]), EmbedInput::Text("a".into())],
        ..EmbedRequest::default()
    };
    let fixed = Manner { dimensions_field: String::new(), ..Manner::standard() };
    for (protocol, request_, manner, part) in [
        (Protocol::OpenAi, &both, &Manner::standard(), "input"),
        (Protocol::OpenAi, &asked(None), &fixed, "dimensions"),
        (Protocol::Gemini, &tokens, &Manner::standard(), "input"),
        (Protocol::Cohere, &tokens, &Manner::standard(), "input"),
        (Protocol::Cohere, &asked(Some(EmbedPurpose::Similarity)), &Manner::standard(), "purpose"),
        (Protocol::Anthropic, &asked(None), &Manner::standard(), "no embeddings"),
        (Protocol::ElevenLabs, &asked(None), &Manner::standard(), "no embeddings"),
    ] {
        let error = request(protocol, "m", &request_.inputs, request_, manner).unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::Unsupported);
        assert!(error.message().contains(part), "{error}");
    }
    let up = request(Protocol::Gemini, "../m", &asked(None).inputs, &asked(None), &Manner::standard());
    assert_eq!(*up.unwrap_err().kind(), ErrorKind::InvalidRequest);
}

fn vectors(protocol: Protocol, count: usize, body: &Value) -> Result<Vectors> {
    read(protocol, count, body.to_string().as_bytes())
}

#[test]
fn answers_are_read_in_their_order_and_both_forms() {
    let base64 = STANDARD.encode([0.25f32, -1.5].map(f32::to_le_bytes).concat());
    let body = json!({ "object": "list", "data": [
        { "object": "embedding", "index": 1, "embedding": [1, 2.5] },
        { "object": "embedding", "index": 0, "embedding": base64 } ],
        "usage": { "prompt_tokens": 7, "total_tokens": 7, "cost": 0.5 } });
    let it = vectors(Protocol::OpenAi, 2, &body).unwrap();
    assert_eq!(it.vectors, [[0.25, -1.5], [1.0, 2.5]]);
    assert_eq!((it.tokens, it.cost), (Some(7), Some(Money::dollars(0.5))));
    let body = json!({ "embeddings": [{ "values": [1, 2] }, { "values": [3, 4] }], "usageMetadata": { "promptTokenCount": 5 } });
    let it = vectors(Protocol::Gemini, 2, &body).unwrap();
    assert_eq!((it.vectors, it.tokens), (vec![vec![1.0, 2.0], vec![3.0, 4.0]], Some(5)));
    let body = json!({ "id": "x", "embeddings": { "float": [[1, 2]] }, "texts": ["a"],
        "meta": { "billed_units": { "input_tokens": 3.0 } }, "response_type": "embeddings_by_type" });
    let it = vectors(Protocol::Cohere, 1, &body).unwrap();
    assert_eq!((it.vectors, it.tokens), (vec![vec![1.0, 2.0]], Some(3)));
    assert_eq!(
        vectors(Protocol::Gemini, 1, &json!({ "embeddings": [{ "values": [1] }] })).unwrap().tokens,
        None
    );
}

#[test]
fn what_is_no_answer_is_said_so() {
    let item = |index: usize, embedding: Value| json!({ "index": index, "embedding": embedding });
    for (data, part) in [
        (json!([item(0, json!([1]))]), "1 vectors where 2"),
        (json!([item(0, json!([1])), item(0, json!([1]))]), "0 vectors where 2"),
        (json!([item(0, json!([1])), item(7, json!([1]))]), "0 vectors where 2"),
        (json!([item(0, json!([1])), item(1, json!([1, 2]))]), "vector 1 has 2"),
        (json!([item(0, json!([])), item(1, json!([]))]), "vector 0 has 0"),
        (json!([item(0, json!([1])), item(1, json!([null]))]), "no embeddings"),
        (json!([item(0, json!("AAAA")), item(1, json!("AAAA"))]), "3 bytes"),
        (json!([item(0, json!("AADAfw==")), item(1, json!("AADAfw=="))]), "no number"),
        (json!([item(0, json!("§")), item(1, json!([1]))]), "no embeddings"),
    ] {
        let error = vectors(Protocol::OpenAi, 2, &json!({ "data": data })).unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::Network);
        assert!(error.message().contains(part), "{error}, not {part}");
    }
    for protocol in [Protocol::OpenAi, Protocol::Gemini, Protocol::Cohere] {
        for body in [&b"{}"[..], b"[]", b"", b"{\"data\":", b"{\"embeddings\":null}", b"\xff"] {
            assert!(read(protocol, 1, body).is_err(), "{protocol:?}");
        }
    }
}
