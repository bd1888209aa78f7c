//! Connections of others: many, silent, and to ourselves.

use std::net::TcpStream;
use std::time::Duration;

use serde_json::json;
use tempfile::tempdir;

use crate::process::{Hookyard, hookyard_with_descriptors, is_over};

/// Few enough that the system has none left long before every connection of the test is open.
const DESCRIPTORS: u32 = 96;

#[tokio::test]
async fn silent_connections_leave_the_server_reachable_and_able_to_work() {
    for limit in ["30", "1000"] {
        let data = tempdir().unwrap();
        let command = hookyard_with_descriptors(DESCRIPTORS);
        let hookyard = Hookyard::start_by(command, data.path(), &["--max-connections", limit]).await;
        let address = hookyard.url.trim_start_matches("http://").to_owned();
        let silent: Vec<_> = (0..300).map_while(|_| TcpStream::connect(&address).ok()).collect();
        assert!(silent.len() > 96, "the system's queue takes them");
        // A new client, whose connection comes after all of them.
        let fresh = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(60)).build().unwrap();
        let answer = fresh.get(format!("{}/openapi.json", hookyard.url)).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{limit} connections");
        let channel = hookyard.channel().await;
        hookyard.deliver(&channel, "one", "{}").await;
        hookyard.terminate().await;
        drop(silent);
    }
}

#[tokio::test]
async fn our_own_ports_are_no_target_of_a_script_or_a_step() {
    let data = tempdir().unwrap();
    let everything = ["--allow-cidr", "0.0.0.0/0,::/0", "--dynamodb-port", "0"];
    let hookyard = Hookyard::start_with(data.path(), &everything).await;
    let channel = hookyard.channel().await;
    let api = hookyard.url.clone();
    let tables = hookyard.dynamodb.clone().expect("it is served");
    let script = "export const main = async (task) => {
      try { return (await fetch(task.data.url)).status } catch (error) { return String(error) }
    }";
    hookyard.function("fetch", script).await;
    let named = api.replace("127.0.0.1", "localhost");
    let mapped = api.replace("127.0.0.1", "[::ffff:127.0.0.1]");
    let urls = [format!("{api}/openapi.json"), named, mapped, format!("http://{tables}/")];
    let steps = urls.iter().enumerate().flat_map(|(index, url)| {
        let fetch =
            json!({"type": "task", "name": format!("fetch-{index}"), "functionName": "fetch", "data": {"url": url}});
        [fetch, json!({"type": "http", "name": format!("call-{index}"), "method": "GET", "url": url})]
    });
    hookyard.dispatcher("own", json!(steps.collect::<Vec<_>>())).await;
    let event = hookyard.deliver(&channel, "one", "{}").await;
    let run = hookyard.wait_for_run(&event, is_over).await;
    let steps = run["runs"][0]["steps"].as_array().unwrap();
    assert_eq!(steps.len(), 2 * urls.len());
    for step in steps {
        assert!(step.to_string().contains("listens on that port itself"), "{step:#}");
    }
}
