mod oauth2;
mod renewal;
mod secret;

use std::sync::atomic::{AtomicUsize, Ordering};

use harness::World;
use harness::server::{Answer, Server};
use jiff::SignedDuration;
use serde_json::{Value, json};
use shared::event::TenantId;
use shared::{Environment, SharedKeyRing};

use super::*;
use crate::tag::Slug;

/// The function on the emulator, and a token endpoint.
struct Setup {
    world: World,
    services: Services,
    endpoint: Server,
    place: Place,
}

impl Setup {
    /// Every token is another one, and good for as many seconds.
    async fn lasting(lifetime_s: u64) -> Self {
        let count = AtomicUsize::new(0);
        Self::answering(move |_| {
            let count = count.fetch_add(1, Ordering::Relaxed) + 1;
            Answer::ok(
                json!({"access_token": format!("token-{count}"), "token_type": "Bearer", "expires_in": lifetime_s}),
            )
        })
        .await
    }

    async fn answering(respond: impl Fn(&harness::server::Request) -> Answer + Send + Sync + 'static) -> Self {
        let world = World::builder().function("ActionFunction", crate::function).open().await;
        let services = Services::new(world.environment("ActionFunction")).unwrap();
        Self { world, services, endpoint: Server::start(respond).await, place: place("default", "warehouse", "dev") }
    }

    /// The services of another process on the same tables.
    fn another(&self) -> Services {
        let environment = self.world.environment("ActionFunction").clone();
        Services::new(&Environment { key_ring: SharedKeyRing::default(), ..environment }).unwrap()
    }

    /// An app with an auth.
    fn app(&self, setup: Value) -> App {
        let env = json!({"slug": "sbx", "base_url": self.endpoint.url(), "active": true});
        let app: App = serde_json::from_value(json!({"tag": "warehouse_app", "envs": [env]})).unwrap();
        App { auths: vec![auth("main", setup)], ..app }
    }

    fn oauth2(&self) -> App {
        self.app(json!({"setup_type": "oauth2", "token_url": format!("{}/token", self.endpoint.url())}))
    }

    async fn give(&self, data: Value) {
        self.services.credentials.put(&self.place, &tag("main"), data.as_object().unwrap()).await.unwrap();
    }

    /// Loads the credentials of the auth.
    async fn load(&self, app: &App) -> Result<Credentials, Failure> {
        load_by(&self.services, &self.place, app).await
    }

    /// Loads the access token of the auth.
    async fn token(&self, app: &App) -> Result<String, Failure> {
        self.load(app).await.map(|credentials| access_token(&credentials))
    }

    fn asked(&self) -> usize {
        self.endpoint.requests().len()
    }

    fn pass(&self, seconds: i64) {
        self.world.clock.set(self.world.clock.now() + SignedDuration::from_secs(seconds));
    }
}

async fn load_by(services: &Services, place: &Place, app: &App) -> Result<Credentials, Failure> {
    let references = References { auths: ["main".to_owned()].into(), ..References::default() };
    load(services, place, app, &references).await.unwrap()
}

fn access_token(credentials: &Credentials) -> String {
    credentials.auths["main"]["access_token"].as_str().unwrap().to_owned()
}

fn auth(name: &str, mut setup: Value) -> Auth {
    let mut additions = |part: &str| {
        let added = setup.as_object_mut().unwrap().remove(part).unwrap_or_else(|| json!({}));
        serde_json::from_value(added).unwrap()
    };
    let (headers, query) = (additions("headers"), additions("query"));
    let text = |name: &str| setup[name].as_str().unwrap_or_default().to_owned();
    let setup = match text("setup_type").as_str() {
        "oauth2" => AuthSetup::OAuth2 {
            token_url: text("token_url"),
            scopes: serde_json::from_value(setup["scopes"].clone()).unwrap_or_default(),
        },
        "api_key" => AuthSetup::ApiKey { name: text("name"), place: text("in") },
        "basic" => AuthSetup::Basic {},
        "token_access" => AuthSetup::TokenAccess {},
        other => panic!("there is no {other}"),
    };
    Auth { tag: tag(name), name: String::new(), description: String::new(), setup, headers, query }
}

