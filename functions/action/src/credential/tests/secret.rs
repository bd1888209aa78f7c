use super::*;
use crate::store::secret::{Secret, SecretHead, TokenType};

async fn create(setup: &Setup, tenant: &str, key: &str, change: impl FnOnce(&mut SecretHead)) {
    let now = setup.services.clock.now();
    let mut head = SecretHead {
        key: tag(key),
        description: String::new(),
        token_type: TokenType::Api,
        scope: Vec::new(),
        envs: Vec::new(),
        expires_at: None,
        revoked: false,
        created_at: now,
        updated_at: now,
    };
    change(&mut head);
    let secret = Secret::new(TenantId::new(tenant), head, "id".to_owned(), format!("value of {key}"));
    assert!(setup.services.secrets.create(&secret).await.unwrap());
}

#[tokio::test]
async fn secrets_are_checked_at_every_use() {
    let setup = Setup::lasting(1).await;
    let end = setup.services.clock.now().as_second() + 10;
    create(&setup, "default", "FREE", |_| {}).await;
    create(&setup, "other", "THEIRS", |_| {}).await;
    create(&setup, "default", "SCOPED", |head| head.scope = vec![tag("warehouse")]).await;
    create(&setup, "default", "DEV", |head| head.envs = vec![Slug::parse("dev").unwrap()]).await;
    create(&setup, "default", "ENDS", |head| head.expires_at = Some(end)).await;
    create(&setup, "default", "GONE", |head| head.revoked = true).await;
    let check = async |key: &str, place: &Place, expected: Result<(), (FailureType, &str)>| {
        let references = References { secrets: [key.to_owned()].into(), ..References::default() };
        let app = setup.app(json!({"setup_type": "token_access"}));
        match (load(&setup.services, place, &app, &references).await.unwrap(), expected) {
            (Ok(loaded), Ok(())) => assert_eq!(loaded.secrets[key], format!("value of {key}")),
            (Err(failure), Err((kind, message))) => {
                assert_eq!((failure.kind, failure.message.as_str()), (kind, message))
            }
            (loaded, expected) => panic!("{key} at {place:?}: {:?} is not {expected:?}", loaded.err()),
        }
    };
    let (here, elsewhere, production) =
        (&setup.place, &place("default", "other", "dev"), &place("default", "warehouse", "prd"));
    let forbidden = |message| Err((FailureType::Forbidden, message));
    for place in [here, elsewhere, production] {
        check("FREE", place, Ok(())).await;
        check("THEIRS", place, Err((FailureType::NotFound, "Secret 'THEIRS' not found"))).await;
        check("GONE", place, forbidden("Secret 'GONE' has been revoked")).await;
        check("ENDS", place, Ok(())).await;
    }
    check("SCOPED", here, Ok(())).await;
    check("SCOPED", production, Ok(())).await;
    check("SCOPED", elsewhere, forbidden("Secret 'SCOPED' is not accessible by app 'other'")).await;
    check("DEV", here, Ok(())).await;
    check("DEV", production, forbidden("Secret 'DEV' is not available in environment 'prd'")).await;
    setup.pass(9);
    check("ENDS", here, Ok(())).await;
    setup.pass(1);
    check("ENDS", here, forbidden("Secret 'ENDS' has expired")).await;
}
