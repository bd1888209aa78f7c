//! The users: what a new one needs, how one changes, and how one is shown.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use shared::Refusal;
use shared::event::TenantId;

use crate::role::{Role, RoleView};

/// No e-mail address is longer.
///
/// Source: RFC 5321, section 4.5.3.1.3, without the brackets.
const EMAIL_LIMIT_BYTES: usize = 254;
const TEXT_LIMIT_CHARACTERS: usize = 128;

/// A new user; names may be in camel case as well.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
pub(crate) struct NewUser {
    /// The address by which the user logs in; unique within the tenant, whatever the case.
    pub(crate) email: String,
    /// 8 to 128 characters.
    pub(crate) password: String,
    /// The first name.
    #[serde(default, alias = "firstName")]
    pub(crate) first_name: String,
    /// The last name.
    #[serde(default, alias = "lastName")]
    pub(crate) last_name: String,
    /// A phone number.
    #[serde(default, alias = "phoneNumber")]
    pub(crate) phone_number: String,
    /// The language, as `EN`, which it is by default.
    pub(crate) language: Option<String>,
    /// The time zone, as `Europe/Brussels`; `UTC` by default.
    #[serde(alias = "timeZone")]
    pub(crate) time_zone: Option<String>,
    /// Taken as other services send it, and not kept.
    #[serde(alias = "activationMode")]
    pub(crate) activation_mode: Option<String>,
}

/// A change of a user; what is absent stays.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
pub(crate) struct UserChange {
    /// The first name.
    #[serde(alias = "firstName")]
    pub(crate) first_name: Option<String>,
    /// The last name.
    #[serde(alias = "lastName")]
    pub(crate) last_name: Option<String>,
    /// A phone number.
    #[serde(alias = "phoneNumber")]
    pub(crate) phone_number: Option<String>,
    /// The language.
    pub(crate) language: Option<String>,
    /// The time zone.
    #[serde(alias = "timeZone")]
    pub(crate) time_zone: Option<String>,
    /// Makes the user an active one; needs the permission `UPDATE_USER`.
    pub(crate) activation: Option<bool>,
}

/// Another address of a user.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
pub(crate) struct EmailChange {
    /// The address.
    pub(crate) email: String,
    /// Taken as other services send it, and not kept.
    #[serde(alias = "activationMode")]
    #[expect(dead_code, reason = "clients send it")]
    activation_mode: Option<String>,
}

/// Another password of the calling user.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
pub(crate) struct PasswordChange {
    /// The present password.
    #[serde(alias = "oldPassword")]
    pub(crate) old_password: String,
    /// The new one, 8 to 128 characters.
    #[serde(alias = "newPassword")]
    pub(crate) new_password: String,
}

/// A password of a user, set by somebody else.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
pub(crate) struct NewPassword {
    /// 8 to 128 characters.
    pub(crate) password: String,
}

/// A user as it is kept.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct User {
    pub(crate) id: String,
    pub(crate) tenant_id: TenantId,
    pub(crate) email: String,
    pub(crate) first_name: String,
    pub(crate) last_name: String,
    pub(crate) phone_number: String,
    pub(crate) language: String,
    pub(crate) time_zone: String,
    pub(crate) activation: bool,
    /// How often it was activated after its creation.
    #[serde(default)]
    pub(crate) activations: u64,
    /// The ids of its roles.
    pub(crate) roles: Vec<String>,
    /// Another one for each password, so that what was got with an older one ends.
    pub(crate) password_stamp: String,
    /// When it got this password, in milliseconds since 1970, as long as the fact of it may not have been published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) unannounced_password_ms: Option<i64>,
    #[serde(with = "shared::clock::iso")]
    pub(crate) creation_timestamp: Timestamp,
    #[serde(with = "shared::clock::iso")]
    pub(crate) update_timestamp: Timestamp,
    /// Counts the changes.
    pub(crate) version: u64,
}