fn client() -> Value {
    json!({"client_id": "hookyard", "client_secret": "s3cret"})
}

fn tag(text: &str) -> Tag {
    Tag::parse(text).unwrap()
}

fn place(tenant: &str, access_tag: &str, env: &str) -> Place {
    Place {
        tenant_id: TenantId::new(tenant),
        product: tag("shop"),
        env: Slug::parse(env).unwrap(),
        access_tag: tag(access_tag),
        app: tag("warehouse_app"),
        app_env: Slug::parse("sbx").unwrap(),
    }
}

#[tokio::test]
async fn data_that_is_the_token_is_handed_on_as_it_was_given() {
    let setup = Setup::lasting(1).await;
    let data =
        json!({"token": "abc", "n": 18_446_744_073_709_551_615_u64, "nested": {"a": [1.5, null]}, "odd": "$Now"});
    setup.give(data.clone()).await;
    let loaded = setup.load(&setup.app(json!({"setup_type": "token_access"}))).await.unwrap();
    assert_eq!(loaded.auths["main"], data);
    assert_eq!(setup.asked(), 0);
}

#[tokio::test]
async fn a_user_and_password_are_also_there_as_the_header_has_them() {
    let setup = Setup::lasting(1).await;
    setup.give(json!({"username": "Aladdin", "password": "open sesame"})).await;
    let loaded = setup.load(&setup.app(json!({"setup_type": "basic"}))).await.unwrap();
    // RFC 7617, section 2.
    assert_eq!(loaded.auths["main"]["encoded"], "QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
}

#[tokio::test]
async fn credentials_belong_to_their_place_and_app_alone() {
    let setup = Setup::lasting(1).await;
    let app = setup.app(json!({"setup_type": "token_access"}));
    setup.give(json!({"token": "abc"})).await;
    let check = async |place: &Place, expected: bool| {
        let loaded = load_by(&setup.services, place, &app).await;
        assert_eq!(loaded.as_ref().err().map(|failure| failure.kind), (!expected).then_some(FailureType::NotFound));
        assert_eq!(setup.services.credentials.is_configured(place, &tag("main")).await.unwrap(), expected, "{place:?}");
    };
    check(&setup.place, true).await;
    check(&place("other", "warehouse", "dev"), false).await;
    check(&place("default", "warehouse-2", "dev"), false).await;
    check(&place("default", "warehouse", "prd"), false).await;
    check(&Place { product: tag("other"), ..setup.place.clone() }, false).await;
    // An access tag that stands for another app now must not send it what was meant for the first.
    check(&Place { app: tag("another_app"), ..setup.place.clone() }, false).await;

    let unknown = References { auths: ["nothing".to_owned()].into(), ..References::default() };
    let failure = load(&setup.services, &setup.place, &app, &unknown).await.unwrap().err().unwrap();
    assert_eq!((failure.kind, failure.message.contains("`nothing`")), (FailureType::NotFound, true));
}

#[tokio::test]
async fn credentials_are_removed_one_by_one_by_environment_and_by_access_tag() {
    let setup = Setup::lasting(1).await;
    let store = &setup.services.credentials;
    let places =
        [("warehouse", "dev"), ("warehouse", "prd"), ("other", "dev")].map(|(app, env)| place("default", app, env));
    let data = json!({"token": "abc"});
    for place in &places {
        for auth in ["main", "second"] {
            store.put(place, &tag(auth), data.as_object().unwrap()).await.unwrap();
        }
    }
    let there = async || {
        let mut there = Vec::new();
        for place in &places {
            for auth in ["main", "second"] {
                there.push(store.is_configured(place, &tag(auth)).await.unwrap());
            }
        }
        there
    };
    assert!(store.delete(&places[0], &tag("main")).await.unwrap());
    assert!(!store.delete(&places[0], &tag("main")).await.unwrap());
    assert_eq!(there().await, [false, true, true, true, true, true]);
    store.delete_place(&places[1]).await.unwrap();
    assert_eq!(there().await, [false, true, false, false, true, true]);
    store.delete_access_tag(&places[0].tenant_id, &places[0].product, &places[0].access_tag).await.unwrap();
    assert_eq!(there().await, [false, false, false, false, true, true]);
}

#[tokio::test]
async fn tenants_and_tags_of_every_length_have_credentials() {
    let setup = Setup::lasting(1).await;
    let long = "t".repeat(128);
    let widest = TenantId::parse(&"\u{10348}".repeat(128)).unwrap();
    let place = Place { tenant_id: widest, product: tag(&long), access_tag: tag(&long), ..setup.place.clone() };
    let data = json!({"token": "abc"});
    setup.services.credentials.put(&place, &tag(&long), data.as_object().unwrap()).await.unwrap();
    assert!(setup.services.credentials.is_configured(&place, &tag(&long)).await.unwrap());
    let stored = setup.services.credentials.of_access_tag(&place.tenant_id, &place.product, &place.access_tag).await;
    assert_eq!(stored.unwrap().len(), 1);
}

#[test]
fn what_is_sent_for_an_auth_is_what_it_declares_or_what_is_usual() {
    let check = |auth: Value, headers: Value, query: Value| {
        let added = additions(&tests::auth("t", auth.clone()));
        assert_eq!((json!(added.0), json!(added.1)), (headers, query), "{auth}");
    };
    let none = json!({});
    let oauth2 = json!({"setup_type": "oauth2", "token_url": "https://a/token"});
    check(oauth2, json!({"Authorization": "Bearer $Auth{t}{access_token}"}), none.clone());
    check(json!({"setup_type": "basic"}), json!({"Authorization": "Basic $Auth{t}{encoded}"}), none.clone());
    let key = |place: &str| json!({"setup_type": "api_key", "name": "x-key", "in": place});
    check(key("header"), json!({"x-key": "$Auth{t}{key}"}), none.clone());
    check(key("query"), none.clone(), json!({"x-key": "$Auth{t}{key}"}));
    check(json!({"setup_type": "token_access"}), none.clone(), none.clone());
    let own = json!({"X-Token": "$Auth{t}{encoded}"});
    check(json!({"setup_type": "basic", "headers": own}), own, none.clone());
    check(json!({"setup_type": "basic", "query": {"a": "b"}}), none, json!({"a": "b"}));
}

#[test]
fn data_that_does_not_fit_its_auth_is_refused_by_name() {
    let check = |setup: Value, data: Value, expected: &str| {
        let told = data::check(&auth("t", setup), data.as_object().unwrap());
        match told {
            Ok(()) => assert_eq!(expected, "", "{data}"),
            Err(rule) => assert!(!expected.is_empty() && rule.contains(expected), "{data}: {rule}"),
        }
    };
    let basic = json!({"setup_type": "basic"});
    check(basic.clone(), json!({"username": "u", "password": ""}), "");
    check(basic.clone(), json!({"username": "u"}), "needs the field `password`");
    check(basic.clone(), json!({"username": "u:v", "password": "p"}), "colon");
    check(basic.clone(), json!({"username": "u", "password": 5}), "`password`");
    check(basic, json!({"username": "u", "password": "p", "pasword": "p"}), "`pasword`");
    let key = json!({"setup_type": "api_key", "name": "k", "in": "header"});
    check(key.clone(), json!({"key": "k"}), "");
    check(key, json!({"key": ""}), "empty");
    let oauth2 = json!({"setup_type": "oauth2", "token_url": "https://a/token"});
    check(oauth2.clone(), json!({"client_id": "c", "refresh_token": "r"}), "");
    check(oauth2.clone(), json!({"client_id": "c", "client_auth": "header"}), "`basic` or `body`");
    check(oauth2.clone(), json!({"client_id": "c", "token_params": {"audience": 5}}), "token_params");
    check(oauth2, json!({"refresh_token": "r"}), "`client_id`");
    let free = json!({"setup_type": "token_access"});
    check(free.clone(), json!({"anything": [1, {"at": "all"}]}), "");
    check(free.clone(), json!({}), "at least one");
    check(free.clone(), json!({"a}b": 1}), "`a}b`");
    check(free.clone(), json!({"a": "x".repeat(64 * 1024)}), "65536 bytes");
    let deep = (0..70).fold(json!(1), |value, _| json!([value]));
    check(free, json!({"a": deep}), "64 levels");
}
