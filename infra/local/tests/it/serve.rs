//! The command line: starting, stopping, continuing, refusing.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use client::{Client, Credentials, Request};
use harness::World;
use serde_json::json;
use tempfile::tempdir;
use tokio::time::timeout;

use crate::process::{Hookyard, PATIENCE, hookyard};

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
async fn what_is_stopped_leaves_whole_files_and_no_logs_beside_them() {
    let data = tempdir().unwrap();
    let hookyard = Hookyard::start(&data).await;
    hookyard.channel().await;
    assert!(data.path().join("dynamodb.db-wal").exists() && data.path().join("bus.db-wal").exists());
    hookyard.terminate().await;
    let files = std::fs::read_dir(data.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let logs: Vec<_> = files.filter(|name| name.contains(".db-")).collect();
    assert!(logs.is_empty(), "{logs:?}");
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
async fn deleting_the_lock_lets_no_second_process_in() {
    let data = tempdir().unwrap();
    let _first = Hookyard::start(&data).await;
    std::fs::remove_file(data.path().join("lock")).unwrap();
    let second = hookyard().args(["--listen", "127.0.0.1:0", "--data"]).arg(data.path()).output().await.unwrap();
    let message = String::from_utf8(second.stderr).unwrap();
    assert!(!second.status.success() && message.contains("in use by another process"), "{message}");
}

#[tokio::test]
async fn a_directory_that_has_lost_a_file_does_not_start_and_says_what_to_restore() {
    for lost in ["secrets.json", "bus.db", "dynamodb.db", "contents.json"] {
        for damage in ["gone", "empty", "cut off"] {
            let data = tempdir().unwrap();
            // What is cut off can be found again beside the file, as long as it was not stopped.
            match damage {
                "cut off" => Hookyard::start(&data).await.terminate().await,
                _ => Hookyard::start(&data).await.kill().await,
            }
            let path = data.path().join(lost);
            match damage {
                "gone" => std::fs::remove_file(&path).unwrap(),
                "empty" => std::fs::write(&path, "").unwrap(),
                _ => {
                    let bytes = std::fs::read(&path).unwrap();
                    std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
                }
            }
            let output = hookyard().args(["--listen", "127.0.0.1:0", "--data"]).arg(data.path()).output();
            let output = timeout(PATIENCE, output).await;
            let output = output.unwrap_or_else(|_| panic!("it starts: {lost} {damage}")).unwrap();
            let message = String::from_utf8(output.stderr).unwrap();
            assert!(!output.status.success(), "{lost} {damage}");
            assert!(message.contains(&format!("restore `{lost}`")), "{lost} {damage}: {message}");
        }
    }
}

#[tokio::test]
async fn a_directory_with_the_secrets_of_another_one_does_not_start() {
    let (data, other) = (tempdir().unwrap(), tempdir().unwrap());
    for directory in [&data, &other] {
        Hookyard::start(directory).await.terminate().await;
    }
    std::fs::copy(other.path().join("secrets.json"), data.path().join("secrets.json")).unwrap();
    let output = hookyard().args(["--listen", "127.0.0.1:0", "--data"]).arg(data.path()).output().await.unwrap();
    let message = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && message.contains("another data directory"), "{message}");
    assert!(message.contains("restore `secrets.json`"), "{message}");
}

#[tokio::test]
async fn a_file_in_the_place_of_a_directory_is_named() {
    let data = tempdir().unwrap();
    std::fs::write(data.path().join("effects"), "").unwrap();
    let output = hookyard().args(["--listen", "127.0.0.1:0", "--data"]).arg(data.path()).output().await.unwrap();
    let message = String::from_utf8(output.stderr).unwrap();
    assert!(
        !output.status.success() && message.contains("/effects: ") && message.contains("move it away"),
        "{message}"
    );
}

#[tokio::test]
async fn anybody_may_create_a_user_unless_registration_is_closed() {
    let user = json!({"email": "ada@example.com", "password": "correct horse"});
    for (arguments, expected) in [(&[][..], 200), (&["--open-registration", "false"][..], 401)] {
        let data = tempdir().unwrap();
        let hookyard = Hookyard::start_with(data.path(), arguments).await;
        let request = hookyard.client.post(format!("{}/users/v1/register", hookyard.url)).json(&user);
        assert_eq!(request.send().await.unwrap().status(), expected, "{arguments:?}");
    }
}

#[tokio::test]
async fn a_public_address_that_is_no_beginning_of_a_url_is_refused() {
    for address in ["foo", "ftp://example.com", "https://", "https://user@example.com", "https://example.com/?x=1"] {
        let output = hookyard().args(["--base-url", address]).output().await.unwrap();
        let message = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && message.contains("--base-url"), "{address}: {message}");
    }
}

