//! The records of users and roles: of each tenant in one partition, with pointers from what is unique to the ids.
//!
//! `user#<id>` and `role#<id>` hold what they say; `email#<address>` and `name#<name>` point to them. A record and its
//! pointer are written in one transaction.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use shared::auth::directory::{role_key, user_key};
use shared::event::TenantId;
use shared::table::{Check, Expression, Query, Table, Write};
use shared::{Environment, Error};

use crate::role::Role;
use crate::user::{User, folded};

/// The most users, and the most roles, that a list returns.
pub(crate) const LIST_LIMIT: usize = 10_000;

/// What came of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Done,
    /// Another one has the unique name or address.
    Taken,
    /// It has been changed since it was read.
    Changed,
}

/// The hash of a user's password.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Password {
    tenant_id: TenantId,
    user_id: String,
    pub(crate) hash: String,
    /// That of the user, which is written with it.
    pub(crate) stamp: String,
}

/// A record with the attribute by which its partition is sorted.
#[derive(Serialize, Deserialize)]
pub(crate) struct Stored<T> {
    record: String,
    #[serde(flatten)]
    pub(crate) value: T,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Pointer {
    tenant_id: TenantId,
    record: String,
    id: String,
}

/// The tables of users, roles and passwords. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Users {
    table: Table,
    passwords: Table,
}

impl Users {
    pub(crate) fn new(environment: &Environment) -> Result<Self, Error> {
        Ok(Self { table: environment.table("USERS_TABLE")?, passwords: environment.table("PASSWORDS_TABLE")? })
    }

    /// Returns the check that every user, role and pointer can be read.
    pub(crate) fn check(&self) -> Check {
        self.table.check(|item: Value| {
            let read = match item["record"].as_str().unwrap_or_default().split('#').next() {
                Some("user") => serde_json::from_value::<User>(item).map(drop),
                Some("role") => serde_json::from_value::<Role>(item).map(drop),
                _ => serde_json::from_value::<Pointer>(item).map(drop),
            };
            read.map_err(Error::cannot("read a record"))
        })
    }

    /// Returns the check that every hash of a password can be read.
    pub(crate) fn check_passwords(&self) -> Check {
        self.passwords.check(|_: Password| Ok(()))
    }

    pub(crate) async fn get(&self, tenant: &TenantId, id: &str) -> Result<Option<User>, Error> {
        let stored: Option<Stored<User>> = self.table.get(&user_key(tenant, id)).await?;
        Ok(stored.map(|stored| stored.value))
    }

    /// Returns the user with an address, whatever its case.
    pub(crate) async fn by_email(&self, tenant: &TenantId, email: &str) -> Result<Option<User>, Error> {
        let key = json!({"tenantId": tenant, "record": email_record(email)});
        let Some(Pointer { id, .. }) = self.table.get(&key).await? else { return Ok(None) };
        self.get(tenant, &id).await
    }

    /// Returns the users of a tenant, in the order of their ids, and one more than [`LIST_LIMIT`] at most.
    pub(crate) async fn of_tenant(&self, tenant: &TenantId) -> Result<Vec<User>, Error> {
        self.records(tenant, "user#").await
    }

    pub(crate) async fn role(&self, tenant: &TenantId, id: &str) -> Result<Option<Role>, Error> {
        let stored: Option<Stored<Role>> = self.table.get(&role_key(tenant, id)).await?;
        Ok(stored.map(|stored| stored.value))
    }

    /// Returns the roles of a tenant, in the order of their ids, and one more than [`LIST_LIMIT`] at most.
    pub(crate) async fn roles(&self, tenant: &TenantId) -> Result<Vec<Role>, Error> {
        self.records(tenant, "role#").await
    }

    async fn records<T: DeserializeOwned>(&self, tenant: &TenantId, kind: &str) -> Result<Vec<T>, Error> {
        let of_kind = Expression::new("tenantId = :tenant AND begins_with(#record, :kind)").name("#record", "record");
        let of_kind = of_kind.value(":tenant", tenant).value(":kind", kind);
        let stored: Vec<Stored<T>> = self.table.query(Query::new(of_kind).limit(LIST_LIMIT + 1)).await?;
        Ok(stored.into_iter().map(|stored| stored.value).collect())
    }

    /// Returns the roles of a user that still exist.
    pub(crate) async fn roles_of(&self, user: &User) -> Result<Vec<Role>, Error> {
        let keys: Vec<Value> = user.roles.iter().map(|id| role_key(&user.tenant_id, id)).collect();
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let stored: Vec<Stored<Role>> = self.table.open_rows(self.table.get_rows(&keys).await?).await?;
        let mut roles: Vec<Role> = stored.into_iter().map(|stored| stored.value).collect();
        roles.sort_by(|left, right| left.name.cmp(&right.name));
        Ok(roles)
    }

    pub(crate) async fn password(&self, user: &User) -> Result<Option<Password>, Error> {
        let password: Option<Password> = self.passwords.get(&password_key(user)).await?;
        Ok(password.filter(|password| password.stamp == user.password_stamp))
    }

    /// Creates a user with its password.
    pub(crate) async fn create(&self, user: &User, hash: &str) -> Result<Outcome, Error> {
        let writes = vec![
            self.pointing(&user.tenant_id, email_record(&user.email), &user.id)?,
            self.writing_user(user, None)?,
            self.writing_password(user, hash)?,
        ];
        self.done(writes).await
    }

