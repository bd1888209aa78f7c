//! The addresses of SES's mailbox simulator: mails to them bounce or complain.

use super::event::{Bounce, Happened};
use super::outbox::Kept;

const DOMAIN: &str = "simulator.amazonses.com";

/// Returns what happens to a mail that is not relayed.
pub(super) fn happened(kept: &Kept) -> Vec<Happened> {
    kept.recipients.iter().flat_map(|recipient| happened_to(&recipient.address)).collect()
}

fn happened_to(address: &str) -> Vec<Happened> {
    let delivered = Happened::Delivered { address: address.to_owned(), response: "250 2.0.0 Ok".to_owned() };
    let (user, domain) = address.rsplit_once('@').unwrap_or_default();
    if !domain.eq_ignore_ascii_case(DOMAIN) {
        return vec![delivered];
    }
    let bounced = |kind, sub_kind, diagnostic: &str| {
        let (address, diagnostic) = (address.to_owned(), diagnostic.to_owned());
        vec![Happened::Bounced { address, bounce: Bounce { kind, sub_kind, status: "5.1.1", diagnostic } }]
    };
    match user.split('+').next().unwrap_or_default() {
        "bounce" => bounced("Permanent", "General", "smtp; 550 5.1.1 user unknown"),
        "suppressionlist" => bounced("Permanent", "OnAccountSuppressionList", "the address is on the suppression list"),
        "complaint" => vec![delivered, Happened::Complained { address: address.to_owned() }],
        _ => vec![delivered],
    }
}
