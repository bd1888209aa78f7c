//! Sources of webhooks: each one's way from its signature to the type of its event, and bad input of every kind.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::json;
use sha1::Sha1;
use sha2::{Digest as _, Sha256};

use crate::setup::{Request, Setup, signature, webhook};

/// The time of the tests, in seconds.
const NOW_S: i64 = 1_767_323_045;
const SECRET: &str = "c2VjcmV0IG9mIHRoZSB0ZXN0cw==";
/// Where the function believes that it is called.
const HOST: &str = "https://abc123.execute-api.eu-central-1.amazonaws.com";
const FORM: &str = "application/x-www-form-urlencoded";

/// The platforms that are no chats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    GitHub,
    Hmac,
    Shopify,
    StandardWebhooks,
    Stripe,
    Twilio,
    Unsigned,
}

const SOURCES: [Source; 7] = [
    Source::GitHub,
    Source::Hmac,
    Source::Shopify,
    Source::StandardWebhooks,
    Source::Stripe,
    Source::Twilio,
    Source::Unsigned,
];

fn hmac(secret: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    let mac = Hmac::<Sha256>::new_from_slice(secret).unwrap();
    parts.iter().fold(mac, Hmac::chain_update).finalize().into_bytes().to_vec()
}

/// The signature of Twilio: over the URL, and what comes after it.
fn twilio(url: &str, fields: &str) -> String {
    let mac = Hmac::<Sha1>::new_from_slice(SECRET.as_bytes()).unwrap();
    STANDARD.encode(mac.chain_update(url).chain_update(fields).finalize().into_bytes())
}

impl Source {
    async fn channel(self, setup: &Setup) -> String {
        let secret = json!({"secret": SECRET});
        let (platform, credentials) = match self {
            Self::GitHub => ("github", secret),
            Self::Hmac => ("hmac", secret),
            Self::Shopify => ("shopify", secret),
            Self::StandardWebhooks => ("standard-webhooks", secret),
            Self::Stripe => ("stripe", secret),
            Self::Twilio => ("twilio", json!({"authToken": SECRET})),
            Self::Unsigned => return setup.channel(json!({"unsigned": true})).await,
        };
        let mut channel = json!({"platform": platform, "credentials": credentials});
        if self == Self::Hmac {
            channel["recipe"] = json!({
                "header": "x-proof", "signedString": "{timestamp}.{id}.{body}", "timestampHeader": "x-time",
                "idHeader": "x-id",
            });
        }
        setup.channel(channel).await
    }

    /// A webhook as the source makes it: the delivery `d1`, signed at a time over these bytes.
    fn webhook(self, id: &str, body: &[u8], time_s: i64) -> Request {
        let time = time_s.to_string();
        match self {
            Self::GitHub => webhook(id, "")
                .header("x-hub-signature-256", &signature(SECRET, body))
                .header("x-github-event", "push")
                .header("x-github-delivery", "d1"),
            Self::Hmac => webhook(id, "")
                .header("x-proof", &hex::encode(hmac(SECRET.as_bytes(), &[time.as_bytes(), b".d1.", body])))
                .header("x-time", &time)
                .header("x-id", "d1"),
            Self::Shopify => webhook(id, "")
                .header("x-shopify-hmac-sha256", &STANDARD.encode(hmac(SECRET.as_bytes(), &[body])))
                .header("x-shopify-topic", "orders/create")
                .header("x-shopify-webhook-id", "d1"),
            Self::StandardWebhooks => {
                let signed = hmac(&STANDARD.decode(SECRET).unwrap(), &[b"d1.", time.as_bytes(), b".", body]);
                webhook(id, "")
                    .header("webhook-signature", &format!("v1,{}", STANDARD.encode(signed)))
                    .header("webhook-timestamp", &time)
                    .header("webhook-id", "d1")
            }
            Self::Stripe => {
                let v1 = hex::encode(hmac(SECRET.as_bytes(), &[time.as_bytes(), b".", body]));
                webhook(id, "").header("stripe-signature", &format!("t={time},v1={v1}"))
            }
            Self::Twilio => {
                let query = format!("?bodySHA256={}", hex::encode(Sha256::digest(body)));
                let proof = twilio(&format!("{HOST}/webhooks/{id}{query}"), "");
                webhook(&format!("{id}{query}"), "")
                    .header("x-twilio-signature", &proof)
                    .header("i-twilio-idempotency-token", "d1")
            }
            Self::Unsigned => webhook(id, ""),
        }
        .bytes(body)
    }

