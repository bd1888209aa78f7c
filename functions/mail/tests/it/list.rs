use serde_json::json;

use crate::support::{mail, open};

#[tokio::test]
async fn mails_are_listed_the_newest_first_and_filtered_by_any_field() {
    let world = open().await;
    let mut ids = Vec::new();
    for number in 0..25 {
        let to = format!("a{number}@example.com");
        let body = mail(&json!({"subject": format!("s{number}"), "recipients": {"to": [to]}}));
        ids.push(world.post("/mail/v1/", body).await.body["id"].clone());
        world.advance(1).await;
    }
    let check = async |query: &str, total: u64, first: usize| {
        let list = world.get(&format!("/mail/v1/?{query}")).await;
        assert_eq!((list.status, &list.body["page"]["total"]), (200, &json!(total)), "{query} {list:?}");
        assert_eq!(list.body["data"][0]["id"], ids[first], "{query}");
    };
    check("", 25, 24).await;
    check("limit(5,20)", 25, 4).await;
    check("sort(creation_timestamp)", 25, 0).await;
    check("eq(status,delivered)", 25, 24).await;
    check("eq(subject,s7)", 1, 7).await;
    check("like(subject,s1)&sort(subject)", 11, 1).await;
    check("eq(recipients.to,a3%2540example%252Ecom)", 1, 3).await;
    check(&format!("eq(id,{})", ids[9].as_str().unwrap()), 1, 9).await;
    check("lt(creation_timestamp,1767323047000)", 2, 1).await;
    let selected = world.get("/mail/v1/?select(subject)&limit(1)").await;
    assert_eq!(selected.body["data"], json!([{"subject": "s24"}]));
    let refused = world.get("/mail/v1/?eq(nothing,1)").await;
    assert_eq!((refused.status, &refused.body["code"]), (400, &json!(19)));
    let queued = world.get("/mail/v1/queued").await;
    assert_eq!((queued.status, &queued.body["page"]["total"]), (200, &json!(0)));
}
