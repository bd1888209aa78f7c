//! Who can log in: the users, the clients, and the administrator whom Secrets Manager keeps.

use serde::Deserialize;
use shared::auth::directory::Directory;
use shared::auth::{ALL_PERMISSIONS, Client};
use shared::event::TenantId;
use shared::secret::Secret;
use shared::{Environment, Error};

use crate::credential::hash;
use crate::password::Passwords;
use crate::slowdown::Slowdown;
use crate::store::attempt::Logins;
use crate::store::client::{ClientRecord, Clients};
use crate::store::user::Users;
use crate::user::User;

/// Somebody to whom tokens are issued.
#[derive(Debug, Clone)]
pub(crate) struct Account {
    pub(crate) client: Client,
    pub(crate) is_user: bool,
    /// The hash of a client's secret, or the stamp of a user's password: another one ends what was got with it.
    pub(crate) stamp: String,
}

/// All accounts, and whose logins fail. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Accounts {
    pub(crate) clients: Clients,
    pub(crate) users: Users,
    pub(crate) directory: Directory,
    pub(crate) passwords: Passwords,
    pub(crate) logins: Logins,
    /// The first client, which may do everything for every tenant.
    pub(crate) administrator: Secret<Account>,
    pub(crate) slowdown: Slowdown,
}

impl Accounts {
    /// Reads the name of the administrator's secret from `ADMINISTRATOR_SECRET`.
    pub(crate) fn new(environment: &Environment, clients: Clients, users: Users) -> Result<Self, Error> {
        let secret_id = environment.config.required("ADMINISTRATOR_SECRET")?;
        Ok(Self {
            clients,
            users,
            directory: Directory::new(environment)?,
            passwords: Passwords::new(&environment.ids)?,
            logins: Logins::new(environment)?,
            administrator: Secret::new(&environment.aws, secret_id, administrator),
            slowdown: Slowdown::new(),
        })
    }

    /// Returns the account of the client with this id.
    pub(crate) async fn find(&self, id: &str) -> Result<Option<Account>, Error> {
        let administrator = self.administrator.get().await?;
        if administrator.client.id == id {
            return Ok(Some(Account::clone(&administrator)));
        }
        Ok(self.clients.get(id).await?.map(Account::from))
    }

    /// Returns the account of the user with this id.
    pub(crate) async fn find_user(&self, tenant: &TenantId, id: &str) -> Result<Option<Account>, Error> {
        match self.users.get(tenant, id).await? {
            Some(user) => self.of_user(user).await.map(Some),
            None => Ok(None),
        }
    }

    /// Returns the account of a user, with what its roles permit now.
    pub(crate) async fn of_user(&self, user: User) -> Result<Account, Error> {
        let permissions = self.directory.permissions_of_roles(&user.tenant_id, &user.roles).await?;
        let client = Client { id: user.id, tenant_id: user.tenant_id, permissions, is_administrator: false };
        Ok(Account { client, is_user: true, stamp: user.password_stamp })
    }
}

impl From<ClientRecord> for Account {
    fn from(ClientRecord { client, secret_hash, .. }: ClientRecord) -> Self {
        let (id, tenant_id, permissions) = (client.client_id, client.tenant_id, client.permissions);
        Self {
            client: Client { id, tenant_id, permissions, is_administrator: false },
            is_user: false,
            stamp: secret_hash,
        }
    }
}

/// Reads the administrator's secret.
fn administrator(text: &str) -> Result<Account, Error> {
    #[derive(Deserialize)]
    struct Credentials {
        client_id: String,
        client_secret: String,
    }
    // The text of a serde error can quote the secret, so it must not become a cause.
    let broken = "it has to be a JSON object with `client_id` and `client_secret`";
    let Credentials { client_id: id, client_secret } =
        serde_json::from_str(text).map_err(|_| Error::new("read the administrator's secret", broken))?;
    if id.is_empty() || client_secret.len() < 16 {
        return Err(Error::new("read the administrator's secret", "the id is empty or the secret too short"));
    }
    let (tenant_id, permissions) = (TenantId::new(TenantId::DEFAULT), vec![ALL_PERMISSIONS.to_owned()]);
    let client = Client { id, tenant_id, permissions, is_administrator: true };
    Ok(Account { client, is_user: false, stamp: hash(&client_secret) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unusable_administrator_is_refused_without_telling_its_secret() {
        let check = |text: &str| {
            let error = administrator(text).map(|_| ()).unwrap_err().chain();
            assert!(!error.contains("hunter2"), "{error}");
        };
        check("hunter2");
        check(r#"{"client_id": "administrator", "client_secret": "hunter2"}"#);
        check(r#"{"client_id": "", "client_secret": "hunter2hunter2hunter2"}"#);
        let account = administrator(r#"{"client_id": "a", "client_secret": "hunter2hunter2hunter2"}"#).unwrap();
        assert!(account.client.is_administrator);
    }
}
