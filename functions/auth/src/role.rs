//! Roles: named sets of permissions that users have.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use shared::Refusal;
use shared::event::TenantId;

const NAME_LIMIT_CHARACTERS: usize = 128;
const DESCRIPTION_LIMIT_CHARACTERS: usize = 1024;
/// The most roles of one user.
pub(crate) const ROLES_OF_USER: usize = 20;

/// A new role.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
pub(crate) struct NewRole {
    /// The name, unique within the tenant.
    pub(crate) name: String,
    /// A text for people.
    #[serde(default)]
    pub(crate) description: String,
}

/// A change of a role; what is absent stays.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
pub(crate) struct RoleChange {
    /// The name.
    pub(crate) name: Option<String>,
    /// A text for people.
    pub(crate) description: Option<String>,
}

/// Permissions that roles get or lose.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
pub(crate) struct RolePermissions {
    /// Their names; the caller must hold every one itself.
    pub(crate) permissions: Vec<String>,
}

/// Roles that users get or lose.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
pub(crate) struct UserRoles {
    /// Their ids; the caller must hold every permission that they have.
    pub(crate) roles: Vec<String>,
}

/// A role as it is kept.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Role {
    pub(crate) id: String,
    pub(crate) tenant_id: TenantId,
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) permissions: Vec<String>,
    #[serde(with = "shared::clock::iso")]
    pub(crate) creation_timestamp: Timestamp,
    #[serde(with = "shared::clock::iso")]
    pub(crate) update_timestamp: Timestamp,
    /// Counts the changes.
    pub(crate) version: u64,
}

/// A role as it is shown.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
#[schema(as = Role)]
pub(crate) struct RoleView {
    /// The role's id.
    pub(crate) id: String,
    /// The name.
    pub(crate) name: String,
    /// A text for people.
    pub(crate) description: String,
    /// What those may do who have it.
    pub(crate) permissions: Vec<PermissionView>,
    /// When it was created, in milliseconds since 1970.
    pub(crate) creation_timestamp: i64,
    /// When it was last changed, in milliseconds since 1970.
    pub(crate) update_timestamp: i64,
}

/// A permission as it is shown.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
#[schema(as = NamedPermission)]
pub(crate) struct PermissionView {
    /// The name.
    pub(crate) name: String,
    /// The same in words.
    pub(crate) description: String,
}

impl PermissionView {
    pub(crate) fn new(name: &str) -> Self {
        let (base, object) = name.split_once(':').map_or((name, None), |(base, object)| (base, Some(object)));
        let mut description = match base {
            "*" => "everything".to_owned(),
            base => base.to_lowercase().replace('_', " "),
        };
        if let Some(object) = object {
            description.push_str(&format!(" `{object}`"));
        }
        Self { name: name.to_owned(), description }
    }
}

impl From<&Role> for RoleView {
    fn from(role: &Role) -> Self {
        Self {
            id: role.id.clone(),
            name: role.name.clone(),
            description: role.description.clone(),
            permissions: role.permissions.iter().map(|name| PermissionView::new(name)).collect(),
            creation_timestamp: role.creation_timestamp.as_millisecond(),
            update_timestamp: role.update_timestamp.as_millisecond(),
        }
    }
}

/// Checks the name and the description of a role.
pub(crate) fn check(name: &str, description: &str) -> Result<(), Refusal> {
    let length = name.chars().count();
    if !(1..=NAME_LIMIT_CHARACTERS).contains(&length) || name.chars().any(char::is_control) {
        return Err(Refusal::field("name", format!("must have 1 to {NAME_LIMIT_CHARACTERS} printable characters")));
    }
    match description.chars().count() <= DESCRIPTION_LIMIT_CHARACTERS {
        true => Ok(()),
        false => {
            let rule = format!("must have at most {DESCRIPTION_LIMIT_CHARACTERS} characters");
            Err(Refusal::field("description", rule))
        }
    }
}
