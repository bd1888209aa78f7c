//! What scripts get from the classes and functions of Node.js: what Node.js itself gives.
//!
//! `tests/node/expressions.mjs` has the expressions. What Node.js makes of them is written by
//!
//! ```sh
//! node --no-warnings functions/task/tests/node/generate.mjs > functions/task/tests/node/expected.jsonl
//! ```

use super::*;

const EXPECTED: &str = include_str!("../../node/expected.jsonl");
const GENERATOR: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/node/generate.mjs");
/// How many expressions one script evaluates.
const BATCH: usize = 25;

/// A group, an expression and its value in Node.js.
type Expectation = (String, String, String);

/// The version of Node.js and the common source, then the expressions.
fn expected() -> ((String, String), Vec<Expectation>) {
    let mut lines = EXPECTED.lines();
    let head = serde_json::from_str(lines.next().unwrap()).unwrap();
    (head, lines.map(|line| serde_json::from_str(line).unwrap()).collect())
}

async fn evaluated(common: &str, batch: &[Expectation]) -> Vec<String> {
    let expressions = json!(batch.iter().map(|(group, expression, _)| (group, expression)).collect::<Vec<_>>());
    let source = format!(
        "globalThis.require = require; {common} module.exports = async () => {{
            const out = []; for (const [group, expression] of {expressions}) out.push(await outcome(group, expression)); return out;
        }}"
    );
    let limits = Limits { result_bytes: 4 * 1024 * 1024, time: Duration::from_secs(120), ..Limits::default() };
    let report = report(Script { limits, ..script(&source) }).await;
    let values = report.result.unwrap_or_else(|error| panic!("{expressions}: {error:?}"));
    serde_json::from_value(values).unwrap()
}

#[tokio::test]
async fn expressions_have_the_values_that_they_have_in_node() {
    let ((_, common), expressions) = expected();
    let (mut differences, mut refused) = (Vec::new(), Vec::new());
    for batch in expressions.chunks(BATCH) {
        for ((group, expression, expected), value) in batch.iter().zip(evaluated(&common, batch).await) {
            match value.as_str() {
                "throws NotSupported" => refused.push((group.as_str(), expression)),
                value if value != expected => {
                    differences.push(format!("{expression}\n    Node.js: {expected}\n    sandbox: {value}"));
                }
                _ => {}
            }
        }
    }
    assert!(differences.is_empty(), "{} differences:\n{}", differences.len(), differences.join("\n"));
    let languages = refused.iter().filter(|(group, _)| *group == "locale").count();
    assert!(languages > 0 && refused.len() <= languages + 1, "{refused:?}");
}

#[test]
fn the_expected_values_are_those_of_node() {
    let ((version, _), _) = expected();
    let Ok(node) = std::process::Command::new("node").arg("--version").output() else { return };
    if String::from_utf8_lossy(&node.stdout).trim() != version {
        return;
    }
    let generated = std::process::Command::new("node").args(["--no-warnings", GENERATOR]).output().unwrap();
    assert!(generated.status.success(), "{}", String::from_utf8_lossy(&generated.stderr));
    let generated = String::from_utf8(generated.stdout).unwrap();
    for (line, expected) in generated.lines().zip(EXPECTED.lines()) {
        assert_eq!(line, expected);
    }
    assert_eq!(generated.lines().count(), EXPECTED.lines().count());
}
