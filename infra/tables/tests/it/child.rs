//! An engine in a process of its own, which can be killed.

use std::io::{BufRead as _, BufReader, Lines, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::{Value, json};
use tables::{Durability, Engine};

use crate::support::{TABLE, ask};

const FILE: &str = "TABLES_TEST_FILE";
const DURABILITY: &str = "TABLES_TEST_DURABILITY";

/// An engine in a process of its own.
pub(crate) struct Process {
    child: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
}

impl Process {
    /// Starts a process that opens a file.
    pub(crate) fn start(file: &Path, durability: Durability) -> Self {
        // A file that is too large is an error of the write then, and not the end of the process.
        let mut command = Command::new("sh");
        command.args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""]).arg(std::env::current_exe().unwrap());
        command.args(["--exact", "child::a_process_that_does_as_it_is_told", "--ignored", "--nocapture"]);
        command.env(FILE, file).env(DURABILITY, format!("{durability:?}"));
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let input = child.stdin.take().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, input, output }
    }

    fn told(&mut self, command: &Value) {
        writeln!(self.input, "{command}").unwrap();
    }

    /// Returns the next line that the process has to say.
    pub(crate) fn heard(&mut self) -> Value {
        let mut lines = self.output.by_ref().map(Result::unwrap);
        let said = lines.find_map(|line| line.split_once("said ").map(|(_, said)| said.to_owned()));
        serde_json::from_str(&said.expect("the process says something")).unwrap()
    }

    /// Asks its engine; returns the status of the answer.
    pub(crate) fn ask(&mut self, operation: &str, request: &Value) -> u16 {
        self.told(&json!([operation, request]));
        u16::try_from(self.heard().as_u64().unwrap()).unwrap()
    }

    /// Lets no file become larger than so many bytes, as a full disk does; without a limit there is room again.
    pub(crate) fn limit(&mut self, bytes: Option<u64>) {
        self.told(&json!(["limit", bytes]));
        self.heard();
    }

    /// Begins to write transactions of two items in several threads, until it is killed.
    pub(crate) fn write(&mut self, first: usize) {
        self.told(&json!(["write", first]));
    }

    /// Kills it with a signal that it cannot notice.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

#[test]
#[ignore = "is run by the tests that need another process"]
#[expect(clippy::disallowed_methods, reason = "this is a process of its own")]
fn a_process_that_does_as_it_is_told() {
    let file = PathBuf::from(std::env::var(FILE).unwrap());
    let durability =
        if std::env::var(DURABILITY).unwrap() == "Power" { Durability::Power } else { Durability::Process };
    let engine = Engine::open(Some(&file), durability, Arc::new(|| 1_700_000_000)).unwrap();
    for line in std::io::stdin().lines() {
        let command: Value = serde_json::from_str(&line.unwrap()).unwrap();
        match command[0].as_str().unwrap() {
            "limit" => {
                let current = command[1].as_u64();
                let maximum = getrlimit(Resource::Fsize).maximum;
                setrlimit(Resource::Fsize, Rlimit { current, maximum }).unwrap();
                say(&json!(true));
            }
            "write" => {
                let first = usize::try_from(command[1].as_u64().unwrap()).unwrap();
                for thread in 0..8 {
                    let engine = engine.clone();
                    std::thread::spawn(move || write(&engine, first + thread));
                }
            }
            operation => say(&json!(ask(&engine, operation, &command[1]).0)),
        }
    }
}

#[expect(clippy::print_stdout, reason = "it is how the process is heard")]
fn say(what: &Value) {
    println!("said {what}");
}

fn write(engine: &Engine, first: usize) {
    for number in (first..).step_by(8) {
        let put = |half: &str| {
            let item = json!({
                "pk": {"S": "p"}, "sk": {"S": format!("{number:06}{half}")}, "color": {"S": "red"},
                "text": {"S": "x".repeat(500)},
            });
            json!({"Put": {"TableName": TABLE, "Item": item}})
        };
        let request = json!({"TransactItems": [put("a"), put("b")]});
        if ask(engine, "TransactWriteItems", &request).0 == 200 {
            say(&json!(number));
        }
    }
}
