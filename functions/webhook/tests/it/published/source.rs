//! How each platform signs what it sends.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use harness::platform::{slack, telegram, whatsapp};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::setup::{Request, signature, webhook};

/// The time of the tests, in seconds.
const NOW_S: i64 = 1_767_323_045;
const SECRET: &str = "c2VjcmV0IG9mIHRoZSB0ZXN0cw==";

/// A platform whose payloads are published.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Source {
    GitHub,
    /// Its signing tokens are those of Standard Webhooks.
    GitLab,
    Shopify,
    Slack,
    Stripe,
    Telegram,
    WhatsApp,
}

fn hmac(secret: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    let mac = Hmac::<Sha256>::new_from_slice(secret).unwrap();
    parts.iter().fold(mac, Hmac::chain_update).finalize().into_bytes().to_vec()
}

impl Source {
    /// The platform's name in the types of events.
    pub(super) fn platform(self) -> &'static str {
        match self {
            Self::GitHub => "github",
            Self::GitLab => "standard-webhooks",
            Self::Shopify => "shopify",
            Self::Slack => "slack",
            Self::Stripe => "stripe",
            Self::Telegram => "telegram",
            Self::WhatsApp => "whatsapp",
        }
    }

    /// A channel for what the platform sends.
    pub(super) fn channel(self) -> Value {
        let secret = match self {
            Self::GitHub | Self::GitLab | Self::Shopify | Self::Stripe => "secret",
            Self::Slack => "signingSecret",
            Self::Telegram => "secretToken",
            Self::WhatsApp => "appSecret",
        };
        let secret_text = if self == Self::Telegram { "a_long-secret_of_the_bot" } else { SECRET };
        let mut credentials = json!({secret: secret_text});
        if self == Self::WhatsApp {
            credentials["verifyToken"] = "the verify token of these tests".into();
        }
        json!({"platform": self.platform(), "credentials": credentials})
    }

    /// A webhook to a channel as the platform signs it; `name` and `delivery` go where it has headers for them.
    pub(super) fn signed(self, channel: &str, name: &str, delivery: &str, body: &str) -> Request {
        let request = webhook(channel, "").bytes(body.as_bytes());
        let bytes = body.as_bytes();
        let time = NOW_S.to_string();
        match self {
            Self::GitHub => request
                .header("x-hub-signature-256", &signature(SECRET, bytes))
                .header("x-github-event", name)
                .header("x-github-delivery", delivery),
            Self::GitLab => {
                let key = STANDARD.decode(SECRET).unwrap();
                let signed = hmac(&key, &[delivery.as_bytes(), b".", time.as_bytes(), b".", bytes]);
                request
                    .header("webhook-signature", &format!("v1,{}", STANDARD.encode(signed)))
                    .header("webhook-timestamp", &time)
                    .header("webhook-id", delivery)
            }
            Self::Shopify => request
                .header("x-shopify-hmac-sha256", &STANDARD.encode(hmac(SECRET.as_bytes(), &[bytes])))
                .header("x-shopify-topic", name)
                .header("x-shopify-webhook-id", delivery),
            Self::Stripe => {
                let v1 = hex::encode(hmac(SECRET.as_bytes(), &[time.as_bytes(), b".", bytes]));
                request.header("stripe-signature", &format!("t={time},v1={v1}"))
            }
            Self::Slack => request.headers(&slack::signed(SECRET, NOW_S, bytes)),
            Self::Telegram => request.headers(&telegram::signed("a_long-secret_of_the_bot")),
            Self::WhatsApp => request.headers(&whatsapp::signed(SECRET, bytes)),
        }
    }
}
