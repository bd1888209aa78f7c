//! Secrets from the template, over the API and on disk.

use std::os::unix::fs::PermissionsExt;

use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::error::ProvideErrorMetadata;
use emulator::{Emulator, Options};
use serde_json::Value;

use crate::support::{fixed, in_memory, on_disk, template};

#[tokio::test]
async fn the_templates_secrets_are_generated_once_and_kept_in_a_file_of_the_owner_only() {
    let folder = tempfile::tempdir().unwrap();
    let first = on_disk(folder.path(), &fixed()).await;
    let key_ring = first.secret("KeyRing").unwrap();
    let value: Value = serde_json::from_str(&key_ring).unwrap();
    assert_eq!(value["version"], 1);
    assert_eq!(value["key"].as_str().map(str::len), Some(64));
    assert_eq!(first.secret("Named").as_deref(), Some("plain"));
    assert_eq!(first.secret("Nothing"), None);
    let mode = std::fs::metadata(folder.path().join("secrets.json")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    first.stop().await;
    let second = on_disk(folder.path(), &fixed()).await;
    assert_eq!(second.secret("KeyRing"), Some(key_ring));
}

#[tokio::test]
async fn a_new_value_is_current_and_the_old_one_previous() {
    let folder = tempfile::tempdir().unwrap();
    let emulator = on_disk(folder.path(), &fixed()).await;
    let client = Client::new(&emulator.sdk_config());
    let arn = emulator.environment("TaskFunction")["KEY_RING"].clone();
    let old = client.get_secret_value().secret_id(&arn).send().await.unwrap();
    assert_eq!(old.secret_string(), emulator.secret("KeyRing").as_deref());
    assert_eq!(old.version_stages(), ["AWSCURRENT"]);
    let put = client.put_secret_value().secret_id("hookyard-KeyRing").secret_string("new");
    let put = put.send().await.unwrap();
    assert_eq!(emulator.secret("KeyRing").as_deref(), Some("new"));
    let previous = client.get_secret_value().secret_id(&arn).version_stage("AWSPREVIOUS").send();
    assert_eq!(previous.await.unwrap().secret_string(), old.secret_string());
    let by_id = client.get_secret_value().secret_id(&arn).version_id(put.version_id().unwrap());
    assert_eq!(by_id.send().await.unwrap().secret_string(), Some("new"));
    let described = client.describe_secret().secret_id(&arn).send().await.unwrap();
    assert_eq!(described.version_ids_to_stages().unwrap().len(), 2);
    drop((emulator, client));
    let again = on_disk(folder.path(), &fixed()).await;
    assert_eq!(again.secret("KeyRing").as_deref(), Some("new"));
}

#[tokio::test]
async fn an_unknown_secret_is_not_found_and_an_empty_value_refused() {
    let (emulator, _) = in_memory().await;
    let client = Client::new(&emulator.sdk_config());
    let missing = client.get_secret_value().secret_id("other").send().await.unwrap_err();
    assert!(missing.into_service_error().is_resource_not_found_exception());
    let named = || client.put_secret_value().secret_id("hookyard/named");
    let empty = named().send().await.unwrap_err();
    assert!(empty.into_service_error().is_invalid_parameter_exception());
    let token = "0123456789abcdef0123456789abcdef";
    named().client_request_token(token).secret_string("a").send().await.unwrap();
    named().client_request_token(token).secret_string("a").send().await.unwrap();
    let other = named().client_request_token(token).secret_string("b").send().await.unwrap_err();
    assert_eq!(other.into_service_error().code(), Some("ResourceExistsException"));
}

#[tokio::test]
async fn a_file_that_has_lost_a_secret_is_refused_and_never_filled_with_new_ones() {
    for damage in ["", "{}", "null", "[1", "without the key ring", "with an empty key ring"] {
        let folder = tempfile::tempdir().unwrap();
        on_disk(folder.path(), &fixed()).await.stop().await;
        let path = folder.path().join("secrets.json");
        let mut value: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        let text = match damage {
            "without the key ring" => {
                value.as_object_mut().unwrap().remove("KeyRing");
                value.to_string()
            }
            "with an empty key ring" => {
                let versions = value["KeyRing"]["versions"].as_object_mut().unwrap();
                versions.values_mut().for_each(|version| version["text"] = " ".into());
                value.to_string()
            }
            text => text.to_owned(),
        };
        std::fs::write(&path, &text).unwrap();
        let options = Options { data: Some(folder.path().to_owned()), ..Options::default() };
        let error = Emulator::open(template(), options).await.err().expect(damage).to_string();
        assert!(error.contains("`secrets.json`") && error.contains("restore"), "{damage}: {error}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), text, "{damage}");
    }
}
