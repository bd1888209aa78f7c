//! `/auth/v2/oauth1/tokens`: tokens that do not expire, with which requests are signed as OAuth 1.0 has it.

use axum::Json;
use axum::extract::{FromRequest as _, Path, RawQuery, Request, State};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use shared::Refusal;
use shared::auth::directory::SigningToken;
use shared::auth::{Caller, Permission, Sent, Tokens};
use shared::clock::{Clock, Ids};
use shared::http::{Affected, JsonBody, List, SourceAddress};
use shared::rql::{self, Rql};

use crate::account::Accounts;
use crate::grant::Credentials;
use crate::login::{self, Login};
use crate::oauth::OAuthError;
use crate::store::signing_token::{LIST_LIMIT, SigningTokens};

/// The longest name or secret that is read.
const FIELD_LIMIT_BYTES: usize = 512;

/// Who logs in.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
pub(crate) struct SigningLogin {
    /// The e-mail address of a user, or the id of a client.
    email: String,
    /// The user's password, or the client's secret.
    password: String,
}

/// A token as lists show it.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = SigningToken)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SigningTokenView {
    /// The id by which the token is deleted.
    id: String,
    /// The client through which the login was made.
    application_id: String,
    /// Whose token it is.
    user_id: String,
    /// The token.
    token: String,
    /// When the login was made.
    #[serde(with = "shared::clock::iso")]
    creation_timestamp: Timestamp,
    /// The same: tokens do not change.
    #[serde(with = "shared::clock::iso")]
    update_timestamp: Timestamp,
}

/// A new token with its secret.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SigningTokenWithSecret {
    /// The token.
    #[serde(flatten)]
    token: SigningTokenView,
    /// The secret, which is never shown again.
    token_secret: String,
}

impl From<SigningToken> for SigningTokenView {
    fn from(token: SigningToken) -> Self {
        Self {
            id: token.id,
            application_id: token.application_id,
            user_id: token.user_id,
            token: token.token,
            creation_timestamp: token.creation_timestamp,
            update_timestamp: token.creation_timestamp,
        }
    }
}

/// Logs somebody in for good; the request is signed by a client, whose id and secret are consumer key and secret.
#[utoipa::path(
    post, path = "/auth/v2/oauth1/tokens", tag = "auth", request_body = SigningLogin,
    params(("authorization" = String, Header, description = "`OAuth …`, signed with HMAC-SHA1.")),
    responses(
        (status = 200, description = "The token; this answer alone shows its secret.", body = SigningTokenWithSecret),
        (status = 401, description = "The signature (107 to 110), or name and password (106), are wrong."),
    )
)]
pub(crate) async fn create(
    State(accounts): State<Accounts>,
    State(tokens): State<Tokens>,
    State(signing): State<SigningTokens>,
    State(clock): State<Clock>,
    State(ids): State<Ids>,
    source: SourceAddress,
    request: Request,
) -> Result<Json<SigningTokenWithSecret>, Refusal> {
    let consumer = tokens.consumer(Sent::of(&request)).await?;
    let JsonBody(SigningLogin { email: id, password: secret }) = JsonBody::from_request(request, &()).await?;
    for (field, value) in [("email", &id), ("password", &secret)] {
        if value.len() > FIELD_LIMIT_BYTES {
            return Err(Refusal::field(field, format!("must have at most {FIELD_LIMIT_BYTES} bytes")));
        }
    }
    let now = clock.now();
    let login = Login { accounts: &accounts, source, now };
    let account = login::by_name(login, &consumer.tenant_id, &Credentials { id, secret }).await;
    let account = account.map_err(OAuthError::into_refusal)?;
    if account.client.is_administrator {
        let message = "the administrator has no tokens that last: create a user, and sign in as that one";
        return Err(Refusal::illegal_argument(message));
    }
    if account.client.tenant_id != consumer.tenant_id {
        return Err(OAuthError::wrong_password().into_refusal());
    }
    let (token, token_secret): ([u8; 24], [u8; 24]) = (ids.bytes(), ids.bytes());
    let token = SigningToken {
        token: hex::encode(token),
        token_secret: hex::encode(token_secret),
        id: ids.hex24(),
        tenant_id: consumer.tenant_id,
        application_id: consumer.client_id,
        user_id: account.client.id,
        is_user: account.is_user,
        application_stamp: consumer.secret_hash,
        owner_stamp: account.stamp,
        creation_timestamp: now,
    };
    signing.create(&token).await?;
    let token_secret = token.token_secret.clone();
    Ok(Json(SigningTokenWithSecret { token: token.into(), token_secret }))
}

/// Refuses the second step of a login, which no login here has.
#[utoipa::path(
    post, path = "/auth/v2/oauth1/tokens/mfa", tag = "auth",
    responses((status = 400, description = "A second factor is never asked for."))
)]
pub(crate) async fn confirm_mfa() -> Refusal {
    Refusal::illegal_state("no login here asks for a second factor")
}

/// Lists the tokens of the caller, or of its whole tenant with the permission `VIEW_AUTHORIZATIONS`; never their secrets.
#[utoipa::path(
    get, path = "/auth/v2/oauth1/tokens", tag = "auth",
    responses((status = 200, description = "A page of the tokens; the query string is RQL.", body = List<SigningTokenView>))
)]
pub(crate) async fn list(
    State(signing): State<SigningTokens>,
    caller: Caller,
    RawQuery(query): RawQuery,
) -> Result<Json<List<Value>>, Refusal> {
    let query = Rql::parse::<SigningTokenView>(query.as_deref())?;
    let mut found = visible(&signing, &caller, Permission::ViewAuthorizations).await?;
    found.sort_by(|left, right| (left.creation_timestamp, &left.id).cmp(&(right.creation_timestamp, &right.id)));
    let views: Vec<SigningTokenView> = found.into_iter().map(SigningTokenView::from).collect();
    query.apply(&views).map(Json)
}

/// Deletes a token of the caller, or any of its tenant with the permission `DELETE_AUTHORIZATIONS`; it ends at once.
#[utoipa::path(
    delete, path = "/auth/v2/oauth1/tokens/{id}", tag = "auth",
    responses((status = 200, description = "How many tokens were deleted.", body = Affected))
)]
pub(crate) async fn delete(
    State(signing): State<SigningTokens>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<Affected>, Refusal> {
    let found =
        visible(&signing, &caller, Permission::DeleteAuthorizations).await?.into_iter().find(|token| token.id == id);
    let unknown = || Refusal::unknown("token", &id.chars().take(64).collect::<String>());
    let token = found.ok_or_else(unknown)?;
    match signing.delete(&token.token).await? {
        true => Ok(Json(Affected { affected_records: 1 })),
        false => Err(unknown()),
    }
}

/// Returns the caller's own tokens, or all of its tenant with a permission.
async fn visible(
    signing: &SigningTokens,
    caller: &Caller,
    permission: Permission,
) -> Result<Vec<SigningToken>, Refusal> {
    let own = caller.require(permission.name()).is_err().then(|| caller.client_id());
    rql::within(signing.of(caller.tenant_id(), own).await?, LIST_LIMIT)
}
