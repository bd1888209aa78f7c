//! `hookyard apps import`, as a developer uses it.

use std::path::Path;
use std::process::Output;

use serde_json::Value;
use tempfile::tempdir;

use crate::process::{Hookyard, PATIENCE, hookyard};

const DOCUMENT: &str = "\
openapi: 3.1.0
info: {title: CRM, version: '1'}
servers: [{url: 'https://crm.example.com/v1'}]
paths:
  /contacts/{id}:
    get: {operationId: getContact}
    delete: {}
";

async fn import(running: &Hookyard, data: &Path, arguments: &[&str]) -> Output {
    let mut command = hookyard();
    command.args(["apps", "import", "--url", &running.url, "--data"]).arg(data).args(arguments);
    tokio::time::timeout(PATIENCE, command.output()).await.unwrap().unwrap()
}

#[tokio::test]
async fn a_document_is_imported_on_the_command_line() {
    let data = tempdir().unwrap();
    let running = Hookyard::start(&data).await;
    let file = data.path().join("crm.yaml");
    std::fs::write(&file, DOCUMENT).unwrap();
    let file = file.to_str().unwrap();
    let output = import(&running, data.path(), &[file]).await;
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{said}");
    let printed = String::from_utf8(output.stdout).unwrap();
    assert_eq!(printed, "Created the app CRM: 2 new actions, 0 changed, 0 as they were\n");
    assert_eq!(running.get("/apps/CRM/actions/getContact").await["resource"], "/contacts/:id");
    let output = import(&running, data.path(), &[file, "--update-if-exists", "--json"]).await;
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&answer["created"], &answer["actions"]["unchanged"]), (&Value::from(false), &Value::from(2)));

    let broken = data.path().join("broken.json");
    std::fs::write(&broken, r#"{"openapi": "3.1.0", "info": {}}"#).unwrap();
    let broken = broken.to_str().unwrap();
    for (arguments, problem) in [
        (&[file][..], "exists already"),
        (&[broken], "`/info/title` must be a string"),
        (&[file, "--tag", "a&b"], "a tag has letters"),
        (&[file, "--type", "postman"], "/info/schema"),
        (&["/nowhere.yaml"], "/nowhere.yaml: "),
    ] {
        let output = import(&running, data.path(), arguments).await;
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && said.contains(problem), "{arguments:?}: {said}");
    }
}
