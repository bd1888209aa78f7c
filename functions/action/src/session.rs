//! Sessions: who a run is for, as a signed token whose data is encrypted.
//!
//! A token is enough to know whose it is and what its data is; one read says whether it is still good.

mod definition;
mod lifecycle;
mod sample;
pub(crate) mod selector;
mod token;

pub(crate) use definition::{Definition, DefinitionChange, NewDefinition, check_texts};
pub(crate) use lifecycle::{NotRefreshed, NotStarted, StartedSession, refresh, start};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use shared::clock::Clock;
use shared::event::TenantId;
use shared::seal::{KeyRing, Seal};
use shared::{Environment, Error};

use crate::failure::{Failure, FailureType};
use crate::services::Services;
use crate::store::owner::Owner;
use crate::store::session::{Sessions, Standing};
use crate::tag::{Slug, Tag};
use token::{Scope, SessionClaims};

/// A session as a run names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SessionGiven {
    /// The tag of its definition.
    pub(crate) tag: Tag,
    /// The token, with or without its tag in front.
    pub(crate) token: String,
}

/// A session that is valid.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Session {
    /// The tag of its definition.
    pub(crate) tag: Tag,
    /// Its id.
    pub(crate) id: String,
    /// Whose it is: what the selector of its definition finds in the data.
    pub(crate) identifier: String,
    /// The data for `$Session{…}`.
    pub(crate) data: Value,
}

/// Why a token is not valid; none of its texts has anything of the data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Invalid {
    Unknown,
    OtherTenant,
    OtherProduct,
    OtherTag,
    OtherEnv,
    Expired,
    Revoked,
    Undefined,
}

impl Invalid {
    /// Says why in words that complete "the session".
    pub(crate) fn reason(self) -> &'static str {
        match self {
            Self::Unknown => "has a token that is not one of ours, or was altered",
            Self::OtherTenant => "was started by another tenant",
            Self::OtherProduct => "was started for another product",
            Self::OtherTag => "was started for another tag",
            Self::OtherEnv => "was started for another environment",
            Self::Expired => "has expired",
            Self::Revoked => "was revoked",
            Self::Undefined => "has ended because its definition was deleted",
        }
    }
}

/// Where a token has to be good; what is absent is not asked.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Expected<'a> {
    pub(crate) product: Option<&'a Tag>,
    pub(crate) env: Option<&'a Slug>,
    pub(crate) tag: Option<&'a Tag>,
}

/// What tokens are made and checked with.
#[derive(Clone, Debug)]
pub(crate) struct SessionTokens {
    ring: KeyRing,
    seal: Seal,
    clock: Clock,
}

/// What is sealed in a token.
#[derive(Serialize, Deserialize)]
struct Sealed {
    identifier: String,
    data: Value,
}

/// A valid session with what its token says of it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Verified {
    pub(crate) session: Session,
    /// When the token ends, in seconds since 1970.
    pub(crate) ends_at_s: i64,
}

impl SessionTokens {
    pub(crate) fn new(environment: &Environment) -> Result<Self, Error> {
        Ok(Self { ring: environment.key_ring()?, seal: environment.seal()?, clock: environment.clock.clone() })
    }

    /// Opens the data of a token; `None` if it was not sealed for this session.
    async fn open(&self, claims: &SessionClaims) -> Result<Option<Sealed>, Error> {
        let opened = self.seal.open_if_ours(&sealed_for(&claims.scope, &claims.sid), &claims.data).await?;
        Ok(opened.and_then(|json| serde_json::from_slice(&json).ok()))
    }
}

/// Checks the session of a run: signed by us, for this tenant, product and environment, neither expired nor revoked.
pub(crate) async fn verify(
    services: &Services,
    tenant: &TenantId,
    product: &Tag,
    env: &Slug,
    given: &SessionGiven,
) -> Result<Result<Session, Failure>, Error> {
    let expected = Expected { product: Some(product), env: Some(env), tag: Some(&given.tag) };
    let checked = check(&services.session_tokens, &services.sessions, tenant, expected, &given.token).await?;
    Ok(checked.map(|verified| verified.session).map_err(|invalid| {
        let message = format!("the session `{}` {}", given.tag, invalid.reason());
        Failure::new(FailureType::Unauthorized, message)
    }))
}

