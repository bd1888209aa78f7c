//! The examples of the README and of the pages beside it, run in order as their reader would.

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use harness::server::{Answer, Server};
use serde_json::json;
use tempfile::tempdir;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use crate::process::Hookyard;

const README: &str = include_str!("../../../../README.md");
const AUTH: &str = include_str!("../../../../docs/auth.md");
const PLATFORMS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/platforms");
/// All pages; only the glossary has no examples.
const DOCS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs");
/// What stands in the pages for the API of somebody else.
const OTHER_API: &str = "https://crm.example.com";
const ALL_RAN: &str = "all examples ran";

/// Returns the blocks marked `sh`; what is marked `console` cannot run in a test.
///
/// A block in a list is indented, all its lines alike.
fn examples(page: &str) -> Vec<String> {
    let mut examples = Vec::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        let Some(indent) = line.strip_suffix("```sh").filter(|indent| indent.trim().is_empty()) else { continue };
        let block = lines.by_ref().take_while(|line| line.trim() != "```");
        examples.push(block.map(|line| line.strip_prefix(indent).unwrap_or(line).to_owned() + "\n").collect());
    }
    examples
}

/// Returns the README's example that defines what all others use.
fn preamble() -> String {
    examples(README).into_iter().find(|example| example.starts_with("BASE=")).expect("the README defines BASE")
}

/// Runs examples against a server, each one after the other in the same shell.
async fn run(hookyard: &Hookyard, data: &Path, examples: &[String]) -> Output {
    let examples = examples
        .concat()
        .replace("http://127.0.0.1:8787", &hookyard.url)
        .replace(".hookyard/admin.json", &data.join("admin.json").to_string_lossy());
    // An answer that is an error fails the example, as it would disappoint its reader.
    let script = format!(
        "set -euo pipefail\ncurl() {{ command curl --fail-with-body \"$@\"; }}\n{examples}\necho \"{ALL_RAN}\"\n"
    );
    let mut shell = Command::new("bash")
        .current_dir(data)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    shell.stdin.take().unwrap().write_all(script.as_bytes()).await.unwrap();
    shell.wait_with_output().await.unwrap()
}

fn check(page: &str, output: &Output) {
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && out.trim_end().ends_with(ALL_RAN), "{page}: {out}\n{err}");
}

#[tokio::test]
async fn every_example_of_the_readme_runs() {
    let data = tempdir().unwrap();
    let hookyard = Hookyard::start_with(data.path(), &["--allow-cidr", "127.0.0.0/8"]).await;
    let other = Server::start(|_| Answer::ok(json!({"ok": true}))).await;
    let examples = examples(&README.replace(OTHER_API, &other.url()));
    assert!(examples.iter().any(|example| example.contains("/webhooks/")), "the examples are found");
    check("README.md", &run(&hookyard, data.path(), &examples).await);
}

#[tokio::test]
async fn every_example_of_the_pages_runs_after_the_readmes_first() {
    let other = Server::start(|_| Answer::ok(json!({"ok": true}))).await;
    let mut pages = 0;
    for path in pages_in(Path::new(DOCS)) {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let mut all = vec![preamble()];
        all.extend(examples(&std::fs::read_to_string(&path).unwrap().replace(OTHER_API, &other.url())));
        assert!(all.len() > 1, "{name} has examples");
        let data = tempdir().unwrap();
        let hookyard = Hookyard::start_with(data.path(), &["--allow-cidr", "127.0.0.0/8"]).await;
        check(&name, &run(&hookyard, data.path(), &all).await);
        pages += 1;
    }
    assert!(pages > 10, "the pages are found");
}

/// The pages of a folder and of the folders in it.
fn pages_in(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let pages = entries.flat_map(|path| if path.is_dir() { pages_in(&path) } else { vec![path] });
    pages.filter(|path| !path.ends_with("glossary.md")).collect()
}

#[tokio::test]
async fn every_example_of_the_page_about_signing_in_runs() {
    let data = tempdir().unwrap();
    let hookyard = Hookyard::start(&data).await;
    let examples: Vec<String> = [preamble()].into_iter().chain(examples(AUTH)).collect();
    check("auth.md", &run(&hookyard, data.path(), &examples).await);
}

#[tokio::test]
async fn every_platform_has_a_page_and_the_readme_leads_to_it() {
    let data = tempdir().unwrap();
    let hookyard = Hookyard::start(&data).await;
    let platforms = hookyard.get("/platforms").await;
    for platform in platforms.as_array().unwrap() {
        let name = platform["platform"].as_str().unwrap();
        assert!(Path::new(PLATFORMS).join(format!("{name}.md")).is_file(), "{name} has a page");
        assert!(README.contains(&format!("[`{name}`](docs/platforms/{name}.md)")), "the README leads to {name}");
    }
}

/// The walk names a file, and then the functions in it; a short name is that of a file beside the last.
#[test]
fn the_walk_through_one_webhook_names_files_and_functions_that_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let (_, walk) = README.split_once("### One webhook, step by step").unwrap();
    let (walk, _) = walk.split_once("\n### ").unwrap();
    let mut folder = root.clone();
    let mut text = String::new();
    let mut named = 0;
    for name in walk.split('`').skip(1).step_by(2) {
        if name.ends_with(".rs") {
            let file = if root.join(name).exists() { root.join(name) } else { folder.join(name) };
            text = std::fs::read_to_string(&file).unwrap_or_else(|_| panic!("{name} does not exist"));
            if name.contains("/src/") {
                let (krate, _) = name.split_once("/src/").unwrap();
                folder = root.join(krate).join("src");
            }
        } else if name.chars().all(|char| char.is_ascii_alphanumeric() || "_:".contains(char)) {
            let function = name.rsplit("::").next().unwrap();
            let is_there = text.contains(&format!("fn {function}"));
            let is_rule = include_str!("../../../../template.yaml")
                .contains(&format!("\n  {function}:\n    Type: AWS::Events::Rule\n"));
            assert!(is_there || is_rule || name == "step", "{name} is not where the walk says");
            named += usize::from(is_there);
        }
    }
    assert!(named > 15, "{named}");
}