    /// The header that proves the webhook.
    fn proof(self) -> Option<&'static str> {
        match self {
            Self::GitHub => Some("x-hub-signature-256"),
            Self::Hmac => Some("x-proof"),
            Self::Shopify => Some("x-shopify-hmac-sha256"),
            Self::StandardWebhooks => Some("webhook-signature"),
            Self::Stripe => Some("stripe-signature"),
            Self::Twilio => Some("x-twilio-signature"),
            Self::Unsigned => None,
        }
    }

    /// Makes an old webhook look like a new one, as far as somebody without the secret can.
    fn replayed(self, mut request: Request, time_s: i64) -> Option<Request> {
        let time = time_s.to_string();
        match self {
            Self::Hmac => Some(request.header("x-time", &time)),
            Self::StandardWebhooks => Some(request.header("webhook-timestamp", &time)),
            Self::Stripe => {
                let proof = request.payload["headers"]["stripe-signature"].as_str().unwrap();
                let proof = format!("t={time},{}", proof.split_once(',').unwrap().1);
                request.payload["headers"]["stripe-signature"] = proof.into();
                Some(request)
            }
            Self::GitHub | Self::Shopify | Self::Twilio | Self::Unsigned => None,
        }
    }
}

#[tokio::test]
async fn each_event_has_the_type_that_its_source_calls_it() {
    let setup = Setup::new().await;
    let body = json!({"id": "evt_1", "type": "user.created", "data": {}});
    let check = async |source: Source, expected: &str| {
        let id = source.channel(&setup).await;
        let answer = setup.send(source.webhook(&id, body.to_string().as_bytes(), NOW_S)).await;
        assert_eq!((answer.status, &answer.body["messages"]), (200, &json!(1)), "{source:?}: {}", answer.body);
        let facts = setup.facts(expected).await;
        let fact = facts.iter().find(|fact| fact["content"]["channelId"] == id.as_str()).unwrap();
        assert_eq!((&fact["id"], &fact["type"]), (&answer.body["events"][0], &json!(expected)));
        assert_eq!((&fact["tenantId"], &fact["content"]["payload"]), (&json!("mine"), &body));
        assert_eq!(source.proof().and_then(|proof| fact["content"]["headers"].get(proof)), None, "{source:?}");
    };
    check(Source::GitHub, "github.push").await;
    check(Source::Hmac, "webhook.received").await;
    check(Source::Shopify, "shopify.orders/create").await;
    check(Source::StandardWebhooks, "standard-webhooks.user.created").await;
    check(Source::Stripe, "stripe.user.created").await;
    check(Source::Twilio, "webhook.received").await;
    check(Source::Unsigned, "webhook.received").await;
}

