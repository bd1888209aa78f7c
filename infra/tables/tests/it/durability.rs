//! What was acknowledged survives crashes, power cuts and full disks.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use serde_json::json;
use tables::{Durability, Engine, EngineError};

use crate::child::Process;
use crate::support::{TABLE, ask, create, done, open, put, sort_keys};

fn file(folder: &tempfile::TempDir) -> PathBuf {
    folder.path().join("tables.db")
}

#[test]
fn what_was_acknowledged_survives_a_kill_in_the_middle_of_writes() {
    for durability in [Durability::Process, Durability::Power] {
        let folder = tempfile::tempdir().unwrap();
        create(&open(Some(&file(&folder))));
        let mut acknowledged = BTreeSet::new();
        for round in 0..3 {
            let mut process = Process::start(&file(&folder), durability);
            process.write(round * 100_000);
            acknowledged.extend((0..200).map(|_| process.heard().as_u64().unwrap()));
            process.kill();
            let [table, index] = sort_keys(&open(Some(&file(&folder))));
            let pairs: Vec<&[String]> = table.chunks(2).collect();
            let is_pair = |pair: &&[String]| pair.len() == 2 && pair[0][..6] == pair[1][..6];
            assert!(pairs.iter().all(is_pair), "a transaction is there as a whole");
            let found: BTreeSet<u64> = pairs.iter().map(|pair| pair[0][..6].parse().unwrap()).collect();
            let lost: Vec<&u64> = acknowledged.difference(&found).collect();
            assert!(lost.is_empty(), "{durability:?}, round {round}: {lost:?} are lost");
            assert_eq!(index, table, "the index has what the table has");
        }
    }
}

/// A file with fifty items, each of which was acknowledged before the next one was sent, as a power cut leaves it behind.
struct Left {
    main: Vec<u8>,
    log: Vec<u8>,
}

impl Left {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let engine = open(Some(&file(&folder)));
        create(&engine);
        for number in 0..50 {
            done(&engine, "PutItem", &put(&format!("{number:03}"), &"x".repeat(900)));
        }
        let log = fs::read(file(&folder).with_extension("db-wal")).unwrap();
        Self { main: fs::read(file(&folder)).unwrap(), log }
    }

    /// Opens a copy with these bytes; returns how many items it has.
    fn open(main: &[u8], log: &[u8]) -> usize {
        let folder = tempfile::tempdir().unwrap();
        fs::write(file(&folder), main).unwrap();
        fs::write(file(&folder).with_extension("db-wal"), log).unwrap();
        first_items(&open(Some(&file(&folder))))
    }
}

/// Asserts that the first items are there and no other, and that more can be written; returns how many.
fn first_items(engine: &Engine) -> usize {
    let [table, index] = sort_keys(engine);
    let expected: Vec<String> = (0..table.len()).map(|number| format!("{number:03}")).collect();
    assert_eq!(table, expected, "what is lost is the end");
    assert_eq!(index, table);
    done(engine, "PutItem", &put("more", "x"));
    table.len()
}

#[test]
fn a_log_that_was_torn_or_cut_loses_nothing_but_its_end() {
    let left = Left::new();
    // Before the table there is only the catalog, which is in the file itself or at the start of the log.
    let commits = |cut: usize, torn: usize| {
        let mut log = left.log[..cut].to_vec();
        let length = log.len();
        log[length.saturating_sub(torn)..].fill(0xa5);
        Left::open(&left.main, &log)
    };
    assert_eq!(commits(left.log.len(), 0), 50);
    let mut before = 50;
    for part in (20..40).rev() {
        let cut = left.log.len() * part / 40;
        let (whole, torn) = (commits(cut, 0), commits(cut, 700));
        assert!(whole <= before && torn <= whole, "{part}: {before} {whole} {torn}");
        before = whole;
    }
    assert!(before < 50 && before > 0);
    let last_torn = commits(left.log.len(), 10);
    assert_eq!(last_torn, 49, "only the write whose page was torn is lost");
}

#[test]
fn a_page_that_was_torn_while_it_was_moved_into_the_file_is_taken_from_the_log() {
    let left = Left::new();
    let (page, length) = (4096, left.main.len());
    let mut torn = left.main.clone();
    torn[length - page / 2..].fill(0xa5);
    assert_eq!(Left::open(&torn, &left.log), 50);
    assert_eq!(Left::open(&left.main[..length - page / 2], &left.log), 50);
}

