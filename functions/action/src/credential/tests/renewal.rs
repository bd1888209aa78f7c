use futures::future::join_all;

use super::*;

#[tokio::test]
async fn a_token_is_used_until_shortly_before_its_end() {
    let setup = Setup::lasting(3_600).await;
    let app = setup.oauth2();
    setup.give(client()).await;
    let check = async |passed_s: i64, expected: &str, asked: usize| {
        setup.pass(passed_s);
        assert_eq!((setup.token(&app).await.unwrap().as_str(), setup.asked()), (expected, asked));
    };
    check(0, "token-1", 1).await;
    check(3_539, "token-1", 1).await;
    check(1, "token-2", 2).await;
    check(3_539, "token-2", 2).await;
    check(10_000, "token-3", 3).await;
}

#[tokio::test]
async fn a_token_of_less_than_the_margin_works_too() {
    let setup = Setup::lasting(10).await;
    let app = setup.oauth2();
    setup.give(client()).await;
    for (passed_s, expected, asked) in [(0, "token-1", 1), (7, "token-1", 1), (1, "token-2", 2), (7, "token-2", 2)] {
        setup.pass(passed_s);
        assert_eq!((setup.token(&app).await.unwrap().as_str(), setup.asked()), (expected, asked));
    }
    let setup = Setup::lasting(0).await;
    let app = setup.oauth2();
    setup.give(client()).await;
    assert_eq!(setup.token(&app).await.unwrap(), "token-1");
    assert_eq!(setup.token(&app).await.unwrap(), "token-2");
}

#[tokio::test]
async fn fifty_runs_of_one_process_ask_once() {
    let setup = Setup::lasting(100).await;
    let app = setup.oauth2();
    setup.give(client()).await;
    setup.token(&app).await.unwrap();
    setup.pass(200);
    let tokens = join_all((0..50).map(|_| setup.token(&app))).await;
    assert_eq!(setup.asked(), 2);
    assert!(tokens.iter().all(|token| token.as_deref() == Ok("token-2")), "{tokens:?}");
}

#[tokio::test]
async fn fifty_runs_of_two_processes_ask_once() {
    let setup = Setup::lasting(100).await;
    let (app, other) = (setup.oauth2(), setup.another());
    setup.give(client()).await;
    setup.token(&app).await.unwrap();
    setup.pass(200);
    let loads = (0..50).map(|index| {
        let services = if index % 2 == 0 { &setup.services } else { &other };
        load_by(services, &setup.place, &app)
    });
    let loads = join_all(loads);
    tokio::pin!(loads);
    let stored = async || {
        let stored = setup.services.credentials.get(&setup.place, &tag("main")).await.unwrap().unwrap();
        if stored.round == 2 { Ok(()) } else { Err(stored.round) }
    };
    // Time stands still until the token is there, as a request takes real time.
    let mut others = Box::pin(async {
        harness::until("the token", stored).await;
        setup.world.pass_time(std::future::pending::<()>()).await;
    });
    let loaded = tokio::select! {
        loaded = &mut loads => loaded,
        () = &mut others => unreachable!("time passes for ever"),
    };
    assert_eq!(setup.asked(), 2);
    assert!(loaded.into_iter().all(|loaded| access_token(&loaded.unwrap()) == "token-2"));
}

#[tokio::test]
async fn fifty_runs_share_a_failure_as_well() {
    let setup = Setup::answering(|_| Answer::status(503, json!({}))).await;
    let app = setup.oauth2();
    setup.give(client()).await;
    let loaded = join_all((0..50).map(|_| setup.load(&app))).await;
    assert!(
        loaded
            .iter()
            .all(|loaded| loaded.as_ref().is_err_and(|failure| failure.kind == FailureType::ServiceUnavailable))
    );
    assert_eq!(setup.asked(), 1);
    assert!(setup.load(&app).await.is_err());
    assert_eq!(setup.asked(), 2, "a run that begins later tries again");
}

