//! What this function keeps in DynamoDB, templates and mails, and the mail service.

pub(crate) mod mail;
pub(crate) mod service;
pub(crate) mod template;