#[tokio::test]
async fn a_source_repeats_itself_and_the_event_is_the_same() {
    let setup = Setup::new().await;
    for source in SOURCES {
        let id = source.channel(&setup).await;
        let send = async |body: &str, time_s: i64| {
            let answer = setup.send(source.webhook(&id, body.as_bytes(), time_s)).await;
            assert_eq!(answer.status, 200, "{source:?}: {}", answer.body);
            answer.body["events"][0].clone()
        };
        let first = send(r#"{"id": "evt_1", "a": 1}"#, NOW_S).await;
        assert_eq!(send(r#"{"id": "evt_1", "a": 1}"#, NOW_S + 60).await, first, "{source:?}");
        // The name of the delivery counts and not its words, where there is one.
        let reworded = send(r#"{"a": 1,  "id": "evt_1"}"#, NOW_S + 60).await;
        assert_eq!(reworded == first, source != Source::Unsigned, "{source:?}");
    }
}

#[tokio::test]
async fn a_body_that_is_no_good_is_refused_with_its_status_by_every_source() {
    let setup = Setup::new().await;
    let items = |count: usize| format!("[{}]", vec!["{}"; count].join(",")).into_bytes();
    let bodies: [(Vec<u8>, u16); 10] = [
        (br#"{"type": "a", "id": "#.to_vec(), 400),
        (b"".to_vec(), 400),
        (b"no JSON".to_vec(), 400),
        (b"{\"a\": \"\xff\"}".to_vec(), 400),
        (br#"{"a": "\ud800"}"#.to_vec(), 400),
        (br#"{"a": 1e999}"#.to_vec(), 400),
        (format!("{}{}", "[".repeat(101), "]".repeat(101)).into_bytes(), 400),
        (format!("{{\"a\": {}", "[".repeat(100_000)).into_bytes(), 400),
        (items(10_000 * 10), 413),
        (format!("\"{}\"", "x".repeat(3 * 1024 * 1024)).into_bytes(), 413),
    ];
    for source in SOURCES {
        let id = source.channel(&setup).await;
        for (body, status) in &bodies {
            let answer = setup.send(source.webhook(&id, body, NOW_S)).await;
            let shown = String::from_utf8_lossy(&body[..body.len().min(40)]);
            assert_eq!(answer.status, *status, "{source:?}: {shown}: {}", answer.body);
            assert!(answer.body["message"].is_string(), "{}", answer.body);
        }
    }
    assert!(setup.events().await.is_empty(), "nothing of it is an event");
}

#[tokio::test]
async fn what_is_only_unusual_is_an_event_without_a_name_of_its_own() {
    let setup = Setup::new().await;
    let items = format!("[{}]", vec!["{}"; 10_000].join(","));
    let bodies = [
        r#"{"type": 5, "id": ["x"], "MessageStatus": {}, "CallStatus": 1e300}"#,
        r#"{"type": "two words", "id": ""}"#,
        r#"{"type": "", "id": 123456789012345678901234567890}"#,
        r#"["user.created", "evt_1"]"#,
        "-0.0",
        "null",
        &items,
    ];
    for source in [Source::StandardWebhooks, Source::Stripe, Source::Twilio, Source::Unsigned, Source::Hmac] {
        let id = source.channel(&setup).await;
        for body in bodies {
            let answer = setup.send(source.webhook(&id, body.as_bytes(), NOW_S)).await;
            assert_eq!((answer.status, &answer.body["failed"]), (200, &json!(0)), "{source:?}: {}", answer.body);
        }
    }
    let events = setup.events().await;
    assert!(events.iter().all(|event| event["detail-type"] == "webhook.received"), "{events:?}");
}

#[tokio::test]
async fn what_does_not_prove_itself_is_refused_by_every_source_that_signs() {
    let setup = Setup::new().await;
    let body = br#"{"id": "evt_1", "type": "user.created"}"#;
    for source in SOURCES {
        let Some(proof) = source.proof() else { continue };
        let id = source.channel(&setup).await;
        let other = source.channel(&setup).await;
        let refused = async |request: Request, why: &str| {
            let answer = setup.send(request).await;
            assert_eq!((answer.status, &answer.body["code"]), (401, &json!(106)), "{source:?}, {why}: {}", answer.body);
        };
        let right = || source.webhook(&id, body, NOW_S);
        let mut without = right();
        without.payload["headers"].as_object_mut().unwrap().remove(proof);
        refused(without, "no proof").await;
        refused(right().header(proof, ""), "an empty proof").await;
        refused(right().header(proof, "\u{fc}"), "a proof that is no text").await;
        refused(right().bytes(br#"{"id": "evt_2"}"#), "another body").await;
        refused(right().bytes(b""), "no body").await;
        let mut unlike = right().payload["headers"][proof].as_str().unwrap().to_owned();
        let last = unlike.pop().unwrap();
        unlike.pop();
        unlike.extend([if last == 'A' { 'B' } else { 'A' }, last]);
        refused(right().header(proof, &unlike), "another proof").await;
        if source == Source::Twilio {
            let mut elsewhere = right();
            elsewhere.payload["rawPath"] = format!("/webhooks/{other}").into();
            refused(elsewhere, "another channel").await;
        }
    }
    assert!(setup.events().await.is_empty());
}

#[tokio::test]
async fn an_old_webhook_is_refused_also_with_a_new_time() {
    let setup = Setup::new().await;
    let body = br#"{"id": "evt_1", "type": "user.created"}"#;
    for source in [Source::Hmac, Source::StandardWebhooks, Source::Stripe] {
        let id = source.channel(&setup).await;
        for time_s in [NOW_S - 301, NOW_S + 301, 0, i64::MAX, i64::MIN] {
            let answer = setup.send(source.webhook(&id, body, time_s)).await;
            assert_eq!(answer.status, 401, "{source:?} at {time_s}: {}", answer.body);
            let replayed = source.replayed(source.webhook(&id, body, time_s), NOW_S).unwrap();
            let answer = setup.send(replayed).await;
            assert_eq!(answer.status, 401, "{source:?} of {time_s}: {}", answer.body);
        }
    }
    assert!(setup.events().await.is_empty());
}

/// A form as Twilio posts it: what is signed are its names and values in order.
fn form(id: &str, path: &str, body: &str, fields: &str) -> Request {
    let request = webhook(&format!("{id}{path}"), body).header("content-type", FORM);
    request.header("x-twilio-signature", &twilio(&format!("{HOST}/webhooks/{id}{path}"), fields))
}

#[tokio::test]
async fn a_form_of_twilio_is_an_object_and_is_answered_with_twiml() {
    let setup = Setup::new().await;
    let id = Source::Twilio.channel(&setup).await;
    let body = "MessageSid=SM1&SmsStatus=received&From=%2B14158675309&To=%2B18005551212&Body=caf%C3%A9+%26+%2B1";
    let fields = "Bodycaf\u{e9} & +1From+14158675309MessageSidSM1SmsStatusreceivedTo+18005551212";
    let answer = setup.send(form(&id, "?shop=1%2F2", body, fields)).await;
    let twiml = r#"<?xml version="1.0" encoding="UTF-8"?><Response/>"#;
    assert_eq!((answer.status, &answer.body), (200, &json!(twiml)));
    assert_eq!(answer.headers["content-type"], "text/xml");
    let facts = setup.facts("twilio.message.received").await;
    assert_eq!(answer.headers["hookyard-events"], facts[0]["id"]);
    let expected = json!({
        "MessageSid": "SM1", "SmsStatus": "received", "From": "+14158675309", "To": "+18005551212",
        "Body": "caf\u{e9} & +1",
    });
    assert_eq!(facts[0]["content"]["payload"], expected);

    let status = form(&id, "", "MessageSid=SM1&MessageStatus=delivered", "MessageSidSM1MessageStatusdelivered");
    assert_eq!(setup.send(status).await.status, 200);
    assert_eq!(setup.facts("twilio.message.delivered").await.len(), 1);
    let call = form(&id, "", "CallSid=CA1&CallStatus=completed", "CallSidCA1CallStatuscompleted");
    assert_eq!(setup.send(call).await.status, 200);
    assert_eq!(setup.facts("twilio.call.completed").await.len(), 1);
}

#[tokio::test]
async fn a_form_of_twilio_that_is_no_good_is_refused() {
    let setup = Setup::new().await;
    let id = Source::Twilio.channel(&setup).await;
    let check = async |request: Request, status: u16| {
        let answer = setup.send(request).await;
        assert_eq!(answer.status, status, "{}", answer.body);
    };
    check(form(&id, "", "a=%ff", "a\u{fffd}"), 401).await;
    check(form(&id, "", "", ""), 401).await;
    check(form(&id, "", "=", ""), 401).await;
    check(form(&id, "", "a=1&a=2", "a1a2a3"), 401).await;
    check(form(&id, "", "a=1", "a1").header("content-type", "application/json"), 401).await;
    check(form(&id, "", "a=1", "a1").header("content-type", "text/plain"), 401).await;
    let large = "x".repeat(300 * 1024);
    check(form(&id, "", &format!("a={large}"), &format!("a{large}")), 413).await;
    assert!(setup.events().await.is_empty());
}

#[tokio::test]
async fn a_replaced_secret_stays_valid_for_its_time() {
    let setup = Setup::new().await;
    for source in [Source::Shopify, Source::Stripe, Source::Twilio] {
        let id = source.channel(&setup).await;
        let name = if source == Source::Twilio { "authToken" } else { "secret" };
        let change = json!({"credentials": {name: "another one"}, "previousValidSeconds": 60});
        assert_eq!(setup.api("PUT", &format!("/channels/{id}"), change).await.status, 200);
        let send = async || setup.send(source.webhook(&id, b"{}", NOW_S)).await.status;
        assert_eq!(send().await, 200, "{source:?}");
        setup.clock.advance(jiff::SignedDuration::from_secs(60));
        assert_eq!(send().await, 401, "{source:?}");
        setup.clock.set(crate::setup::NOW.parse().unwrap());
    }
}

#[tokio::test]
async fn twilio_signs_the_configured_url_or_else_the_one_of_the_host() {
    for (base_url, signed, status) in [
        ("https://hooks.example.com/", "https://hooks.example.com", 200),
        ("https://hooks.example.com/", HOST, 401),
        ("", HOST, 200),
        ("", "https://hooks.example.com", 401),
    ] {
        let setup = Setup::with_base(base_url).await;
        let id = Source::Twilio.channel(&setup).await;
        let proof = twilio(&format!("{signed}/webhooks/{id}"), "Bodyhello");
        let request = webhook(&id, "Body=hello").header("content-type", FORM).header("x-twilio-signature", &proof);
        assert_eq!(setup.send(request).await.status, status, "{base_url} {signed}");
    }
}

#[tokio::test]
async fn a_strange_host_matters_only_where_the_url_is_signed_or_shown() {
    let setup = Setup::new().await;
    let id = Source::Unsigned.channel(&setup).await;
    let strange = |request: Request| request.header("host", "a.b/evil?x");
    assert_eq!(setup.send(strange(webhook(&id, "{}"))).await.status, 200);
    let token = setup.token(&["*"]).await;
    let shown = strange(Request::new("GET", &format!("/channels/{id}")).bearer(&token));
    assert_eq!(setup.send(shown).await.status, 400);
}

#[tokio::test]
async fn the_headers_of_svix_are_those_of_standard_webhooks() {
    let setup = Setup::new().await;
    let id = Source::StandardWebhooks.channel(&setup).await;
    let body = br#"{"type": "user.created"}"#;
    let usual = Source::StandardWebhooks.webhook(&id, body, NOW_S);
    let mut svix = usual.clone();
    let headers = svix.payload["headers"].as_object_mut().unwrap();
    for name in ["id", "timestamp", "signature"] {
        let value = headers.remove(&format!("webhook-{name}")).unwrap();
        headers.insert(format!("svix-{name}"), value);
    }
    let answer = setup.send(svix.clone()).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let facts = setup.facts("standard-webhooks.user.created").await;
    assert_eq!(facts[0]["content"]["headers"]["svix-id"], "d1");
    assert_eq!(facts[0]["content"]["headers"].get("svix-signature"), None);
    assert_eq!(setup.send(usual).await.body["events"], answer.body["events"], "the id tells the event");
    assert_eq!(setup.send(svix.bytes(b"{}")).await.status, 401);
}

#[tokio::test]
async fn a_header_travels_on_unless_it_is_a_credential_or_a_signature() {
    let setup = Setup::new().await;
    let id = Source::Hmac.channel(&setup).await;
    let kept = [("x-event-key", "repo:push"), ("x-idempotency-key", "k1"), ("x-signature-version", "1")];
    let dropped = ["authorization", "cookie", "x-api-key", "x-hub-signature", "x-gitlab-token"];
    let request = Source::Hmac.webhook(&id, b"{}", NOW_S);
    let request = kept.iter().fold(request, |request, (name, value)| request.header(name, value));
    let request = dropped.iter().fold(request, |request, name| request.header(name, "hush"));
    assert_eq!(setup.send(request).await.status, 200);
    let headers = &setup.facts("webhook.received").await[0]["content"]["headers"];
    for (name, value) in kept {
        assert_eq!(headers[name], value);
    }
    for name in dropped.into_iter().chain(["x-proof"]) {
        assert_eq!(headers.get(name), None, "{name}");
    }
}

#[tokio::test]
async fn a_recipe_takes_a_time_in_each_notation_and_its_text_is_what_is_signed() {
    let setup = Setup::new().await;
    let recipe = json!({
        "header": "x-proof", "encoding": "base64", "signedString": "{timestamp}{body}", "timestampHeader": "x-time",
    });
    let id = setup.channel(json!({"platform": "hmac", "credentials": {"secret": SECRET}, "recipe": recipe})).await;
    let body = br#"{"a": 1}"#;
    let status = async |signed: &str, sent: &str| {
        let proof = STANDARD.encode(hmac(SECRET.as_bytes(), &[signed.as_bytes(), body]));
        setup.send(webhook(&id, "").bytes(body).header("x-proof", &proof).header("x-time", sent)).await.status
    };
    for time in [
        "2026-01-02T03:04:05Z",
        "2026-01-02T03:04:05.123456Z",
        "2026-01-02T04:04:05+01:00",
        "Fri, 02 Jan 2026 03:04:05 GMT",
        "1767323045",
        "1767323045.678",
        "1767323045678",
        "1767323045678901",
    ] {
        assert_eq!(status(time, time).await, 200, "{time}");
    }
    for time in ["2026-01-02T02:04:05Z", "2026-01-02T04:04:05Z", "Fri, 02 Jan 2026 02:04:05 GMT", "1767319445678"] {
        assert_eq!(status(time, time).await, 401, "{time} is too far away");
    }
    for time in ["soon", "2026-01-02", "2026-01-02T03:04:05", ""] {
        assert_eq!(status(time, time).await, 401, "{time} is not a time");
    }
    assert_eq!(status("2026-01-02T03:04:05Z", "1767323045").await, 401, "the same time in other words");
}

#[tokio::test]
async fn an_event_of_a_conversation_of_twilio_is_not_a_received_message() {
    let setup = Setup::new().await;
    let id = Source::Twilio.channel(&setup).await;
    let post = async |kind: &str, source: &str| {
        let body = format!("EventType={kind}&MessageSid=IM1&Body=hi&Source={source}");
        let signed = format!("BodyhiEventType{kind}MessageSidIM1Source{source}");
        assert_eq!(setup.send(form(&id, "", &body, &signed)).await.status, 200, "{kind} {source}");
    };
    post("onMessageRemoved", "SDK").await;
    post("onMessageAdded", "API").await;
    assert!(setup.facts("twilio.message.received").await.is_empty());
    assert_eq!(setup.facts("twilio.onMessageRemoved").await.len(), 1);
    assert_eq!(setup.facts("twilio.onMessageAdded").await.len(), 1);
    post("onMessageAdded", "SMS").await;
    assert_eq!(setup.facts("twilio.message.received").await.len(), 1);
}

#[tokio::test]
async fn the_url_that_twilio_called_is_what_is_signed() {
    let check = async |base: &str, request: &dyn Fn(&str) -> (Request, String), expected: u16| {
        let setup = Setup::with_base(base).await;
        let id = Source::Twilio.channel(&setup).await;
        let (request, url) = request(&id);
        let request = request.header("content-type", FORM).header("x-twilio-signature", &twilio(&url, "Bodyhello"));
        assert_eq!(setup.send(request).await.status, expected, "{base} {url}");
    };
    let post = |path: String| Request::new("POST", &path).body("Body=hello");
    let proxied = |proto: &'static str, scheme: &'static str| {
        move |id: &str| {
            let url = format!("{scheme}://{}/webhooks/{id}", HOST.trim_start_matches("https://"));
            (post(format!("/webhooks/{id}")).header("x-forwarded-proto", proto), url)
        }
    };
    check("", &proxied("https,http", "https"), 200).await;
    check("", &proxied("https, http", "https"), 200).await;
    check("", &proxied("http,https", "http"), 200).await;
    check("", &proxied("https,http", "http"), 401).await;
    let slash = |id: &str| (post(format!("/webhooks/{id}/")), format!("{HOST}/webhooks/{id}/"));
    let slash_and_query =
        |id: &str| (post(format!("/webhooks/{id}/?a=b%2Fc")), format!("{HOST}/webhooks/{id}/?a=b%2Fc"));
    let without_its_slash = |id: &str| (post(format!("/webhooks/{id}/")), format!("{HOST}/webhooks/{id}"));
    check("", &slash, 200).await;
    check("", &slash_and_query, 200).await;
    check("", &without_its_slash, 401).await;
    let forwarded = |id: &str| {
        let request = post(format!("/webhooks/{id}/")).header("host", "127.0.0.1:8787");
        let request = request.header("x-forwarded-host", "hooks.example.com, inner");
        (request.header("x-forwarded-proto", "https,http"), format!("https://hooks.example.com/webhooks/{id}/"))
    };
    check("", &forwarded, 200).await;
    check("http://127.0.0.1:8787", &forwarded, 200).await;
    let staged = |url: &'static str| {
        move |id: &str| {
            let mut request = post(format!("/prod/webhooks/{id}/"));
            request.payload["requestContext"]["stage"] = "prod".into();
            (request, format!("{url}/webhooks/{id}/"))
        }
    };
    check("", &staged("https://abc123.execute-api.eu-central-1.amazonaws.com/prod"), 200).await;
    check("https://hooks.example.com", &staged("https://hooks.example.com"), 200).await;
    check("https://hooks.example.com/in/", &staged("https://hooks.example.com/in"), 200).await;
}

#[tokio::test]
async fn each_401_says_how_to_prove_oneself() {
    let setup = Setup::new().await;
    for source in SOURCES {
        let Some(proof) = source.proof() else { continue };
        let id = source.channel(&setup).await;
        let answer = setup.send(source.webhook(&id, b"{}", NOW_S).header(proof, "wrong")).await;
        assert_eq!((answer.status, &answer.headers["www-authenticate"]), (401, &json!("Signature realm=\"hookyard\"")));
    }
    let challenge = async |request: Request| {
        let answer = setup.send(request).await;
        assert_eq!(answer.status, 401, "{}", answer.body);
        answer.headers["www-authenticate"].as_str().unwrap().to_owned()
    };
    assert_eq!(challenge(Request::new("GET", "/channels")).await, "Bearer realm=\"hookyard\"");
    let unknown = challenge(Request::new("GET", "/channels").bearer("x.y.z")).await;
    assert!(unknown.contains("error=\"invalid_token\""), "{unknown}");
    let token = setup.token(&["VIEW_MESSAGES"]).await;
    let without = challenge(Request::new("GET", "/channels").bearer(&token)).await;
    assert!(without.contains("error=\"insufficient_scope\""), "{without}");
}