#[tokio::test]
async fn the_files_of_an_existing_directory_become_their_owners_only() {
    let data = tempdir().unwrap();
    Hookyard::start(&data).await.terminate().await;
    for entry in std::fs::read_dir(data.path()).unwrap() {
        std::fs::set_permissions(entry.unwrap().path(), Permissions::from_mode(0o666)).unwrap();
    }
    std::fs::set_permissions(data.path(), Permissions::from_mode(0o777)).unwrap();
    let _hookyard = Hookyard::start(&data).await;
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let mut files = 0;
    for entry in std::fs::read_dir(data.path()).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(mode(&path), if path.is_dir() { 0o700 } else { 0o600 }, "{}", path.display());
        files += 1;
    }
    assert!(files > 6, "{files}");
    assert_eq!(mode(data.path()), 0o700);
}

#[tokio::test]
async fn the_data_of_an_older_version_is_refused_with_what_to_do_and_stays_as_it_is() {
    let data = tempdir().unwrap();
    std::fs::write(data.path().join("bus.db"), "kept").unwrap();
    let output = hookyard().args(["--listen", "127.0.0.1:0", "--data"]).arg(data.path()).output().await.unwrap();
    assert!(!output.status.success());
    let message = String::from_utf8(output.stderr).unwrap();
    let expected = "was written by an older version of Hookyard (format 1, this version reads format 9): \
                    start with an empty directory by --data, or keep using the version that wrote it\n";
    assert!(message.ends_with(expected), "{message}");
    let files: Vec<_> = std::fs::read_dir(data.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(files, ["bus.db"]);
    assert_eq!(std::fs::read_to_string(data.path().join("bus.db")).unwrap(), "kept");
}

#[tokio::test]
async fn every_option_has_a_variable_and_is_in_the_readme() {
    let output = hookyard().arg("--help").output().await.unwrap();
    let help = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success());
    let readme = include_str!("../../../../README.md");
    let variables: Vec<&str> = help.split("[env: ").skip(1).filter_map(|text| text.split(['=', ']']).next()).collect();
    assert_eq!(variables.len(), help.matches("\n      --").count(), "{help}");
    for variable in variables {
        let option = variable.strip_prefix("HOOKYARD_").unwrap().to_lowercase().replace('_', "-");
        assert!(help.contains(&format!("--{option}")), "{variable}: {help}");
        assert!(readme.contains(&format!("| `--{option}` | `{variable}` | ")), "the README has no row for --{option}");
    }
}

#[tokio::test]
async fn every_option_can_come_from_the_environment() {
    let data = tempdir().unwrap();
    let mut process = hookyard();
    process.env("HOOKYARD_LISTEN", "127.0.0.1:0").env("HOOKYARD_DATA", data.path().join("here"));
    process.env("HOOKYARD_LOG", "hookyard=info");
    process.env("HOOKYARD_DYNAMODB_PORT", "not a port");
    let output = process.output().await.unwrap();
    assert!(!output.status.success());
    assert!(String::from_utf8(output.stderr).unwrap().contains("--dynamodb-port"));
}

#[tokio::test]
async fn a_level_of_the_log_that_is_misspelt_is_refused() {
    for filter in ["wran", "foo", "hookyard=debg", "hookyard", "no such=level=at all"] {
        let data = tempdir().unwrap();
        let mut process = hookyard();
        process.arg("doctor").arg("--data").arg(data.path()).args(["--log", filter]);
        let output = process.output().await.unwrap();
        let message = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && message.contains("`target=level` pairs"), "{filter}: {message}");
    }
}

