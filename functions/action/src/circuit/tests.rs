use futures::future::join_all;

use super::state::CircuitState;
use super::*;
use crate::played::{Played, place};

const SETTINGS: CircuitSettings = CircuitSettings { enabled: true, failures: 3, window_ms: 60_000, open_ms: 10_000 };

fn down() -> Failure {
    Failure::new(FailureType::Timeout, "no complete answer in time")
}

/// Lets a request through that ends like this, or returns why it is refused.
async fn request(services: &Services, place: &Place, failure: Option<Failure>) -> Result<(), Failure> {
    admit(services, place, &SETTINGS).await.unwrap()?;
    note(services, place, &SETTINGS, failure.as_ref()).await.unwrap();
    Ok(())
}

fn state(kept: &Kept, now: Timestamp) -> CircuitState {
    kept.circuit.state(now)
}

#[tokio::test]
async fn failures_in_a_row_open_it_for_all_processes_and_a_probe_closes_it() {
    let played = Played::open().await;
    let (one, place) = (&played.services, place("acme"));
    for _ in 0..3 {
        request(one, &place, Some(down())).await.unwrap();
    }
    let refused = request(one, &place, None).await.unwrap_err();
    assert_eq!((refused.kind, refused.retry_after_ms), (FailureType::ServiceUnavailable, Some(10_000)));
    let other = played.another();
    assert!(request(&other, &place, None).await.is_err());
    let elsewhere = crate::played::place("other");
    assert!(request(one, &elsewhere, None).await.is_ok(), "another tenant has a circuit of its own");

    played.world.advance(10).await;
    admit(one, &place, &SETTINGS).await.unwrap().unwrap();
    assert!(admit(&other, &place, &SETTINGS).await.unwrap().is_err(), "one request probes at a time");
    note(one, &place, &SETTINGS, Some(&down())).await.unwrap();
    assert_eq!(request(one, &place, None).await.unwrap_err().retry_after_ms, Some(20_000));

    played.world.advance(20).await;
    request(&other, &place, None).await.unwrap();
    played.world.advance(1).await;
    request(one, &place, None).await.unwrap();
    let kept = one.circuits.get(&CircuitKey::of(&place), one.clock.now()).await.unwrap();
    assert_eq!((state(&kept, one.clock.now()), kept.circuit.failures), (CircuitState::Closed, 0));
}

#[tokio::test]
async fn of_fifty_at_once_one_probes_and_their_failures_are_counted() {
    let played = Played::open().await;
    let (services, place) = (&played.services, place("acme"));
    let settings = CircuitSettings { failures: 50, ..SETTINGS };
    let failure = down();
    let noted = join_all((0..50).map(|_| note(services, &place, &settings, Some(&failure)))).await;
    assert!(noted.iter().all(Result::is_ok), "{noted:?}");
    let kept = services.circuits.get(&CircuitKey::of(&place), services.clock.now()).await.unwrap();
    assert_eq!((kept.circuit.failures, kept.circuit.opened), (50, 1));
    played.world.advance(10).await;
    let admitted = join_all((0..50).map(|_| admit(services, &place, &settings))).await;
    assert_eq!(admitted.iter().filter(|admitted| matches!(admitted, Ok(Ok(())))).count(), 1);
}

#[tokio::test]
async fn a_success_of_a_healthy_app_costs_no_write_and_one_read_a_second() {
    let played = Played::open().await;
    let (services, place) = (&played.services, place("acme"));
    let calls = |operation: &str| played.world.emulator.aws_calls().get(operation).copied().unwrap_or_default();
    let (reads, writes) = (calls("dynamodb.GetItem"), calls("dynamodb.PutItem"));
    for _ in 0..20 {
        request(services, &place, None).await.unwrap();
    }
    assert_eq!((calls("dynamodb.GetItem") - reads, calls("dynamodb.PutItem") - writes), (1, 0));
}

#[tokio::test]
async fn what_is_not_of_availability_opens_nothing_and_a_switch_turns_it_off() {
    let played = Played::open().await;
    let (services, place) = (&played.services, place("acme"));
    for _ in 0..10 {
        let refused = Failure { status: Some(422), ..Failure::new(FailureType::RequestFailed, "the app answered 422") };
        request(services, &place, Some(refused)).await.unwrap();
    }
    let off = CircuitSettings { enabled: false, ..SETTINGS };
    for _ in 0..10 {
        note(services, &place, &off, Some(&down())).await.unwrap();
    }
    assert!(request(services, &place, None).await.is_ok());
}

#[tokio::test]
async fn a_reset_and_a_health_probe_close_it_at_once() {
    let played = Played::open().await;
    let (services, place) = (&played.services, place("acme"));
    let key = CircuitKey::of(&place);
    let open = async || {
        for _ in 0..3 {
            request(services, &place, Some(down())).await.unwrap();
        }
        assert!(request(services, &place, None).await.is_err());
    };
    open().await;
    let circuit = reset(services, &key).await.unwrap();
    assert_eq!(
        (circuit.state(services.clock.now()), circuit.last_error),
        (CircuitState::Closed, Some(FailureType::Timeout))
    );
    request(services, &place, None).await.unwrap();
    open().await;
    recovered(services, &place).await.unwrap();
    request(services, &place, None).await.unwrap();
}
