//! Logins: an id and a secret are checked, and too many failures freeze the client for a while.

use jiff::Timestamp;

use crate::account::{Account, Accounts};
use crate::credential::matches;
use crate::grant::{Application, Credentials};
use crate::oauth::OAuthError;

/// How long a client is frozen after too many failed logins, in milliseconds.
const FREEZE_MS: i64 = 60_000;

/// Logs a user in through an application; every client is a user as well, with its id as the name.
pub(crate) async fn as_user(
    accounts: &Accounts,
    now: Timestamp,
    application: &Application,
    user: &Credentials,
) -> Result<Account, OAuthError> {
    check_application(accounts, now, application).await?;
    let is_known = application.secret.is_some() || application.id == user.id;
    if !is_known && accounts.find(&application.id).await?.is_none() {
        return Err(OAuthError::unknown_client());
    }
    as_client(accounts, now, &user.id, &user.secret).await.map_err(OAuthError::of_user)
}

/// Checks the secret of an application that has sent one.
pub(crate) async fn check_application(
    accounts: &Accounts,
    now: Timestamp,
    application: &Application,
) -> Result<(), OAuthError> {
    let Some(secret) = &application.secret else { return Ok(()) };
    as_client(accounts, now, &application.id, secret).await.map(drop)
}

/// Logs a client in; writes only when that fails, or succeeds after it failed.
pub(crate) async fn as_client(
    accounts: &Accounts,
    now: Timestamp,
    id: &str,
    secret: &str,
) -> Result<Account, OAuthError> {
    let is_current = |account: &Account| account.client.id != id || matches(secret, &account.secret_hash);
    let administrator = accounts.administrator.get_if(is_current).await?;
    if administrator.client.id == id {
        // The administrator is never frozen: nobody may lock out the one who could help.
        let is_secret = matches(secret, &administrator.secret_hash);
        return if is_secret { Ok(Account::clone(&administrator)) } else { Err(OAuthError::wrong_secret()) };
    }
    let record = accounts.clients.get(id).await?.ok_or_else(OAuthError::unknown_client)?;
    let now_ms = now.as_millisecond();
    if now_ms < record.frozen_until_ms {
        let seconds = (record.frozen_until_ms - now_ms + 999) / 1000;
        return Err(OAuthError::frozen(u32::try_from(seconds).unwrap_or(u32::MAX)));
    }
    if !matches(secret, &record.secret_hash) {
        accounts.clients.count_failure(id, now_ms + FREEZE_MS).await?;
        return Err(OAuthError::wrong_secret());
    }
    if record.failed_attempts > 0 {
        accounts.clients.forget_failures(id).await?;
    }
    Ok(record.into())
}
