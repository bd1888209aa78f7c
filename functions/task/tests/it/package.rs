//! Functions whose code is a package.

use serde_json::{Value, json};

use crate::support::{World, noise, package, task_id};

/// More than the SDK tries by itself.
const TOO_OFTEN: u32 = 3;

/// A vendored module of 350 KB.
fn vendored() -> Vec<u8> {
    let mut text = String::from("exports.table = {\n");
    for number in 0.. {
        if text.len() > 350 * 1024 {
            break;
        }
        text += &format!("  key{number}: {{ name: 'name {number}', value: {number} }},\n");
    }
    text += "};\nexports.size = Object.keys(exports.table).length;\n";
    text.into_bytes()
}

async fn create(world: &World, name: &str, code: &str) {
    let body = json!({"name": name, "code": code, "entryPoint": "index.handler", "runtime": "nodejs20.x"});
    let created = world.post("/tasks/v1/functions/", body).await;
    assert_eq!((created.status, &created.body["code"]), (200, &json!(code)), "{}", created.body["message"]);
}

/// What a new function with this code is refused with.
async fn refused(world: &World, code: &str) -> String {
    let answer = world.post("/tasks/v1/functions/", json!({"name": "refused", "code": code})).await;
    assert_eq!((answer.status, &answer.body["code"]), (400, &json!(1401)), "{}", answer.body);
    assert_eq!(world.get("/tasks/v1/functions/refused").await.status, 404);
    answer.body["message"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn two_files_and_a_large_vendored_module_run() {
    let world = World::new().await;
    let code = package(&[
        (
            "index.js",
            b"const { double } = require('./lib/double'); const { size, table } = require('vendored');
            exports.handler = async (task) => [double(21), size > 5000, table.key7.value, task.functionVersion]",
        ),
        ("lib/double.js", b"exports.double = (n) => n * 2"),
        ("node_modules/vendored/package.json", b"{\"name\": \"vendored\", \"main\": \"index.js\"}"),
        ("node_modules/vendored/index.js", &vendored()),
    ]);
    create(&world, "f", &code).await;
    assert_eq!(world.outcome("a", "f").await, json!([42, true, 7, 1]));
    let task = world.get(&format!("/tasks/v1/{}", task_id("a"))).await.body;
    assert_eq!((&task["status"], &task["functionVersion"]), (&json!("complete"), &json!(1)));
    world.restart();
    assert_eq!(world.get("/tasks/v1/functions/f").await.body["code"], code);
    assert_eq!(world.outcome("b", "f").await, json!([42, true, 7, 1]));
    let record = &world.items("FUNCTIONS_TABLE").await[0];
    assert!(record.to_string().len() < 1_000, "{record}");
}

#[tokio::test]
async fn a_package_of_modules_runs() {
    let world = World::new().await;
    let code = package(&[
        ("package.json", b"{\"type\": \"module\"}"),
        (
            "index.js",
            b"import { name } from './name.js'; import data from './data.json'; import old from 'old';
            export const handler = async () => [name, data.list, old.value, (await import('./name.js')).name]",
        ),
        ("name.js", b"export const name = 'module'"),
        ("data.json", b"{\"list\": [1, {\"a\": null}]}"),
        ("node_modules/old/index.js", b"exports.value = require('./value')"),
        ("node_modules/old/value.js", b"module.exports = 5"),
    ]);
    create(&world, "f", &code).await;
    assert_eq!(world.outcome("a", "f").await, json!(["module", [1, {"a": null}], 5, "module"]));
}

#[tokio::test]
async fn packages_of_many_parts_are_stored_whole() {
    let world = World::new().await;
    let code = package(&[("index.js", b"exports.handler = () => 'large'"), ("data.bin", &noise(3_500_000))]);
    create(&world, "f", &code).await;
    assert_eq!(world.parts().await.len(), 10);
    world.restart();
    assert_eq!(world.outcome("a", "f").await, json!("large"));
    assert_eq!(world.get("/tasks/v1/functions/f").await.body["code"], code);
    let text: String = (0..60_000).map(|number| format!("// line {number}\n")).collect();
    let text = format!("{text}exports.main = () => 'text'");
    let changed = world.put("/tasks/v1/functions/f", json!({"code": text, "entryPoint": "main"})).await;
    assert_eq!(changed.status, 200, "{}", changed.body);
    world.restart();
    assert_eq!(world.outcome("b", "f").await, json!("text"));
    assert_eq!(world.get("/tasks/v1/functions/f").await.body["code"], text);
}

#[tokio::test]
async fn packages_that_cannot_run_are_refused_and_say_why() {
    let world = World::new().await;
    let check = async |files: &[(&str, &[u8])], expected: &str| {
        let message = refused(&world, &package(files)).await;
        assert!(message.contains(expected), "{message}");
    };
    let list = "a script can import assert, ";
    check(
        &[("index.js", b"const x = require('left-pad');\nexports.handler = () => 1")],
        "'left-pad' that /index.js needs",
    )
    .await;
    check(&[("index.js", b"const x = require('left-pad');\nexports.handler = () => 1")], list).await;
    check(
        &[("index.mjs", b"import x from 'left-pad'; export const handler = () => 1")],
        "'left-pad' that /index.mjs needs",
    )
    .await;
    check(&[("index.mjs", b"export * from './gone.js'")], "'./gone.js'").await;
    check(&[("index.js", b"exports.handler = (")], "/index.js:").await;
    check(&[("other.js", b"exports.handler = () => 1")], "no file `index.js`").await;
    check(&[("fn/index.js", b"exports.handler = () => 1")], "but a file `fn/index.js`").await;
    check(&[("index.js", b""), ("../evil.js", b"")], "`../evil.js` leads out").await;
    check(&[("index.js", b""), ("bomb.txt", &vec![0; 5 * 1024 * 1024 + 1])], "5 MB with the file `bomb.txt`").await;
    let code = package(&[("index.js", b"exports.handler = () => 1")]);
    assert!(refused(&world, &code[..code.len() - 40]).await.contains("archive"));
    assert!(refused(&world, &format!("{code}%")).await.contains("base64"));
    let large = package(&[("index.js", b""), ("a.bin", &noise(4_200_000))]);
    assert!(refused(&world, &large).await.contains("at most 4194304 bytes"));
    let larger = world.post("/tasks/v1/functions/", json!({"name": "f", "code": "x".repeat(6_100_000)})).await;
    assert_eq!(larger.status, 413, "{}", larger.body);
    assert!(world.parts().await.is_empty());
    let entry_point = json!({"name": "f", "code": code, "entryPoint": "src/app.handler"});
    let answer = world.post("/tasks/v1/functions/", entry_point).await;
    assert!(answer.body["message"].as_str().unwrap().contains("no file `src/app.js`"), "{}", answer.body);
    create(&world, "f", &code).await;
    let answer = world.put("/tasks/v1/functions/f", json!({"entryPoint": "app.handler"})).await;
    assert!(answer.body["message"].as_str().unwrap().contains("no file `app.js`"), "{}", answer.body);
    assert_eq!(world.put("/tasks/v1/functions/f", json!({"description": "d"})).await.status, 200);
}

#[tokio::test]
async fn a_compressed_body_may_be_as_large_as_a_plain_one() {
    let world = World::new().await;
    let code = package(&[("index.js", b"exports.handler = () => 1"), ("data.bin", &noise(1_500_000))]);
    let body = json!({"name": "f", "code": code}).to_string();
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut encoder, body.as_bytes()).unwrap();
    let token = world.token("default", &["CREATE_TASK_FUNCTION"]).await;
    let request = harness::Request::new("POST", "/tasks/v1/functions/").bearer(&token);
    let request = request.header("content-type", "application/json").header("content-encoding", "gzip");
    let answer = harness::World::send(&world, request.bytes(&encoder.finish().unwrap())).await;
    assert_eq!(answer.status, 200, "{}", answer.body["message"]);
}

#[tokio::test]
async fn code_is_there_before_its_function_and_what_a_crash_leaves_is_removed() {
    let world = World::new().await;
    let code = package(&[("index.js", b"exports.handler = () => 1"), ("data.bin", &noise(500_000))]);
    create(&world, "first", &code).await;
    let kept = world.parts().await;
    world.emulator.throttle("dynamodb.TransactWriteItems", TOO_OFTEN);
    let body = json!({"name": "second", "code": code});
    assert_eq!(world.post("/tasks/v1/functions/", body.clone()).await.status, 503);
    assert_eq!(world.get("/tasks/v1/functions/second").await.status, 404);
    assert_eq!(world.parts().await.len(), 2 * kept.len());
    // A process that dies between two parts leaves one of them.
    world.emulator.pass("dynamodb.PutItem", 2);
    world.emulator.throttle("dynamodb.PutItem", TOO_OFTEN);
    assert_eq!(world.post("/tasks/v1/functions/", body.clone()).await.status, 503);
    assert_eq!(world.parts().await.len(), 2 * kept.len() + 1);
    assert_eq!(world.get("/tasks/v1/functions/second").await.status, 404);
    world.clock.advance(jiff::SignedDuration::from_mins(61));
    let large: String = noise(10_000).iter().map(|byte| format!("// {byte}\n")).collect();
    world
        .put(
            "/tasks/v1/functions/first",
            json!({"code": format!("{large}exports.index = {{ handler: () => 2 }}; exports.handler = () => 2")}),
        )
        .await;
    let parts = world.parts().await;
    assert_eq!(parts.iter().filter(|part| kept.contains(part)).count(), kept.len());
    assert_eq!(parts.len(), kept.len() + 1, "{parts:?}");
    assert_eq!(world.outcome("a", "first").await, json!(2));
    assert_eq!(world.post("/tasks/v1/functions/", body).await.status, 200);
    for name in ["first", "second"] {
        assert_eq!(world.delete(&format!("/tasks/v1/functions/{name}")).await.status, 200);
    }
    assert_eq!(world.parts().await, Vec::<String>::new());
    assert_eq!(world.items("FUNCTION_VERSIONS_TABLE").await, Vec::<Value>::new());
}

#[tokio::test]
async fn a_reply_that_is_lost_loses_no_code() {
    let world = World::new().await;
    let code = package(&[("index.js", b"exports.handler = () => 1")]);
    world.emulator.lose_reply("dynamodb.TransactWriteItems", 1);
    create(&world, "f", &code).await;
    assert_eq!(world.outcome("a", "f").await, json!(1));
    let other = package(&[("index.js", b"exports.handler = () => 2")]);
    world.emulator.lose_reply("dynamodb.TransactWriteItems", 1);
    assert_eq!(world.put("/tasks/v1/functions/f", json!({"code": other})).await.status, 200);
    assert_eq!(world.outcome("b", "f").await, json!(2));
    assert_eq!(world.get("/tasks/v1/functions/f").await.body["version"], 2);
    let taken = world.post("/tasks/v1/functions/", json!({"name": "f", "code": code})).await;
    assert_eq!(taken.body["code"], 17);
    assert_eq!(world.outcome("c", "f").await, json!(2));
}