/// A user as those see it who may view users, and itself.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
#[schema(as = User)]
pub(crate) struct UserView {
    /// The user's id.
    pub(crate) id: String,
    /// The address by which the user logs in.
    pub(crate) email: String,
    /// The first name.
    pub(crate) first_name: String,
    /// The last name.
    pub(crate) last_name: String,
    /// A phone number.
    pub(crate) phone_number: String,
    /// The language.
    pub(crate) language: String,
    /// The time zone.
    pub(crate) time_zone: String,
    /// Whether somebody with the permission `UPDATE_USER` has created or activated the user.
    pub(crate) activation: bool,
    /// The roles, with what they permit.
    pub(crate) roles: Vec<RoleView>,
    /// When it was created, in milliseconds since 1970.
    pub(crate) creation_timestamp: i64,
    /// When it was last changed, in milliseconds since 1970.
    pub(crate) update_timestamp: i64,
}

impl UserView {
    /// Shows a user with those of these roles that it has.
    pub(crate) fn new(user: &User, roles: &[Role]) -> Self {
        let roles = roles.iter().filter(|role| user.roles.contains(&role.id)).map(RoleView::from).collect();
        Self {
            id: user.id.clone(),
            email: user.email.clone(),
            first_name: user.first_name.clone(),
            last_name: user.last_name.clone(),
            phone_number: user.phone_number.clone(),
            language: user.language.clone(),
            time_zone: user.time_zone.clone(),
            activation: user.activation,
            roles,
            creation_timestamp: user.creation_timestamp.as_millisecond(),
            update_timestamp: user.update_timestamp.as_millisecond(),
        }
    }
}

/// Returns the form of an address in which no two users of a tenant have the same one.
pub(crate) fn folded(email: &str) -> String {
    email.to_lowercase()
}

/// Checks an address: one `@` with a name and a host around it, as far as a text can tell.
pub(crate) fn check_email(email: &str) -> Result<(), Refusal> {
    let is_plain = |text: &str| !text.is_empty() && !text.chars().any(|one| one.is_control() || one.is_whitespace());
    let parts = email.rsplit_once('@');
    let is_address = parts.is_some_and(|(name, host)| {
        is_plain(name) && !name.contains('@') && is_plain(host) && !host.starts_with('.') && !host.ends_with('.')
    });
    match is_address && email.len() <= EMAIL_LIMIT_BYTES {
        true => Ok(()),
        false => {
            Err(Refusal::field("email", format!("must be an e-mail address of at most {EMAIL_LIMIT_BYTES} bytes")))
        }
    }
}

/// Checks a name, a number or another short text of a user.
pub(crate) fn check_text(field: &str, text: &str) -> Result<(), Refusal> {
    if text.chars().count() <= TEXT_LIMIT_CHARACTERS && !text.chars().any(char::is_control) {
        return Ok(());
    }
    Err(Refusal::field(field, format!("must have at most {TEXT_LIMIT_CHARACTERS} printable characters")))
}

/// Checks the language of a user.
pub(crate) fn check_language(language: &str) -> Result<(), Refusal> {
    let is_tag = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    match (2..=35).contains(&language.len()) && language.bytes().all(is_tag) {
        true => Ok(()),
        false => Err(Refusal::field("language", "must be a language code such as `EN` or `nl-BE`")),
    }
}

/// Checks the time zone of a user.
pub(crate) fn check_time_zone(name: &str) -> Result<(), Refusal> {
    match jiff::tz::TimeZone::get(name) {
        Ok(_) => Ok(()),
        Err(_) => Err(Refusal::field("time_zone", "must be a time zone such as `Europe/Brussels`")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_name_and_a_host() {
        let check = |email: &str, expected| assert_eq!(check_email(email).is_ok(), expected, "{email}");
        check("ada@example.com", true);
        check("exh.tasks+my-fn@extrahorizon.com", true);
        check("ada@localhost", true);
        check("ädä@example.com", true);
        check("ada", false);
        check("@example.com", false);
        check("ada@", false);
        check("a b@example.com", false);
        check("a@b@example.com", false);
        check("ada@.com", false);
        check("ada@example.com\n", false);
        check(&format!("{}@example.com", "a".repeat(242)), true);
        check(&format!("{}@example.com", "a".repeat(243)), false);
    }
}