/// Checks a token, with or without its tag in front.
pub(crate) async fn check(
    tokens: &SessionTokens,
    sessions: &Sessions,
    tenant: &TenantId,
    expected: Expected<'_>,
    token: &str,
) -> Result<Result<Verified, Invalid>, Error> {
    let Some(claims) = token::read::<SessionClaims>(&tokens.ring, token).await? else {
        return Ok(Err(Invalid::Unknown));
    };
    if let Err(invalid) = within(&claims.scope, tenant, expected) {
        return Ok(Err(invalid));
    }
    if claims.exp <= tokens.clock.now().as_second() {
        return Ok(Err(Invalid::Expired));
    }
    let Some(Sealed { identifier, data }) = tokens.open(&claims).await? else {
        return Ok(Err(Invalid::Unknown));
    };
    let SessionClaims { scope, sid: id, exp, .. } = claims;
    let standing = sessions.standing(owner(&scope), &scope.env, &id, &identifier).await?;
    Ok(judge(&standing)
        .map(|()| Verified { session: Session { tag: scope.tag, id, identifier, data }, ends_at_s: exp }))
}

/// Checks where a token is good.
fn within(scope: &Scope, tenant: &TenantId, expected: Expected<'_>) -> Result<(), Invalid> {
    let Expected { product, env, tag } = expected;
    if scope.tenant != *tenant {
        return Err(Invalid::OtherTenant);
    }
    if product.is_some_and(|product| scope.product != *product) {
        return Err(Invalid::OtherProduct);
    }
    if tag.is_some_and(|tag| scope.tag != *tag) {
        return Err(Invalid::OtherTag);
    }
    if env.is_some_and(|env| scope.env != *env) {
        return Err(Invalid::OtherEnv);
    }
    Ok(())
}

/// Decides whether a session is still good.
fn judge(standing: &Standing) -> Result<(), Invalid> {
    let Some((definition_id, user_generation, is_revoked)) = &standing.session else {
        // Its record is removed with its definition, or after the last of its tokens has ended.
        return Err(Invalid::Undefined);
    };
    if standing.definition_id.as_ref() != Some(definition_id) {
        return Err(Invalid::Undefined);
    }
    match *is_revoked || *user_generation != standing.user_generation {
        true => Err(Invalid::Revoked),
        false => Ok(()),
    }
}

fn owner(scope: &Scope) -> Owner<'_> {
    Owner { tenant: &scope.tenant, product: &scope.product, tag: &scope.tag }
}

