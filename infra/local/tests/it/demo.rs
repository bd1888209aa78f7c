//! The demo, and that what it prints can be repeated.

use std::process::Stdio;

use tempfile::tempdir;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use crate::process::{Hookyard, hookyard, is_over};

#[tokio::test]
async fn the_demo_ends_with_the_whole_timeline() {
    let output = hookyard().arg("demo").output().await.unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    for part in
        ["received", "matched", "greet", "ask", "approval", "attempt 1", "Hello, octocat!", "The run succeeded."]
    {
        assert!(text.contains(part), "{part} is not in:\n{text}");
    }
}

#[tokio::test]
async fn for_programs_every_line_of_the_demo_is_json() {
    let output = hookyard().args(["demo", "--json"]).output().await.unwrap();
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.last().unwrap()["answer"]["outcome"], "succeeded");
    assert!(!text.contains("eyJ"), "no token is printed");
}

#[tokio::test]
async fn the_printed_commands_do_the_same_against_a_server() {
    let output = hookyard().arg("demo").output().await.unwrap();
    let demo = String::from_utf8(output.stdout).unwrap();
    let data = tempdir().unwrap();
    let hookyard = Hookyard::start(&data).await;
    let admin = data.path().join("admin.json");
    let commands = demo.split("\nTimeline of event").next().unwrap();
    let commands = commands
        .replace("http://127.0.0.1:8787", &hookyard.url)
        .replace(".hookyard/admin.json", &admin.to_string_lossy());
    let script = format!("set -eu\n{commands}\necho; echo \"event $EVENT\"\n");
    let mut shell = Command::new("bash").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    shell.stdin.take().unwrap().write_all(script.as_bytes()).await.unwrap();
    let output = shell.wait_with_output().await.unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let event = text.lines().last().unwrap().strip_prefix("event ").expect(&text).to_owned();
    let run = hookyard.wait_for_run(&event, is_over).await;
    assert_eq!(run["outcome"], "succeeded", "{run:#}");
}