#[tokio::test]
async fn access_tokens_that_would_be_valid_for_no_second_or_more_than_an_hour_are_refused() {
    for seconds in ["0", "3601"] {
        let data = tempdir().unwrap();
        let mut process = hookyard();
        process.arg("--data").arg(data.path()).args(["--access-token-seconds", seconds]);
        let output = process.output().await.unwrap();
        let message = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && message.contains("1..=3600"), "{seconds}: {message}");
    }
}

#[tokio::test]
async fn requests_without_a_token_are_refused_with_a_code() {
    let data = tempdir().unwrap();
    let hookyard = Hookyard::start(&data).await;
    for path in ["/channels", "/dispatchers/v1/", "/tasks/v1/", "/runs/x", "/callbacks/x", "/clients"] {
        let response = hookyard.client.get(format!("{}{path}", hookyard.url)).send().await.unwrap();
        assert_eq!(response.status(), 401, "{path}");
        assert_eq!(response.json::<serde_json::Value>().await.unwrap()["code"], 104, "{path}");
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
    let tables = calls["units"].as_object().unwrap().values().flat_map(|tables| tables.as_object().unwrap().values());
    let written: f64 = tables.map(|units| units["write"].as_f64().unwrap()).sum();
    assert!(written >= 1.0, "{calls}");
    assert_eq!(hookyard.get("/_local/dead-letters").await, json!([]));
}

#[tokio::test]
async fn pages_of_the_origins_that_are_named_may_call_and_read_errors_too() {
    let data = tempdir().unwrap();
    let origins = ["--cors-origin", "https://app.example.com", "--cors-origin", "http://localhost:3000"];
    let open = Hookyard::start_with(data.path(), &origins).await;
    let ask = async |hookyard: &Hookyard, method: &str, path: &str, origin: &str, body: usize| {
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        let request = hookyard.client.request(method, format!("{}{path}", hookyard.url)).header("origin", origin);
        let request = request.header("access-control-request-method", "PUT");
        let request = request.header("access-control-request-headers", "authorization,content-type,x-user-agent");
        let request = request.header("content-type", "application/json").body("x".repeat(body));
        let response = request.send().await.unwrap();
        let header = |name: &str| response.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
        let allowed = header("access-control-allow-headers").unwrap_or_default();
        (response.status().as_u16(), header("access-control-allow-origin"), allowed)
    };
    let app = "https://app.example.com";
    let (status, origin, headers) = ask(&open, "OPTIONS", "/dispatchers/v1/", app, 0).await;
    assert_eq!((status, origin.as_deref()), (200, Some(app)));
    for header in ["authorization", "content-type", "x-user-agent", "idempotency-key", "x-tenant-id"] {
        assert!(headers.contains(header), "{headers}");
    }
    for (path, method, body, expected) in [
        ("/dispatchers/v1/", "GET", 0, 401),
        ("/nothing", "GET", 0, 404),
        ("/auth/v2/oauth2/tokens", "POST", 2 * 1024 * 1024, 413),
        ("/openapi.json", "GET", 0, 200),
    ] {
        let (status, origin, _) = ask(&open, method, path, "http://localhost:3000", body).await;
        assert_eq!((status, origin.as_deref()), (expected, Some("http://localhost:3000")), "{path}");
        assert_eq!(ask(&open, method, path, "https://evil.example.com", body).await.1, None, "{path}");
    }
    assert_eq!(ask(&open, "OPTIONS", "/dispatchers/v1/", "https://app.example.com.evil.test", 0).await.1, None);
    open.terminate().await;

    let closed = Hookyard::start(&data).await;
    for method in ["OPTIONS", "GET"] {
        assert_eq!(ask(&closed, method, "/dispatchers/v1/", app, 0).await.1, None);
    }
    let refused = hookyard().args(["--cors-origin", "https://app.example.com/path"]).output().await.unwrap();
    assert!(!refused.status.success());
    assert!(String::from_utf8(refused.stderr).unwrap().contains("an origin is a scheme, a host"));
}

#[tokio::test]
async fn the_doctor_names_the_rows_that_cannot_be_read() {
    let data = tempdir().unwrap();
    let server = Hookyard::start(&data).await;
    server.function("f", "export function main() {}").await;
    server.channel().await;
    server.post("/tasks/v1/", &json!({"functionName": "f"})).await;
    let created = server.dispatcher("f", json!([{"type": "task", "name": "f", "functionName": "f"}])).await;
    let tasks = |list: &serde_json::Value| list["data"][0]["status"] == "complete";
    server.wait_for("/tasks/v1/", tasks).await;
    server.terminate().await;
    let doctor = async |arguments: &[&str]| {
        let output = hookyard().args(["--data"]).arg(data.path()).args(arguments).output().await.unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.success(), text(output.stdout), text(output.stderr))
    };
    let healthy = doctor(&["doctor"]).await;
    assert_eq!((healthy.0, healthy.1.as_str()), (true, "Every row can be read\n"), "{}", healthy.2);
    assert_eq!(doctor(&["doctor", "--json"]).await.1, "");

    {
        let world = World::builder().function("DispatcherFunction", dispatcher::function).directory(data.path());
        let world = world.open().await;
        let mut row =
            world.items("DISPATCHERS_TABLE").await.into_iter().find(|row| row.get("definition").is_some()).unwrap();
        row["definition"] = "{".into();
        world.table("DISPATCHERS_TABLE").put(&row).await.unwrap();
        world.emulator.stop().await;
    }
    let (is_success, named, message) = doctor(&["doctor"]).await;
    assert!(!is_success && named.contains("dispatcherId=") && named.contains("cannot be read"), "{named}");
    assert!(message.contains("1 rows cannot be read"), "{message}");
    let row: serde_json::Value = serde_json::from_str(&doctor(&["doctor", "--json"]).await.1).unwrap();
    assert!(row["item"].as_str().unwrap().contains(created["id"].as_str().unwrap()), "{row}");
    let output = hookyard().args(["doctor", "--data", "/nowhere/at/all"]).output().await.unwrap();
    assert!(!output.status.success() && String::from_utf8(output.stderr).unwrap().contains("--data"));
}