#[test]
fn a_full_disk_is_an_error_that_loses_nothing_and_passes() {
    for durability in [Durability::Process, Durability::Power] {
        let folder = tempfile::tempdir().unwrap();
        create(&open(Some(&file(&folder))));
        let mut process = Process::start(&file(&folder), durability);
        let mut acknowledged = Vec::new();
        let put = |number: usize| (format!("{number:03}"), put(&format!("{number:03}"), &"x".repeat(20_000)));
        let mut write = |process: &mut Process, number: usize| {
            let (key, request) = put(number);
            let status = process.ask("PutItem", &request);
            acknowledged.extend((status == 200).then_some(key));
            status
        };
        for number in 0..5 {
            assert_eq!(write(&mut process, number), 200);
        }
        let log = fs::metadata(file(&folder).with_extension("db-wal")).unwrap().len();
        process.limit(Some(log + 60_000));
        let statuses: Vec<u16> = (5..15).map(|number| write(&mut process, number)).collect();
        assert_eq!((statuses[0], statuses[9]), (200, 500), "{statuses:?}");
        assert!(statuses.is_sorted() && statuses.iter().all(|status| [200, 500].contains(status)), "{statuses:?}");
        let key = json!({"pk": {"S": "p"}, "sk": {"S": "000"}});
        assert_eq!(process.ask("GetItem", &json!({"TableName": TABLE, "Key": key})), 200, "what is there can be read");
        process.limit(None);
        for number in 15..20 {
            assert_eq!(write(&mut process, number), 200, "there is room again");
        }
        process.kill();
        let [table, index] = sort_keys(&open(Some(&file(&folder))));
        assert_eq!(table, acknowledged, "{durability:?}");
        assert_eq!(index, acknowledged);
    }
}

#[test]
fn a_file_of_something_else_is_refused_and_not_touched() {
    let folder = tempfile::tempdir().unwrap();
    let other = dynoxide::Database::new(file(&folder).to_str().unwrap()).unwrap();
    drop(other);
    let before = fs::read(file(&folder)).unwrap();
    let refused = Engine::open(Some(&file(&folder)), Durability::Process, std::sync::Arc::new(|| 0)).unwrap_err();
    assert!(matches!(refused, EngineError::Layout), "{refused}");
    assert!(refused.to_string().contains("another version"));
    assert_eq!(fs::read(file(&folder)).unwrap(), before);
}

#[test]
fn an_item_that_is_damaged_in_the_file_is_read_as_its_key_alone_and_harms_no_other() {
    let damages: [&dyn rusqlite::ToSql; 6] = [
        &"{\"pk\":{\"S\":\"p\"},\"sk\":{\"S\":\"b ,\"text\":{}}",
        &"{\"pk\":{\"S\":\"p\"",
        &"",
        &"[]",
        &7,
        &b"{\xff}".as_slice(),
    ];
    for damage in damages {
        let folder = tempfile::tempdir().unwrap();
        let engine = open(Some(&file(&folder)));
        create(&engine);
        ["a", "b", "c"].iter().for_each(|sk| drop(done(&engine, "PutItem", &put(sk, "x"))));
        engine.close();
        let connection = rusqlite::Connection::open(file(&folder)).unwrap();
        let id: i64 = connection.query_row("SELECT id FROM tables", [], |row| row.get(0)).unwrap();
        let changed =
            connection.execute(&format!("UPDATE t{id} SET item = ?1 WHERE sk = ?2"), rusqlite::params![damage, b"b"]);
        assert_eq!(changed, Ok(1));
        drop(connection);

        let engine = open(Some(&file(&folder)));
        let key = json!({"pk": {"S": "p"}, "sk": {"S": "b"}});
        assert_eq!(done(&engine, "GetItem", &json!({"TableName": TABLE, "Key": key}))["Item"], key);
        assert_eq!(sort_keys(&engine)[0], ["a", "b", "c"]);
        let read = |sk: &str| json!({"Statement": format!("SELECT * FROM {TABLE} WHERE pk = 'p' AND sk = '{sk}'")});
        let both = done(&engine, "BatchExecuteStatement", &json!({"Statements": [read("a"), read("b")]}));
        assert_eq!((&both["Responses"][0]["Item"]["text"]["S"], &both["Responses"][1]["Item"]), (&json!("x"), &key));
        let filtered = json!({
            "TableName": TABLE, "KeyConditionExpression": "pk = :p", "FilterExpression": "color = :r",
            "ExpressionAttributeValues": {":p": {"S": "p"}, ":r": {"S": "red"}},
        });
        assert_eq!(done(&engine, "Query", &filtered)["Count"], 2);
        done(&engine, "PutItem", &put("b", "again"));
        assert_eq!(done(&engine, "GetItem", &json!({"TableName": TABLE, "Key": key}))["Item"]["text"]["S"], "again");
    }
}

#[test]
fn a_request_that_panics_fails_alone() {
    let panics = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(true));
    let clock = panics.clone();
    let now = move || {
        assert!(!clock.load(std::sync::atomic::Ordering::Relaxed), "the clock is broken");
        1_700_000_000
    };
    let engine = Engine::open(None, Durability::Power, std::sync::Arc::new(now)).unwrap();
    let table = json!({
        "TableName": TABLE, "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
    });
    let (status, body) = ask(&engine, "CreateTable", &table);
    assert_eq!((status, body["__type"].as_str().unwrap().split('#').next_back()), (500, Some("InternalServerError")));
    panics.store(false, std::sync::atomic::Ordering::Relaxed);
    done(&engine, "CreateTable", &table);
    done(&engine, "PutItem", &json!({"TableName": TABLE, "Item": {"pk": {"S": "a"}}}));
}
