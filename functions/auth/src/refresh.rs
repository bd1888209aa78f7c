//! Refresh tokens at work: a login starts a family, and each use of its valid token replaces that by the next one.

use jiff::Timestamp;
use shared::Error;
use shared::clock::Ids;
use shared::rotation::Use;
use shared::seal::KeyRing;

use crate::account::{Account, Accounts};
use crate::oauth::OAuthError;
use crate::refresh_token::{RefreshToken, judge};
use crate::store::token_family::{TokenFamilies, TokenFamily};

/// How long an unused refresh token is valid, in seconds: 30 days.
const LIFETIME_S: i64 = 30 * 24 * 3600;
/// How often a refresh looks again when others refresh at the same time.
const ATTEMPTS: u32 = 4;

/// Starts the family of a login.
pub(crate) async fn start(
    families: &TokenFamilies,
    ids: &Ids,
    now: Timestamp,
    account: &Account,
    application_id: &str,
) -> Result<RefreshToken, Error> {
    let token = RefreshToken { family: ids.bytes(), generation: 0 };
    let family = TokenFamily {
        token_hash: token.hash(),
        client_id: account.client.id.clone(),
        application_id: application_id.to_owned(),
        tenant_id: account.client.tenant_id.clone(),
        is_user: account.is_user,
        creation_timestamp: now,
        secret_hash: account.stamp.clone(),
        generation: 0,
        rotated_at_ms: now.as_millisecond(),
        revoked: false,
        expires_at: now.as_second() + LIFETIME_S,
    };
    families.create(&family).await?;
    Ok(token)
}

/// Replaces a refresh token by its successor; returns whose it is and the successor.
pub(crate) async fn renew(
    accounts: &Accounts,
    families: &TokenFamilies,
    ring: &KeyRing,
    now: Timestamp,
    application_id: &str,
    text: &str,
) -> Result<(Account, RefreshToken), OAuthError> {
    let unknown = OAuthError::unknown_refresh_token;
    let version = RefreshToken::key_version(text).ok_or_else(unknown)?;
    let keys = ring.keys_with(version).await?;
    let token = RefreshToken::read(&keys, text).ok_or_else(unknown)?;
    for _ in 0..ATTEMPTS {
        let family = families.get(&token.hash()).await?.ok_or_else(unknown)?;
        if family.application_id != application_id {
            return Err(unknown());
        }
        let generation = match judge(&family, token.generation, now) {
            Use::Unknown => return Err(unknown()),
            Use::Expired => return Err(OAuthError::expired_refresh_token()),
            Use::Stolen => {
                tracing::warn!(client_id = family.client_id, "an old refresh token was used, so its family is revoked");
                families.revoke(&family.token_hash).await?;
                return Err(unknown());
            }
            Use::Repeat => family.generation,
            Use::Rotate if families.rotate(&family, now, now.as_second() + LIFETIME_S).await? => family.generation + 1,
            Use::Rotate => continue,
        };
        let account = match family.is_user {
            true => accounts.find_user(&family.tenant_id, &family.client_id).await?,
            false => accounts.find(&family.client_id).await?,
        };
        let account = account.filter(|account| account.stamp == family.secret_hash).ok_or_else(unknown)?;
        return Ok((account, RefreshToken { generation, ..token }));
    }
    Err(Error::new("refresh a token", "too many requests refresh it at the same time").into())
}
