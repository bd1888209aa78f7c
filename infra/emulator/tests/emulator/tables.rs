//! DynamoDB as the SDK sees it, and tables that follow the template.

use std::net::TcpStream;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{AttributeValue, Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem};
use aws_smithy_runtime_api::client::behavior_version::BehaviorVersion;
use aws_types::SdkConfig;
use emulator::{Emulator, Options, Template, Units};
use futures::FutureExt as _;
use futures::future::FusedFuture as _;
use server::{Connections, Limits};

use crate::support::{TEMPLATE, fixed, in_memory, on_disk};

const TABLE: &str = "hookyard-Records";

fn text(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

async fn put(client: &Client, pk: &str, owner: &str) -> Result<(), PutItemError> {
    let put = client.put_item().table_name(TABLE).item("pk", text(pk)).item("owner", text(owner));
    put.condition_expression("attribute_not_exists(pk)")
        .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
        .send()
        .await
        .map(drop)
        .map_err(|error| error.into_service_error())
}

async fn owned_by(client: &Client, index: &str, owner: &str) -> usize {
    let query = client.query().table_name(TABLE).index_name(index);
    let query = query.key_condition_expression("#o = :o").expression_attribute_names("#o", "owner");
    let found = query.expression_attribute_values(":o", text(owner)).send().await.unwrap();
    found.items().len()
}

#[tokio::test]
async fn a_failed_condition_is_a_typed_error_with_the_item() {
    let (emulator, _) = in_memory().await;
    let client = Client::new(&emulator.sdk_config());
    put(&client, "a", "first").await.unwrap();
    match put(&client, "a", "second").await.unwrap_err() {
        PutItemError::ConditionalCheckFailedException(failed) => {
            assert_eq!(failed.item().unwrap()["owner"], text("first"));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(owned_by(&client, "by-owner", "first").await, 1);
}

#[tokio::test]
async fn a_cancelled_transaction_says_why_and_changes_nothing() {
    let (emulator, _) = in_memory().await;
    let client = Client::new(&emulator.sdk_config());
    put(&client, "taken", "x").await.unwrap();
    let write = |pk: &str| {
        let put = Put::builder().table_name(TABLE).item("pk", text(pk));
        let put = put.condition_expression("attribute_not_exists(pk)").build().unwrap();
        TransactWriteItem::builder().put(put).build()
    };
    let sent = client.transact_write_items().transact_items(write("free")).transact_items(write("taken"));
    match sent.send().await.unwrap_err().into_service_error() {
        TransactWriteItemsError::TransactionCanceledException(cancelled) => {
            let codes: Vec<_> = cancelled.cancellation_reasons().iter().map(|r| r.code()).collect();
            assert_eq!(codes, [Some("None"), Some("ConditionalCheckFailed")]);
        }
        other => panic!("{other:?}"),
    }
    let got = client.get_item().table_name(TABLE).key("pk", text("free")).send().await.unwrap();
    assert!(got.item().is_none());
}

#[tokio::test]
async fn load_and_lost_answers_are_retried_by_the_sdk() {
    let (emulator, _) = in_memory().await;
    let client = Client::new(&emulator.sdk_config());
    emulator.throttle("dynamodb.PutItem", 2);
    put(&client, "a", "x").await.unwrap();
    assert_eq!(emulator.aws_calls()["dynamodb.PutItem"], 3);
    emulator.lose_reply("dynamodb.PutItem", 1);
    let failed = put(&client, "b", "x").await.unwrap_err();
    assert!(failed.is_conditional_check_failed_exception(), "the first attempt has done it");
    emulator.throttle("dynamodb.PutItem", 3);
    assert!(put(&client, "c", "x").await.unwrap_err().is_provisioned_throughput_exceeded_exception());
    put(&client, "c", "x").await.unwrap();
}

#[tokio::test]
async fn what_recovers_has_no_faults_left_and_can_have_others() {
    let (emulator, _) = in_memory().await;
    let client = Client::new(&emulator.sdk_config());
    emulator.throttle("dynamodb.PutItem", 100);
    assert!(put(&client, "a", "x").await.unwrap_err().is_provisioned_throughput_exceeded_exception());
    emulator.recover("dynamodb.PutItem");
    let before = emulator.aws_calls()["dynamodb.PutItem"];
    put(&client, "a", "x").await.unwrap();
    assert_eq!(emulator.aws_calls()["dynamodb.PutItem"], before + 1);
    emulator.throttle("dynamodb.PutItem", 1);
    put(&client, "b", "x").await.unwrap();
    assert_eq!(emulator.aws_calls()["dynamodb.PutItem"], before + 3);
}

#[tokio::test]
async fn mistakes_are_the_errors_of_aws() {
    let (emulator, _) = in_memory().await;
    let client = Client::new(&emulator.sdk_config());
    let missing = client.get_item().table_name("nothing").key("pk", text("a")).send().await.unwrap_err();
    assert!(missing.into_service_error().is_resource_not_found_exception());
    let empty = client.get_item().table_name(TABLE).key("other", text("a")).send().await.unwrap_err();
    let error = empty.into_service_error();
    assert_eq!(error.meta().code(), Some("ValidationException"), "{error:?}");
    let unknown = client.list_backups().send().await.unwrap_err().into_service_error();
    assert_eq!(unknown.meta().code(), Some("UnknownOperationException"), "{unknown:?}");
}

#[tokio::test]
async fn expired_items_are_swept() {
    let (emulator, clock) = in_memory().await;
    let client = Client::new(&emulator.sdk_config());
    let expires = AttributeValue::N("1893456030".to_owned());
    let put = client.put_item().table_name(TABLE).item("pk", text("a")).item("expires", expires);
    put.send().await.unwrap();
    let get = || client.get_item().table_name(TABLE).key("pk", text("a")).send();
    assert!(get().await.unwrap().item().is_some());
    // The sweeper waits on the clock from its first moment on.
    while get().await.unwrap().item().is_some() {
        clock.advance(Duration::from_secs(60));
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_newer_template_adds_a_table_and_an_index_and_keeps_the_items() {
    let folder = tempfile::tempdir().unwrap();
    let first = on_disk(folder.path(), &fixed()).await;
    put(&Client::new(&first.sdk_config()), "a", "x").await.unwrap();
    first.stop().await;
    let index = "GlobalSecondaryIndexes:
        - IndexName: second
          KeySchema: [{AttributeName: owner, KeyType: HASH}]
          Projection: {ProjectionType: ALL}";
    let table = "Resources:
  More:
    Type: AWS::DynamoDB::Table
    Properties:
      AttributeDefinitions: [{AttributeName: pk, AttributeType: S}]
      KeySchema: [{AttributeName: pk, KeyType: HASH}]";
    let newer = TEMPLATE.replace("GlobalSecondaryIndexes:", index).replace("Resources:", table);
    let open = |yaml: &str| {
        let options = Options { data: Some(folder.path().to_owned()), ..Options::default() };
        Emulator::open(Template::parse(yaml).unwrap(), options)
    };
    let second = open(&newer).await.unwrap();
    let client = Client::new(&second.sdk_config());
    assert_eq!(owned_by(&client, "second", "x").await, 1, "the index is filled");
    let tables = client.list_tables().send().await.unwrap();
    assert_eq!(tables.table_names(), ["hookyard-More", TABLE]);
    second.stop().await;
    let other_key = TEMPLATE.replace("{AttributeName: pk, ", "{AttributeName: id, ");
    let refused = open(&other_key).await.err().unwrap().to_string();
    assert!(refused.contains("Records.KeySchema") && refused.contains("another data directory"), "{refused}");
}

#[tokio::test]
async fn the_tables_are_served_over_http_as_well() {
    let (emulator, _) = in_memory().await;
    let connections = Connections::new(Limits { connections: 2, ..Limits::default() });
    let address = emulator.serve_dynamodb(0, connections.clone()).await.unwrap();
    assert!(address.ip().is_loopback());
    assert!(emulator.serve_dynamodb(address.port(), connections).await.is_err());
    put(&Client::new(&emulator.sdk_config()), "a", "x").await.unwrap();
    let inside = emulator.sdk_config();
    let outside = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(inside.region().cloned())
        .credentials_provider(inside.credentials_provider().unwrap())
        .endpoint_url(format!("http://{address}"))
        .build();
    let client = Client::new(&outside);
    // More connections than there may be, and none of them says anything.
    let _silent = [TcpStream::connect(address).unwrap(), TcpStream::connect(address).unwrap()];
    let read = client.get_item().table_name(TABLE).key("pk", text("a")).send().await.unwrap();
    assert!(read.item.is_some());
    let refused = client.scan().table_name(TABLE).limit(0).send().await.unwrap_err().into_service_error();
    assert_eq!(refused.meta().code(), Some("ValidationException"));
    let unknown = client.list_backups().send().await.unwrap_err().into_service_error();
    assert_eq!(unknown.meta().code(), Some("UnknownOperationException"));
}

#[tokio::test]
async fn what_requests_cost_is_counted_by_operation_and_table() {
    let (emulator, _) = in_memory().await;
    let client = Client::new(&emulator.sdk_config());
    emulator.reset_aws_calls();
    put(&client, "a", "x").await.unwrap();
    put(&client, "a", "x").await.unwrap_err();
    client.get_item().table_name(TABLE).key("pk", text("a")).consistent_read(true).send().await.unwrap();
    client.get_item().table_name(TABLE).key("pk", text("b")).send().await.unwrap();
    let units = emulator.capacity_units();
    // The item and its entry in the index, and the write whose condition failed.
    assert_eq!(units["dynamodb.PutItem"][TABLE], Units { read: 0.0, write: 3.0 });
    assert_eq!(units["dynamodb.GetItem"][TABLE], Units { read: 1.5, write: 0.0 });
    emulator.reset_aws_calls();
    assert!(emulator.capacity_units().is_empty());
}

#[tokio::test]
async fn requests_that_nobody_looks_at_hold_up_no_other_one() {
    let (emulator, _) = in_memory().await;
    let client = Client::new(&emulator.sdk_config());
    let keys: Vec<String> = (0..20).map(|key| key.to_string()).collect();
    let mut begun: Vec<_> = keys.iter().map(|key| Box::pin(put(&client, key, "x").fuse())).collect();
    // Each has been sent to the engine, and nothing polls it again before the others have passed.
    for request in &mut begun {
        let _ = futures::poll!(request.as_mut());
    }
    for n in 100..120 {
        let passed = tokio::time::timeout(Duration::from_secs(60), put(&client, &n.to_string(), "y")).await;
        passed.expect("a request passes").unwrap();
    }
    for request in begun.into_iter().filter(|request| !request.is_terminated()) {
        request.await.unwrap();
    }
}
