//! The platforms that webhooks come from and messages go to.
//!
//! A platform says which credentials it needs ([`spec`]), checks who sent a webhook ([`signature`]), and reads what
//! happened ([`reading`]) into one format of messages for all chat platforms ([`message`]). A chat platform also builds
//! the requests of its API and reads the answers ([`chat`]).
//!
//! In: headers, bodies, messages, answers. Out: updates, requests, verdicts; the crate does no I/O.
//!
//! A new platform is one file and one line of [`registry`].

pub mod chat;
pub mod credentials;
pub mod header;
pub mod message;
pub mod payload;
pub mod reading;
pub mod registry;
pub mod signature;
pub mod spec;

mod error;
mod fields;
mod platform;
mod time;

mod discord;
mod github;
mod hmac;
mod shopify;
mod slack;
mod standard_webhooks;
mod stripe;
mod telegram;
mod twilio;
mod unsigned;
mod whatsapp;

#[cfg(test)]
mod sample;
#[cfg(test)]
mod tests;

pub use self::error::{Error, Unverified};
pub use self::platform::Platform;