/// What the data of a session is sealed for: for this session alone, where it is good.
fn sealed_for(scope: &Scope, session_id: &str) -> String {
    let Scope { tenant, product, env, tag } = scope;
    serde_json::json!(["session", tenant, product, env, tag, session_id]).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn scope((tenant, product, env, tag): (String, String, String, String)) -> Scope {
        let (product, tag) = (Tag::parse(&product).unwrap(), Tag::parse(&tag).unwrap());
        Scope { tenant: TenantId::new(tenant), product, env: Slug::parse(&env).unwrap(), tag }
    }

    fn is_within(scope: &Scope, place: &Scope) -> Result<(), Invalid> {
        let Scope { tenant, product, env, tag } = place;
        within(scope, tenant, Expected { product: Some(product), env: Some(env), tag: Some(tag) })
    }

    proptest! {
        #[test]
        fn a_session_is_good_in_one_place_alone(
            one in ("[a-b.]{1,3}", "[a-b.]{1,3}", "[a-b]{3}", "[a-b.]{1,3}"),
            two in ("[a-b.]{1,3}", "[a-b.]{1,3}", "[a-b]{3}", "[a-b.]{1,3}"),
            id in "[a-f]{1,3}",
        ) {
            let (one, two) = (scope(one), scope(two));
            prop_assert_eq!(is_within(&one, &one), Ok(()));
            prop_assert_eq!(is_within(&one, &two).is_ok(), one == two);
            prop_assert_eq!(sealed_for(&one, &id) == sealed_for(&two, &id), one == two);
            let same = (&one.tenant, &one.product, &one.tag) == (&two.tenant, &two.product, &two.tag);
            prop_assert_eq!(owner(&one).key() == owner(&two).key(), same);
        }
    }

    #[tokio::test]
    async fn a_run_has_the_session_or_a_failure_that_says_why_not_and_nothing_of_the_data() {
        use harness::World;
        use serde_json::json;

        let world = World::builder().function("ActionFunction", crate::function).open().await;
        for tag in ["login", "admin"] {
            let definition = json!({"product": "shop", "tag": tag, "schema": {"id": "x"}, "selector": "$Session{id}",
                "expiry": 60, "period": "seconds"});
            assert_eq!(world.post("/sessions", definition).await.status, 200);
        }
        let start = async |tag: &str| {
            let body = json!({"env": "dev", "data": {"id": "planted"}});
            world.post(&format!("/sessions/shop/{tag}/start"), body).await.body["token"].as_str().unwrap().to_owned()
        };
        let services = Services::new(world.environment("ActionFunction")).unwrap();
        let ask = async |tenant: &str, product: &str, env: &str, tag: &str, token: &str| {
            let (product, tag) = (Tag::parse(product).unwrap(), Tag::parse(tag).unwrap());
            let (env, given) = (Slug::parse(env).unwrap(), SessionGiven { tag, token: token.to_owned() });
            verify(&services, &TenantId::new(tenant), &product, &env, &given).await.unwrap()
        };
        let (login, admin) = (start("login").await, start("admin").await);
        for token in [login.as_str(), login.split_once(':').unwrap().1] {
            let session = ask("default", "shop", "dev", "login", token).await.unwrap();
            assert_eq!((session.identifier.as_str(), session.data), ("planted", json!({"id": "planted"})));
        }
        let check = async |place: (&str, &str, &str, &str), token: &str, reason: &str| {
            let (tenant, product, env, tag) = place;
            let failure = ask(tenant, product, env, tag, token).await.unwrap_err();
            assert_eq!(failure.kind, FailureType::Unauthorized);
            assert_eq!(failure.message, format!("the session `{tag}` {reason}"));
        };
        check(("other", "shop", "dev", "login"), &login, "was started by another tenant").await;
        check(("default", "store", "dev", "login"), &login, "was started for another product").await;
        check(("default", "shop", "prd", "login"), &login, "was started for another environment").await;
        check(("default", "shop", "dev", "login"), &admin, "was started for another tag").await;
        let mixed = admin.replace("admin:", "login:");
        let unknown = "has a token that is not one of ours, or was altered";
        check(("default", "shop", "dev", "login"), &mixed, unknown).await;
        world.post("/sessions/revoke", json!({"product": "shop", "tag": "admin", "identifier": "planted"})).await;
        check(("default", "shop", "dev", "admin"), &admin, "was revoked").await;
        world.advance(60).await;
        check(("default", "shop", "dev", "login"), &login, "has expired").await;
    }

    #[test]
    fn a_session_is_good_until_it_or_its_user_is_revoked_or_its_definition_deleted() {
        let good = Standing {
            definition_id: Some("d".to_owned()),
            session: Some(("d".to_owned(), 2, false)),
            user_generation: 2,
        };
        let check = |standing: Standing, expected| assert_eq!(judge(&standing), expected, "{standing:?}");
        check(good.clone(), Ok(()));
        check(Standing { user_generation: 3, ..good.clone() }, Err(Invalid::Revoked));
        check(Standing { session: Some(("d".to_owned(), 2, true)), ..good.clone() }, Err(Invalid::Revoked));
        check(Standing { session: None, ..good.clone() }, Err(Invalid::Undefined));
        check(Standing { definition_id: None, ..good.clone() }, Err(Invalid::Undefined));
        check(Standing { definition_id: Some("e".to_owned()), ..good }, Err(Invalid::Undefined));
    }
}