#[tokio::test]
async fn the_local_pages_are_for_those_who_may_do_everything() {
    let data = tempdir().unwrap();
    let hookyard = Hookyard::start(&data).await;
    for (tenant, permissions, expected) in [
        ("default", json!(["*"]), 200),
        ("default", json!(["VIEW_RUNS", "VIEW_EVENTS"]), 401),
        ("acme", json!(["*"]), 401),
    ] {
        let body = json!({"name": "c", "permissions": permissions, "tenantId": tenant});
        let created = hookyard.post("/clients", &body).await;
        let text = |name: &str| created[name].as_str().expect("a client has credentials").to_owned();
        let credentials = Credentials { client_id: text("clientId"), client_secret: text("clientSecret") };
        let mut client = Client::new(&hookyard.url).unwrap();
        client.sign_in(&credentials).await.unwrap();
        for path in ["/_local/aws-calls", "/_local/dead-letters"] {
            let status = client.exchange(&Request::get(path)).await.unwrap().status;
            assert_eq!(status, expected, "{tenant} {permissions} {path}");
        }
    }
    let unknown = ["/_local/unheard-of", "/_local/aws-calls/more"];
    for path in ["/_local/aws-calls", "/_local/dead-letters"].into_iter().chain(unknown) {
        for method in [reqwest::Method::GET, reqwest::Method::DELETE, reqwest::Method::POST] {
            let request = hookyard.client.request(method.clone(), format!("{}{path}", hookyard.url));
            let response = request.send().await.unwrap();
            assert_eq!(response.status(), 401, "{method} {path}");
            assert_eq!(response.json::<serde_json::Value>().await.unwrap()["code"], 104, "{method} {path}");
        }
    }
}
