//! Lists: pages in both orders, of tables and of indexes, with filters and counts.

use serde_json::{Value, json};
use tables::Engine;

use crate::support::{TABLE, create, done, open};

const ITEMS: usize = 500;

fn filled() -> Engine {
    let engine = open(None);
    create(&engine);
    let numbers: Vec<usize> = (0..ITEMS).collect();
    for chunk in numbers.chunks(25) {
        let puts: Vec<Value> = chunk
            .iter()
            .map(|number| {
                // Groups of items share a place in the index.
                let item = json!({
                    "pk": {"S": format!("p{}", number % 3)}, "sk": {"S": format!("{:04}", number / 5)},
                    "color": {"S": "red"}, "number": {"N": number.to_string()},
                    "text": {"S": "x".repeat(5_000)},
                });
                json!({"PutRequest": {"Item": item}})
            })
            .collect();
        // Items of one chunk may have the same key, which a batch refuses.
        for put in puts {
            done(&engine, "BatchWriteItem", &json!({"RequestItems": {TABLE: [put]}}));
        }
    }
    engine
}

/// Reads page by page; returns the items and the sums of what the pages counted and scanned.
fn pages(engine: &Engine, operation: &str, mut request: Value) -> (Vec<Value>, u64, u64) {
    let (mut items, mut count, mut scanned) = (Vec::new(), 0, 0);
    loop {
        let page = done(engine, operation, &request);
        items.extend(page["Items"].as_array().cloned().unwrap_or_default());
        count += page["Count"].as_u64().unwrap();
        scanned += page["ScannedCount"].as_u64().unwrap();
        if page["LastEvaluatedKey"].is_null() {
            return (items, count, scanned);
        }
        request["ExclusiveStartKey"] = page["LastEvaluatedKey"].clone();
    }
}

fn queries() -> Vec<(&'static str, Value)> {
    let values = |name: &str, more: &str| {
        let mut values = json!({":p": {"S": name}});
        if !more.is_empty() {
            values[":from"] = json!({"S": "0020"});
            values[":to"] = json!({"S": "0070"});
        }
        values
    };
    let mut queries = vec![("Scan", json!({"TableName": TABLE}))];
    queries.push(("Scan", json!({"TableName": TABLE, "IndexName": "byColor"})));
    for more in ["", " AND sk BETWEEN :from AND :to"] {
        for forward in [true, false] {
            queries.push((
                "Query",
                json!({"TableName": TABLE, "ScanIndexForward": forward,
                    "KeyConditionExpression": format!("pk = :p{more}"), "ExpressionAttributeValues": values("p1", more)}),
            ));
            queries.push((
                "Query",
                json!({"TableName": TABLE, "IndexName": "byColor", "ScanIndexForward": forward,
                    "KeyConditionExpression": format!("color = :p{more}"), "ExpressionAttributeValues": values("red", more)}),
            ));
        }
    }
    queries
}

#[test]
fn pages_of_every_size_make_up_the_whole_list() {
    let engine = filled();
    for (operation, query) in queries() {
        let (whole, count, _) = pages(&engine, operation, query.clone());
        assert!(whole.len() > 50 && whole.len() as u64 == count, "{query}");
        for limit in [1, 7, 100] {
            let mut limited = query.clone();
            limited["Limit"] = json!(limit);
            let (items, ..) = pages(&engine, operation, limited);
            assert!(items == whole, "{query}, {limit} a page");
        }
        let mut counted = query.clone();
        counted["Select"] = json!("COUNT");
        assert_eq!(pages(&engine, operation, counted), (Vec::new(), count, count), "{query}");
    }
}

#[test]
fn a_filter_finds_what_it_should_and_all_that_it_passes_is_scanned() {
    let engine = filled();
    for select in ["COUNT", "ALL_ATTRIBUTES"] {
        let query = json!({
            "TableName": TABLE, "Select": select, "KeyConditionExpression": "pk = :p", "FilterExpression": "#n < :n",
            "ExpressionAttributeNames": {"#n": "number"},
            "ExpressionAttributeValues": {":p": {"S": "p1"}, ":n": {"N": "50"}},
        });
        let (items, count, scanned) = pages(&engine, "Query", query);
        let (whole, ..) = pages(
            &engine,
            "Query",
            json!({"TableName": TABLE, "KeyConditionExpression": "pk = :p",
            "ExpressionAttributeValues": {":p": {"S": "p1"}}}),
        );
        let number = |item: &Value| item["number"]["N"].as_str().unwrap().parse::<u64>().unwrap();
        let expected: Vec<Value> = whole.iter().filter(|item| number(item) < 50).cloned().collect();
        assert_eq!((count, scanned), (expected.len() as u64, whole.len() as u64));
        assert_eq!(items, if select == "COUNT" { Vec::new() } else { expected });
    }
}

#[test]
fn a_page_costs_what_it_reads_and_an_index_of_keys_only_its_keys() {
    let engine = filled();
    let cost = |request: &Value| done(&engine, "Query", request)["ConsumedCapacity"]["CapacityUnits"].clone();
    let mut query = json!({
        "TableName": TABLE, "Limit": 10, "KeyConditionExpression": "pk = :p", "ReturnConsumedCapacity": "TOTAL",
        "ExpressionAttributeValues": {":p": {"S": "p1"}}, "ExclusiveStartKey": {"pk": {"S": "p1"}, "sk": {"S": "0090"}},
    });
    assert_eq!(cost(&query), json!(6.0), "nine items of 5 KB, read eventually");
    query["Limit"] = json!(2);
    assert_eq!(cost(&query), json!(1.5));
    let keys = json!({
        "TableName": TABLE, "IndexName": "byColor", "KeyConditionExpression": "color = :p",
        "ReturnConsumedCapacity": "TOTAL", "ExpressionAttributeValues": {":p": {"S": "red"}},
    });
    assert_eq!(cost(&keys), json!(1.0), "all keys are in one page of 8 KB");
}
