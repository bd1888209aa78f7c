//! Logins: an id and a secret are checked, and a source that fails too often is told to wait.

use jiff::Timestamp;
use shared::http::SourceAddress;

use crate::account::{Account, Accounts};
use crate::credential::matches;
use crate::grant::{Application, Credentials};
use crate::oauth::OAuthError;

/// What a login is checked with, and where it comes from.
#[derive(Clone, Copy)]
pub(crate) struct Login<'a> {
    pub(crate) accounts: &'a Accounts,
    pub(crate) source: SourceAddress,
    pub(crate) now: Timestamp,
}

/// Logs a user in through an application; every client is a user as well, with its id as the name.
pub(crate) async fn as_user(
    login: Login<'_>,
    application: &Application,
    user: &Credentials,
) -> Result<Account, OAuthError> {
    check_application(login, application).await?;
    let is_known = application.secret.is_some() || application.id == user.id;
    if !is_known && login.accounts.find(&application.id).await?.is_none() {
        return Err(OAuthError::unknown_client());
    }
    as_client(login, &user.id, &user.secret).await.map_err(OAuthError::of_user)
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
    let is_current = |account: &Account| account.client.id != id || matches(secret, &account.secret_hash);
    let administrator = accounts.administrator.get_if(is_current).await?;
    let account = match administrator.client.id == id {
        true => Some(Account::clone(&administrator)),
        false => accounts.clients.get(id).await?.map(Account::from),
    };
    let error = match account {
        Some(account) if matches(secret, &account.secret_hash) => {
            slowdown.succeeded(source, id);
            return Ok(account);
        }
        Some(_) => OAuthError::wrong_secret(),
        None => OAuthError::unknown_client(),
    };
    Err(slowdown.failed(source, id, now).map_or(error, OAuthError::slow_down))
}
