//! Every function takes requests that are signed as OAuth 1.0 has it in place of an access token.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use harness::Request;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha1::Sha1;

use crate::house::open;

const HOST: &str = "hooks.example.com";
/// When the clock of the world stands still.
const NOW_S: i64 = 1_767_323_045;

fn encode(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

/// Signs a request for a path with a consumer and perhaps a token.
fn signed(method: &str, path: &str, nonce: u32, consumer: &[String; 2], token: Option<&[String; 2]>) -> Request {
    let mut parameters = vec![
        ("oauth_consumer_key", consumer[0].clone()),
        ("oauth_nonce", nonce.to_string()),
        ("oauth_signature_method", "HMAC-SHA1".to_owned()),
        ("oauth_timestamp", NOW_S.to_string()),
    ];
    parameters.extend(token.map(|token| ("oauth_token", token[0].clone())));
    let pairs: Vec<String> = parameters.iter().map(|(name, value)| format!("{name}={}", encode(value))).collect();
    let base = format!("{method}&{}&{}", encode(&format!("https://{HOST}{path}")), encode(&pairs.join("&")));
    let key = format!("{}&{}", consumer[1], token.map_or("", |token| &token[1]));
    let mut mac = Hmac::<Sha1>::new_from_slice(key.as_bytes()).unwrap();
    mac.update(base.as_bytes());
    parameters.push(("oauth_signature", STANDARD.encode(mac.finalize().into_bytes())));
    let list: Vec<String> = parameters.iter().map(|(name, value)| format!("{name}=\"{}\"", encode(value))).collect();
    Request::new(method, path).header("host", HOST).header("authorization", &format!("OAuth {}", list.join(", ")))
}

#[tokio::test]
async fn a_signed_request_is_as_good_as_one_with_an_access_token() {
    let world = open().await;
    let client = world.post("/clients", json!({"name": "c", "permissions": ["*"]})).await.body;
    let text = |value: &Value, name: &str| value[name].as_str().unwrap_or_else(|| panic!("{value}")).to_owned();
    let consumer = [text(&client, "clientId"), text(&client, "clientSecret")];
    let login = signed("POST", "/auth/v2/oauth1/tokens", 0, &consumer, None);
    let body = json!({"email": consumer[0], "password": consumer[1]});
    let login = world.send(login.json(body)).await.body;
    let token = [text(&login, "token"), text(&login, "tokenSecret")];
    let paths = [
        "/channels",
        "/dispatchers/v1",
        "/events/v1",
        "/tasks/v1",
        "/tasks/v1/functions",
        "/apps",
        "/callbacks/1f8fad5b-d9cb-469f-a165-70867728950e",
        "/users/v1/me",
        "/clients",
        "/actions/runs",
    ];
    for (nonce, path) in (1..).zip(paths) {
        let answer = world.send(signed("GET", path, nonce, &consumer, Some(&token))).await;
        let is_known = answer.status == 200 || (answer.status == 404 && answer.body["code"] == 16);
        assert!(is_known, "{path} {answer:?}");
        let again = world.send(signed("GET", path, nonce, &consumer, Some(&token))).await;
        assert_eq!((again.status, &again.body["code"]), (401, &json!(110)), "{path}");
        let other =
            world.send(signed("GET", path, nonce + 100, &consumer, Some(&[token[0].clone(), "x".to_owned()]))).await;
        assert_eq!((other.status, &other.body["code"]), (401, &json!(109)), "{path}");
    }
}