#[tokio::test]
async fn a_crash_of_the_one_who_asks_frees_the_others() {
    let setup = Setup::lasting(100).await;
    let app = setup.oauth2();
    setup.give(client()).await;
    let store = &setup.services.credentials;
    let stored = store.get(&setup.place, &tag("main")).await.unwrap().unwrap();
    store.lease(&setup.place, &tag("main"), &stored, SignedDuration::from_secs(20)).await.unwrap().unwrap();
    let before = setup.world.clock.now();
    assert_eq!(Box::pin(setup.world.pass_time(setup.token(&app))).await.unwrap(), "token-1");
    assert!(setup.world.clock.now().duration_since(before) <= SignedDuration::from_secs(21));
}

#[tokio::test]
async fn a_lease_from_a_time_that_a_clock_was_set_back_from_holds_nobody_up() {
    let setup = Setup::lasting(100).await;
    let app = setup.oauth2();
    setup.give(client()).await;
    let store = &setup.services.credentials;
    let stored = store.get(&setup.place, &tag("main")).await.unwrap().unwrap();
    store.lease(&setup.place, &tag("main"), &stored, SignedDuration::from_secs(20)).await.unwrap().unwrap();
    setup.world.clock.step(SignedDuration::from_hours(-1));
    assert_eq!(setup.token(&app).await.unwrap(), "token-1");
}

#[tokio::test]
async fn a_token_from_a_time_that_a_clock_was_set_back_from_is_made_anew() {
    let setup = Setup::lasting(3_600).await;
    let app = setup.oauth2();
    setup.give(client()).await;
    setup.token(&app).await.unwrap();
    setup.world.clock.step(SignedDuration::from_secs(-30));
    assert_eq!(setup.token(&app).await.unwrap(), "token-1", "clocks of machines differ");
    setup.world.clock.step(SignedDuration::from_hours(-2));
    assert_eq!(setup.token(&app).await.unwrap(), "token-2");
}

#[tokio::test]
async fn a_token_that_cannot_be_renewed_early_is_used_until_its_end() {
    let setup = Setup::lasting(100).await;
    let app = setup.oauth2();
    setup.give(client()).await;
    setup.token(&app).await.unwrap();
    for _ in 0..2 {
        setup.endpoint.answer_next(Answer::status(500, json!({})));
    }
    setup.pass(85);
    assert_eq!((setup.token(&app).await.unwrap().as_str(), setup.asked()), ("token-1", 2));
    assert_eq!((setup.token(&app).await.unwrap().as_str(), setup.asked()), ("token-1", 2), "not at once again");
    setup.pass(15);
    assert!(setup.token(&app).await.is_err());
    assert_eq!((setup.token(&app).await.unwrap().as_str(), setup.asked()), ("token-2", 4));
}

#[tokio::test]
async fn while_one_renews_a_token_early_the_others_use_the_old_one() {
    let setup = Setup::lasting(100).await;
    let (app, other) = (setup.oauth2(), setup.another());
    setup.give(client()).await;
    setup.token(&app).await.unwrap();
    setup.pass(85);
    let store = &other.credentials;
    let stored = store.get(&setup.place, &tag("main")).await.unwrap().unwrap();
    store.lease(&setup.place, &tag("main"), &stored, SignedDuration::from_secs(20)).await.unwrap().unwrap();
    assert_eq!((setup.token(&app).await.unwrap().as_str(), setup.asked()), ("token-1", 1));
}

#[tokio::test]
async fn a_refused_token_is_replaced_once() {
    let setup = Setup::lasting(3_600).await;
    let app = setup.oauth2();
    setup.give(client()).await;
    let (first, second) = (setup.load(&app).await.unwrap(), setup.load(&app).await.unwrap());
    assert!(refused(&setup.services, &setup.place, "main", &first).await.unwrap());
    let renewed = setup.load(&app).await.unwrap();
    assert_eq!(access_token(&renewed), "token-2");
    // The other run had the old one: what it was refused is gone already.
    assert!(refused(&setup.services, &setup.place, "main", &second).await.unwrap());
    assert_eq!(setup.token(&app).await.unwrap(), "token-2");
    // The app refuses whatever it gets: asking for more would not help.
    assert!(!refused(&setup.services, &setup.place, "main", &renewed).await.unwrap());
    assert_eq!((setup.token(&app).await.unwrap().as_str(), setup.asked()), ("token-2", 2));
    setup.pass(60);
    assert!(refused(&setup.services, &setup.place, "main", &renewed).await.unwrap());
    assert_eq!((setup.token(&app).await.unwrap().as_str(), setup.asked()), ("token-3", 3));
}

