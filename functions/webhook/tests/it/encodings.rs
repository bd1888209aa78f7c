//! Bodies in other charsets and compressed ones; what is signed are the bytes as they were sent.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use ruzstd::encoding::{CompressionLevel, compress_to_vec};
use serde_json::{Value, json};

use crate::setup::{Request, SECRET, Setup, signature, webhook};

const BODY: &str = r#"{"zen": "Keep it logically awesome."}"#;
/// What Node's `zlib.brotliCompressSync` makes of [`BODY`].
const BROTLI: &str = "0b12807b227a656e223a20224b656570206974206c6f676963616c6c7920617765736f6d652e227d03";
/// The same of 16 MiB of zeros.
const BROTLI_BOMB: &str = "cbffff3ff82700e2b14020f7fe2ffffffff04f00c4611180eefd1f";
const FORM: &str = "application/x-www-form-urlencoded";

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn deflate(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    compress_to_vec(bytes, CompressionLevel::Fastest)
}

fn brotli() -> Vec<u8> {
    hex::decode(BROTLI).unwrap()
}

/// A webhook as GitHub signs it, over these bytes.
fn signed(id: &str, body: &[u8]) -> Request {
    webhook(id, "").bytes(body).header("x-hub-signature-256", &signature(SECRET, body))
}

async fn payload(setup: &Setup, event_id: &Value) -> Value {
    let events = setup.events().await;
    let event = events.into_iter().find(|event| event["detail"]["id"] == *event_id).unwrap();
    event["detail"]["content"]["payload"].clone()
}

#[tokio::test]
async fn a_compressed_webhook_is_the_event_of_its_text() {
    let setup = Setup::new().await;
    let id = setup.github_channel().await;
    let body = BODY.as_bytes();
    let bodies = [
        ("gzip", gzip(body)),
        ("x-gzip", gzip(body)),
        ("GZIP", gzip(body)),
        ("deflate", deflate(body)),
        ("br", brotli()),
        ("zstd", zstd(body)),
        ("br, gzip", gzip(&brotli())),
        ("identity", body.to_vec()),
    ];
    for (encoding, bytes) in bodies {
        let answer = setup.send(signed(&id, &bytes).header("content-encoding", encoding)).await;
        assert_eq!(answer.status, 200, "{encoding}: {}", answer.body);
        let event_id = &answer.body["events"][0];
        assert_eq!(payload(&setup, event_id).await, serde_json::from_str::<Value>(BODY).unwrap(), "{encoding}");
        // The text tells the event, as each sending may be compressed in another way.
        let plain = setup.send(signed(&id, body)).await;
        assert_eq!(&plain.body["events"][0], event_id, "{encoding}");
        let unsigned = signed(&id, body).bytes(&bytes).header("content-encoding", encoding);
        let is_signed = bytes == body;
        assert_eq!(setup.send(unsigned).await.status == 200, is_signed, "{encoding}: the bytes are what is signed");
    }
}

#[tokio::test]
async fn what_cannot_be_decoded_is_refused_with_its_status() {
    let setup = Setup::new().await;
    let id = setup.github_channel().await;
    let check = async |encoding: &str, bytes: &[u8], status: u16, part: &str| {
        let answer = setup.send(signed(&id, bytes).header("content-encoding", encoding)).await;
        let message = answer.body["message"].as_str().unwrap().to_owned();
        assert_eq!((answer.status, message.contains(part)), (status, true), "{encoding}: {message}");
    };
    let zeros = vec![b' '; 16 * 1024 * 1024];
    check("compress", BODY.as_bytes(), 415, "gzip, deflate, br, zstd").await;
    check("aes128gcm", BODY.as_bytes(), 415, "aes128gcm").await;
    check("gzip, gzip, gzip, gzip, gzip", BODY.as_bytes(), 415, "content encodings").await;
    check("gzip", BODY.as_bytes(), 400, "gzip").await;
    check("gzip", &gzip(BODY.as_bytes())[..20], 400, "gzip").await;
    check("br", &gzip(BODY.as_bytes()), 400, "br").await;
    check("gzip, br", &gzip(&brotli()), 400, "br").await;
    for (encoding, bomb) in [
        ("gzip", gzip(&zeros)),
        ("deflate", deflate(&zeros)),
        ("zstd", zstd(&zeros)),
        ("br", hex::decode(BROTLI_BOMB).unwrap()),
        ("gzip, gzip", gzip(&gzip(&zeros))),
    ] {
        check(encoding, &bomb, 413, "larger").await;
    }
    // Whoever does not know the secret makes nobody decode anything.
    let forged = webhook(&id, "").bytes(&gzip(&zeros)).header("content-encoding", "gzip");
    assert_eq!(setup.send(forged.header("x-hub-signature-256", "sha256=00")).await.status, 401);
    assert!(setup.events().await.is_empty());
}

#[tokio::test]
async fn a_body_is_read_in_its_charset() {
    let setup = Setup::new().await;
    let types = ["application/json", FORM, "text/plain"];
    let mut ids = Vec::new();
    for content_type in types {
        ids.push(setup.channel(json!({"unsigned": true, "contentType": content_type})).await);
    }
    let github = setup.github_channel().await;
    let check = async |request: Request, expected: Value| {
        let answer = setup.send(request).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert_eq!(payload(&setup, &answer.body["events"][0]).await, expected);
    };
    let with = |at: usize, content_type: &str, body: &[u8]| {
        webhook(&ids[at], "").bytes(body).header("content-type", content_type)
    };
    check(with(0, types[0], b"\xef\xbb\xbf{\"a\": 1}"), json!({"a": 1})).await;
    check(signed(&github, b"\xef\xbb\xbf{\"a\": 1}"), json!({"a": 1})).await;
    check(with(0, "application/json; charset=ISO-8859-1", b"\"caf\xe9\""), json!("caf\u{e9}")).await;
    let paypal = b"first_name=Ren%E9&residence=K%F6ln&price=5+%80&charset=windows-1252";
    let read = json!({"first_name": "Ren\u{e9}", "residence": "K\u{f6}ln", "price": "5 \u{20ac}",
        "charset": "windows-1252"});
    check(with(1, FORM, paypal), read).await;
    check(with(1, &format!("{FORM}; charset=windows-1252"), b"a=%E9"), json!({"a": "\u{e9}"})).await;
    check(with(1, FORM, b"_charset_=latin1&a=%E9"), json!({"_charset_": "latin1", "a": "\u{e9}"})).await;
    check(with(2, "text/plain; charset=koi8-r", b"\xc4\xc1"), json!("\u{434}\u{430}")).await;
    // A form of GitHub holds JSON, and its charset is that of the form.
    let form = signed(&github, b"charset=windows-1252&payload=%22%E9%22").header("content-type", FORM);
    check(form, json!("\u{e9}")).await;
    check(
        with(0, "application/json; charset=latin1", &gzip(b"\"caf\xe9\"")).header("content-encoding", "gzip"),
        json!("caf\u{e9}"),
    )
    .await;
    let refused = async |request: Request| setup.send(request).await.status;
    assert_eq!(refused(with(0, "application/json; charset=utf-7", b"{}")).await, 415);
    assert_eq!(refused(with(0, "application/json; charset=utf-8", b"\"\xe9\"")).await, 400);
    assert_eq!(refused(with(1, FORM, b"a=%E9")).await, 400);
}
