//! What this function keeps in DynamoDB: templates and mails.

pub(crate) mod template;