#[tokio::test]
async fn what_is_no_token_cannot_be_had_anew() {
    let setup = Setup::lasting(1).await;
    let app = setup.app(json!({"setup_type": "token_access"}));
    setup.give(json!({"token": "abc"})).await;
    let loaded = setup.load(&app).await.unwrap();
    assert!(!refused(&setup.services, &setup.place, "main", &loaded).await.unwrap());
}

#[tokio::test]
async fn a_token_is_made_anew_where_what_it_was_made_of_has_changed() {
    let setup = Setup::lasting(3_600).await;
    let app = setup.oauth2();
    setup.give(client()).await;
    assert_eq!(setup.token(&app).await.unwrap(), "token-1");
    setup.give(client()).await;
    assert_eq!(setup.token(&app).await.unwrap(), "token-1", "the same data");
    setup.give(json!({"client_id": "another", "client_secret": "s3cret"})).await;
    assert_eq!(setup.token(&app).await.unwrap(), "token-2");
    let url = format!("{}/token", setup.endpoint.url());
    let scoped = setup.app(json!({"setup_type": "oauth2", "token_url": url, "scopes": ["more"]}));
    assert_eq!(setup.token(&scoped).await.unwrap(), "token-3");
}

#[tokio::test]
async fn data_that_is_given_while_a_token_is_made_wins() {
    let setup = Setup::lasting(3_600).await;
    let app = setup.oauth2();
    setup.give(client()).await;
    let asked = harness::until("the request", async || if setup.asked() > 0 { Ok(()) } else { Err(()) });
    let (loaded, ()) = tokio::join!(setup.token(&app), async {
        asked.await;
        setup.give(json!({"client_id": "another", "client_secret": "s3cret"})).await;
    });
    assert_eq!(loaded.unwrap(), "token-1", "the run had the former data");
    assert_eq!(setup.token(&app).await.unwrap(), "token-2", "and the next one has the new");
}

#[tokio::test]
async fn a_lost_answer_of_the_database_holds_nobody_up() {
    let setup = Setup::lasting(3_600).await;
    let app = setup.oauth2();
    setup.give(client()).await;
    setup.world.emulator.lose_reply("dynamodb.PutItem", 2);
    assert_eq!((setup.token(&app).await.unwrap().as_str(), setup.asked()), ("token-1", 1));
}

#[tokio::test]
async fn after_a_rotation_credentials_and_tokens_are_sealed_with_the_new_key() {
    let setup = Setup::lasting(3_600).await;
    let app = setup.oauth2();
    setup.give(client()).await;
    setup.token(&app).await.unwrap();
    let change_ring = async |change: fn(&mut Value)| {
        let mut ring: Value = serde_json::from_str(&setup.world.emulator.secret("KeyRing").unwrap()).unwrap();
        change(&mut ring);
        let secrets = aws_sdk_secretsmanager::Client::new(&setup.world.emulator.sdk_config());
        let id = setup.world.environment("ActionFunction").config.required("KEY_RING_SECRET").unwrap();
        secrets.put_secret_value().secret_id(id).secret_string(ring.to_string()).send().await.unwrap();
    };
    let switch = |ring: &mut Value| {
        ring["2"] = "another key material of sufficient length, 0123456789".into();
        ring["current"] = "2".into();
    };
    change_ring(switch).await;
    setup.world.restart();
    let rotated = setup.world.post("/actions/rotate", json!({})).await;
    assert_eq!(rotated.body, json!({"resealed": 1, "more": false}));
    change_ring(|ring| assert!(ring.as_object_mut().unwrap().remove("1").is_some())).await;
    // As a process reads them that has never had the old key.
    let loaded = load_by(&setup.another(), &setup.place, &app).await.unwrap();
    assert_eq!((access_token(&loaded).as_str(), setup.asked()), ("token-1", 1));
}
