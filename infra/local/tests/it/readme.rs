//! The README's examples, run in order as its reader would.

use std::process::Stdio;

use tempfile::tempdir;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use crate::process::Hookyard;

const README: &str = include_str!("../../../../README.md");

/// Returns the blocks marked `sh`; what is marked `console` cannot run in a test.
fn examples() -> String {
    let blocks = README.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap_or_default());
    blocks.collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn every_example_of_the_readme_runs() {
    let data = tempdir().unwrap();
    let hookyard = Hookyard::start_with(data.path(), &["--allow-cidr", "127.0.0.0/8"]).await;
    let admin = data.path().join("admin.json");
    let examples = examples()
        .replace("http://127.0.0.1:8787", &hookyard.url)
        .replace(".hookyard/admin.json", &admin.to_string_lossy());
    assert!(examples.contains("/webhooks/"), "the examples are found");
    // An answer that is an error fails the example, as it would disappoint its reader.
    let script = format!(
        "set -euo pipefail\ncurl() {{ command curl --fail-with-body \"$@\"; }}\n{examples}\necho \"all examples ran\"\n"
    );
    let mut shell =
        Command::new("bash").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    shell.stdin.take().unwrap().write_all(script.as_bytes()).await.unwrap();
    let output = shell.wait_with_output().await.unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && out.trim_end().ends_with("all examples ran"), "{out}\n{err}");
}
