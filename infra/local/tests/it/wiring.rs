//! The template and the functions fit together.

use std::collections::BTreeSet;

use emulator::Template;
use harness::{Event, World};
use serde_json::{Value, json};
use shared::event::command::ACTION_TYPES;
use tempfile::tempdir;

use crate::process::Hookyard;

fn template() -> Template {
    Template::parse(local::TEMPLATE).unwrap()
}

#[test]
fn every_function_of_the_template_is_served_and_no_other() {
    let template = template();
    let named: BTreeSet<&str> = template.function_ids().into_iter().collect();
    let served: BTreeSet<&str> = local::FUNCTIONS.into_iter().map(|(id, _)| id).collect();
    assert_eq!(named, served);
}

#[tokio::test]
async fn every_route_that_a_function_describes_leads_to_it() {
    let data = tempdir().unwrap();
    let hookyard = Hookyard::start(&data).await;
    let openapi = hookyard.get("/openapi.json").await;
    let template = template();
    for (path, item) in openapi["paths"].as_object().unwrap() {
        for method in item.as_object().unwrap().keys().filter(|method| method.len() < 8 && *method != "summary") {
            // Where an id must be, nothing else leads to a route.
            let concrete = path.replace("{id}", "0123456789abcdef01234567").replace(['{', '}'], "");
            assert!(template.route(&method.to_uppercase(), &concrete).is_some(), "{method} {path}");
            let method = reqwest::Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
            let response = hookyard.client.request(method.clone(), format!("{}{concrete}", hookyard.url)).send().await;
            let answer: Value = response.unwrap().json().await.unwrap_or_default();
            assert!(answer["code"] != 903 && answer["code"] != 26, "{method} {path}: {answer}");
        }
    }
}

#[tokio::test]
async fn a_leading_localhost_and_a_trailing_slash_change_nothing() {
    let data = tempdir().unwrap();
    let hookyard = Hookyard::start(&data).await;
    let plain = hookyard.get("/dispatchers/v1").await;
    for path in ["/dispatchers/v1/", "/localhost/dispatchers/v1", "/localhost/dispatchers/v1/?limit(20)"] {
        let mut answer = hookyard.get(path).await;
        answer.as_object_mut().unwrap().remove("query");
        assert_eq!(answer, plain, "{path}");
    }
}

#[tokio::test]
async fn a_path_of_no_service_is_answered_by_a_function_on_aws_too() {
    let template = template();
    for path in ["/payments/v1/", "/localhost/templates/v1", "/", "/files/v1/"] {
        assert!(template.route("GET", path).is_some(), "{path}");
    }
    let data = tempdir().unwrap();
    let hookyard = Hookyard::start(&data).await;
    let answer = hookyard.client.get(format!("{}/payments/v1/", hookyard.url)).send().await.unwrap();
    assert_eq!(answer.status(), 404);
    assert_eq!(answer.json::<Value>().await.unwrap()["code"], 903);
}

#[tokio::test]
async fn every_type_of_action_has_a_rule() {
    let world = World::builder().function("AuthFunction", auth::function).by_hand().open().await;
    for known in ACTION_TYPES {
        world.publish(&Event::command(known.name, "step", json!({}))).await;
        assert_eq!(world.emulator.unmatched_events(), 0, "{}", known.name);
    }
    world.publish(&Event::command("fax", "step", json!({}))).await;
    assert_eq!(world.emulator.unmatched_events(), 1);
}