    /// Replaces a user as it was read, and its address if that is another one.
    pub(crate) async fn change(&self, former: &User, next: &User) -> Result<Outcome, Error> {
        let (old, new) = (email_record(&former.email), email_record(&next.email));
        let mut writes = Vec::new();
        if old != new {
            writes.push(self.pointing(&next.tenant_id, new, &next.id)?);
            writes.push(self.table.deleting(&json!({"tenantId": former.tenant_id, "record": old}), None)?);
        } else {
            // The first write of every change is the one that can be taken.
            writes.push(self.pointing_again(&next.tenant_id, new, &next.id)?);
        }
        writes.push(self.writing_user(next, Some(former.version))?);
        self.done(writes).await
    }

    /// Gives a user another password; `next` has the stamp of it.
    pub(crate) async fn change_password(&self, former: &User, next: &User, hash: &str) -> Result<Outcome, Error> {
        let email = email_record(&next.email);
        let writes = vec![
            self.pointing_again(&next.tenant_id, email, &next.id)?,
            self.writing_user(next, Some(former.version))?,
            self.writing_password(next, hash)?,
        ];
        self.done(writes).await
    }

    /// Deletes a user as it was read.
    pub(crate) async fn delete(&self, user: &User) -> Result<Outcome, Error> {
        let email = json!({"tenantId": user.tenant_id, "record": email_record(&user.email)});
        let writes = vec![
            self.table.deleting(&email, None)?,
            self.table.deleting(&user_key(&user.tenant_id, &user.id), Some(unchanged(user.version)))?,
            self.passwords.deleting(&password_key(user), None)?,
        ];
        self.done(writes).await
    }

    pub(crate) async fn create_role(&self, role: &Role) -> Result<Outcome, Error> {
        let name = name_record(&role.name);
        let writes = vec![self.pointing(&role.tenant_id, name, &role.id)?, self.writing_role(role, None)?];
        self.done(writes).await
    }

    /// Replaces a role as it was read, and its name if that is another one.
    pub(crate) async fn change_role(&self, former: &Role, next: &Role) -> Result<Outcome, Error> {
        let (old, new) = (name_record(&former.name), name_record(&next.name));
        let mut writes = Vec::new();
        if old != new {
            writes.push(self.pointing(&next.tenant_id, new, &next.id)?);
            writes.push(self.table.deleting(&json!({"tenantId": former.tenant_id, "record": old}), None)?);
        } else {
            writes.push(self.pointing_again(&next.tenant_id, new, &next.id)?);
        }
        writes.push(self.writing_role(next, Some(former.version))?);
        self.done(writes).await
    }

    pub(crate) async fn delete_role(&self, role: &Role) -> Result<Outcome, Error> {
        let name = json!({"tenantId": role.tenant_id, "record": name_record(&role.name)});
        let writes = vec![
            self.table.deleting(&name, None)?,
            self.table.deleting(&role_key(&role.tenant_id, &role.id), Some(unchanged(role.version)))?,
        ];
        self.done(writes).await
    }

    /// Points to a record by what is unique in it, unless something points from there already.
    fn pointing(&self, tenant: &TenantId, record: String, id: &str) -> Result<Write, Error> {
        let is_free = Expression::new("attribute_not_exists(#record)").name("#record", "record");
        self.pointer(tenant, record, id, is_free)
    }

    /// The same for a record that is pointed to already.
    fn pointing_again(&self, tenant: &TenantId, record: String, id: &str) -> Result<Write, Error> {
        self.pointer(tenant, record, id, Expression::new("id = :own").value(":own", id))
    }

    fn pointer(&self, tenant: &TenantId, record: String, id: &str, condition: Expression) -> Result<Write, Error> {
        let pointer = Pointer { tenant_id: tenant.clone(), record, id: id.to_owned() };
        self.table.writing(&pointer, Some(condition))
    }

    fn writing_user(&self, user: &User, former: Option<u64>) -> Result<Write, Error> {
        let stored = Stored { record: format!("user#{}", user.id), value: user };
        self.table.writing(&stored, Some(former.map_or_else(is_new, unchanged)))
    }

    fn writing_role(&self, role: &Role, former: Option<u64>) -> Result<Write, Error> {
        let stored = Stored { record: format!("role#{}", role.id), value: role };
        self.table.writing(&stored, Some(former.map_or_else(is_new, unchanged)))
    }

    fn writing_password(&self, user: &User, hash: &str) -> Result<Write, Error> {
        let (tenant_id, user_id) = (user.tenant_id.clone(), user.id.clone());
        let password = Password { tenant_id, user_id, hash: hash.to_owned(), stamp: user.password_stamp.clone() };
        self.passwords.writing(&password, None)
    }

    /// Does all writes or none; the first of them is the pointer.
    async fn done(&self, writes: Vec<Write>) -> Result<Outcome, Error> {
        let unmet = self.table.transact(writes).await?;
        Ok(match unmet.first() {
            None => Outcome::Done,
            Some(0) => Outcome::Taken,
            Some(_) => Outcome::Changed,
        })
    }
}

fn is_new() -> Expression {
    Expression::new("attribute_not_exists(#record)").name("#record", "record")
}

/// The condition that a record is as it was read.
fn unchanged(version: u64) -> Expression {
    Expression::new("version = :version").value(":version", version)
}

fn email_record(email: &str) -> String {
    format!("email#{}", folded(email))
}

fn name_record(name: &str) -> String {
    format!("name#{name}")
}

fn password_key(user: &User) -> Value {
    json!({"tenantId": user.tenant_id, "userId": user.id})
}
