//! The list of all platforms.

use crate::platform::Platform;
use crate::{discord, github, hmac, shopify, slack, standard_webhooks, stripe, telegram, twilio, unsigned, whatsapp};

/// Every platform that a channel can have, in the order of their names.
const REGISTRY: &[&dyn Platform] = &[
    &discord::Discord,
    &github::GitHub,
    &hmac::Hmac,
    &shopify::Shopify,
    &slack::Slack,
    &standard_webhooks::StandardWebhooks,
    &stripe::Stripe,
    &telegram::Telegram,
    &twilio::Twilio,
    &unsigned::Unsigned,
    &whatsapp::WhatsApp,
];

/// Returns the platform of this name.
pub fn find(name: &str) -> Option<&'static dyn Platform> {
    all().find(|platform| platform.spec().name == name)
}

/// Returns all platforms.
pub fn all() -> impl Iterator<Item = &'static dyn Platform> {
    REGISTRY.iter().copied()
}
