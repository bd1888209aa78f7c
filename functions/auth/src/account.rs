//! Who can log in: the users, the clients, and the administrator whom Secrets Manager keeps.

use jiff::Timestamp;
use serde::Deserialize;
use shared::auth::directory::Directory;
use shared::auth::{ALL_PERMISSIONS, Client};
use shared::bus::Bus;
use shared::event::TenantId;
use shared::secret::Secret;
use shared::{Environment, Error};

use crate::credential::hash;
use crate::fact;
use crate::password::Passwords;
use crate::slowdown::Slowdown;
use crate::store::attempt::Logins;
use crate::store::client::{ClientRecord, Clients};
use crate::store::user::{Outcome, Users};
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
    bus: Bus,
}

impl Accounts {
    /// Reads the name of the administrator's secret from `ADMINISTRATOR_SECRET`.
    pub(crate) fn new(environment: &Environment, clients: Clients, users: Users) -> Result<Self, Error> {
        let secret_id = environment.config.required("ADMINISTRATOR_SECRET")?;
        Ok(Self {
            clients,
            users,
            directory: Directory::new(environment)?,
            passwords: Passwords::new(&environment.ids),
            logins: Logins::new(environment)?,
            administrator: Secret::new(&environment.aws, secret_id, administrator),
            slowdown: Slowdown::new(),
            bus: environment.bus()?,
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

    /// Publishes that a user has another password, unless that is known to have happened, and returns the user as it is then.
    ///
    /// The password and the mark that this is to do are one write. So whatever cuts it off, it is done again at the next
    /// login, which the new password asks for; and twice it is the same fact.
    pub(crate) async fn announce_password(&self, user: User) -> Result<User, Error> {
        let Some(since_ms) = user.unannounced_password_ms else { return Ok(user) };
        let since = Timestamp::from_millisecond(since_ms).map_err(Error::cannot("read when a password was set"))?;
        fact::password_updated(&self.bus, &user, since).await?;
        let next = User { unannounced_password_ms: None, version: user.version + 1, ..user.clone() };
        match self.users.change(&user, &next).await? {
            Outcome::Done => Ok(next),
            // Whoever has changed it meanwhile has kept the mark.
            Outcome::Taken | Outcome::Changed => Ok(user),
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
