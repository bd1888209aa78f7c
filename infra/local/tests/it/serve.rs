//! The command line: starting, stopping, continuing, refusing.

use std::os::unix::fs::PermissionsExt as _;

use serde_json::json;
use tempfile::tempdir;

use crate::process::{Hookyard, hookyard};

#[tokio::test]
async fn a_second_start_continues_where_the_first_stopped() {
    let data = tempdir().unwrap();
    let first = Hookyard::start(&data).await;
    let channel = first.channel().await;
    let admin = std::fs::read_to_string(data.path().join("admin.json")).unwrap();
    first.terminate().await;

    let second = Hookyard::start(&data).await;
    assert_eq!(second.get(&format!("/channels/{channel}")).await["channelId"], json!(channel));
    assert_eq!(std::fs::read_to_string(data.path().join("admin.json")).unwrap(), admin);
}

#[tokio::test]
async fn credentials_are_for_their_owner_only() {
    let data = tempdir().unwrap();
    let _hookyard = Hookyard::start(&data).await;
    for file in ["admin.json", "secrets.json"] {
        let mode = std::fs::metadata(data.path().join(file)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
}

#[tokio::test]
async fn a_second_process_on_the_same_data_is_told_what_to_do() {
    let data = tempdir().unwrap();
    let _first = Hookyard::start(&data).await;
    let second = hookyard().args(["--listen", "127.0.0.1:0", "--data"]).arg(data.path()).output().await.unwrap();
    assert!(!second.status.success());
    let message = String::from_utf8(second.stderr).unwrap();
    assert!(message.contains("--data"), "{message}");
}

#[tokio::test]
async fn the_data_of_an_older_version_is_refused_with_what_to_do_and_stays_as_it_is() {
    let data = tempdir().unwrap();
    std::fs::write(data.path().join("bus.db"), "kept").unwrap();
    let output = hookyard().args(["--listen", "127.0.0.1:0", "--data"]).arg(data.path()).output().await.unwrap();
    assert!(!output.status.success());
    let message = String::from_utf8(output.stderr).unwrap();
    let expected = "was written by an older version of Hookyard (format 1, this version reads format 3): \
                    start with an empty directory by --data, or keep using the version that wrote it\n";
    assert!(message.ends_with(expected), "{message}");
    let files: Vec<_> = std::fs::read_dir(data.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(files, ["bus.db"]);
    assert_eq!(std::fs::read_to_string(data.path().join("bus.db")).unwrap(), "kept");
}

#[tokio::test]
async fn help_names_every_option_with_its_variable() {
    let output = hookyard().arg("--help").output().await.unwrap();
    let help = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success());
    for option in [
        "LISTEN",
        "DATA",
        "BASE_URL",
        "CALLBACK_PATH_PREFIX",
        "ALLOW_CIDR",
        "DYNAMODB_PORT",
        "DURABILITY",
        "LOG",
        "JSON",
    ] {
        let flag = format!("--{}", option.to_lowercase().replace('_', "-"));
        assert!(help.contains(&flag) && help.contains(&format!("HOOKYARD_{option}")), "{option}: {help}");
    }
}

#[tokio::test]
async fn every_option_can_come_from_the_environment() {
    let data = tempdir().unwrap();
    let mut process = hookyard();
    process.env("HOOKYARD_LISTEN", "127.0.0.1:0").env("HOOKYARD_DATA", data.path().join("here"));
    process.env("HOOKYARD_LOG", "no such=level=at all");
    process.env("HOOKYARD_DYNAMODB_PORT", "not a port");
    let output = process.output().await.unwrap();
    assert!(!output.status.success());
    assert!(String::from_utf8(output.stderr).unwrap().contains("--dynamodb-port"));
}

#[tokio::test]
async fn requests_without_a_token_are_refused_with_a_code() {
    let data = tempdir().unwrap();
    let hookyard = Hookyard::start(&data).await;
    for path in ["/channels", "/dispatchers/v1/", "/tasks/v1/", "/runs/x", "/callbacks/x", "/clients"] {
        let response = hookyard.client.get(format!("{}{path}", hookyard.url)).send().await.unwrap();
        assert_eq!(response.status(), 401, "{path}");
        assert_eq!(response.json::<serde_json::Value>().await.unwrap()["code"], 106, "{path}");
    }
}

#[tokio::test]
async fn the_local_pages_say_what_a_webhook_costs_and_what_the_routes_are() {
    let data = tempdir().unwrap();
    let hookyard = Hookyard::start(&data).await;
    let channel = hookyard.channel().await;
    hookyard.deliver(&channel, "warm", "{}").await;
    let openapi = hookyard.get("/openapi.json").await;
    assert_eq!(openapi["openapi"], "3.1.0");
    for path in ["/webhooks/{channelId}", "/dispatchers/v1", "/runs/{eventId}", "/tasks/v1", "/callbacks", "/clients"] {
        assert!(openapi["paths"].get(path).is_some(), "{path}");
    }
    let calls = hookyard.get("/_local/aws-calls").await;
    assert_eq!(calls["eventbridge.PutEvents"].as_u64().map(|calls| calls >= 1), Some(true), "{calls}");
    assert_eq!(hookyard.get("/_local/dead-letters").await, json!([]));
}
