//! Logins: a name and a secret are checked, and a source that fails too often is told to wait.
//!
//! Secrets of clients cannot be guessed, so that a right one is accepted whatever has failed before. Passwords of users
//! can, so that one is only looked at when its turn has come, as `attempt` says.

use jiff::Timestamp;
use shared::event::TenantId;
use shared::http::SourceAddress;

use crate::account::{Account, Accounts};
use crate::attempt::{Attempts, Wait};
use crate::credential::matches;
use crate::grant::{Application, Credentials};
use crate::oauth::OAuthError;
use crate::store::attempt::LoginKey;
use crate::user::{User, folded};

/// How often an attempt is noted again when others log in at the same time.
const CLAIMS: u32 = 8;

/// What a login is checked with, and where it comes from.
#[derive(Clone, Copy)]
pub(crate) struct Login<'a> {
    pub(crate) accounts: &'a Accounts,
    pub(crate) source: SourceAddress,
    pub(crate) now: Timestamp,
}

/// Logs a user in through an application: one of the application's tenant by its e-mail address, or a client, which is
/// its own user, by its id.
pub(crate) async fn as_user(
    login: Login<'_>,
    application: &Application,
    user: &Credentials,
) -> Result<Account, OAuthError> {
    check_application(login, application).await?;
    if !user.id.contains('@') && application.id == user.id {
        return as_client(login, &user.id, &user.secret).await.map_err(OAuthError::of_user);
    }
    let of_application = login.accounts.find(&application.id).await?.ok_or_else(OAuthError::unknown_client)?;
    by_name(login, &of_application.client.tenant_id, user).await
}

/// Logs somebody in by an e-mail address of this tenant or by the id of a client.
pub(crate) async fn by_name(login: Login<'_>, tenant: &TenantId, user: &Credentials) -> Result<Account, OAuthError> {
    match user.id.contains('@') {
        true => {
            let user = as_person(login, tenant, user).await?;
            Ok(login.accounts.of_user(user).await?)
        }
        false => as_client(login, &user.id, &user.secret).await.map_err(OAuthError::of_user),
    }
}

/// Checks the secret of an application that has sent one.
pub(crate) async fn check_application(login: Login<'_>, application: &Application) -> Result<(), OAuthError> {
    let Some(secret) = &application.secret else { return Ok(()) };
    as_client(login, &application.id, secret).await.map(drop)
}

/// Logs a client in; the right secret is accepted whatever has failed before.
pub(crate) async fn as_client(login: Login<'_>, id: &str, secret: &str) -> Result<Account, OAuthError> {
    let Login { accounts, source, now } = login;
    let slowdown = &accounts.slowdown;
    let is_current = |account: &Account| account.client.id != id || matches(secret, &account.stamp);
    let administrator = accounts.administrator.get_if(is_current).await?;
    let account = match administrator.client.id == id {
        true => Some(Account::clone(&administrator)),
        false => accounts.clients.get(id).await?.map(Account::from),
    };
    let error = match account {
        Some(account) if matches(secret, &account.stamp) => {
            slowdown.succeeded(source, id);
            return Ok(account);
        }
        Some(_) => OAuthError::wrong_secret(),
        None => OAuthError::unknown_client(),
    };
    Err(slowdown.failed(source, id, now).map_or(error, OAuthError::slow_down))
}

/// Checks the password of a user.
pub(crate) async fn as_person(
    login: Login<'_>,
    tenant: &TenantId,
    credentials: &Credentials,
) -> Result<User, OAuthError> {
    let Login { accounts, source, now } = login;
    let key = LoginKey::new(tenant, &folded(&credentials.id), source);
    let attempts = begin(login, &key).await?;
    let user = accounts.users.by_email(tenant, &credentials.id).await?;
    let password = match &user {
        Some(user) => accounts.users.password(user).await?,
        None => None,
    };
    let hash = password.as_ref().map(|password| password.hash.as_str());
    let is_right = accounts.passwords.matches(credentials.secret.clone(), hash).await.map_err(OAuthError::ours)?;
    match user.filter(|_| is_right) {
        Some(user) => {
            if attempts.is_news(now) {
                // Whoever changes it at the same time has failed or succeeded as well; either is as good.
                accounts.logins.change(&key, &attempts, attempts.succeeded(now)).await?;
            }
            Ok(accounts.announce_password(user).await?)
        }
        None => {
            accounts.slowdown.failed(source, &credentials.id, now);
            Err(OAuthError::wrong_password())
        }
    }
}

/// Notes an attempt as failed before its password is looked at, so that many at once are not free; returns what was noted.
async fn begin(login: Login<'_>, key: &LoginKey) -> Result<Attempts, OAuthError> {
    let Login { accounts, source, now } = login;
    for _ in 0..CLAIMS {
        let former = accounts.logins.get(key).await?;
        if former.is_good(now) {
            return Ok(former);
        }
        if let Some(seconds) = accounts.slowdown.wait(source, now) {
            return Err(OAuthError::slow_down(seconds));
        }
        former.judge(now).map_err(OAuthError::waiting)?;
        let next = former.tried(now);
        if accounts.logins.change(key, &former, next.clone()).await? {
            return Ok(next);
        }
    }
    Err(OAuthError::waiting(Wait::Timeout(1)))
}
