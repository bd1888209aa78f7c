use super::tests::fill_at;
use super::{Failure, Place};

use proptest::prelude::*;
use serde_json::{Value, json};

const BODY: &str = "--b1\r\ncontent-disposition: form-data; name=\"a\"; filename=\"{{ event.v }}\"\r\n\r\n{{ event.v }}\r\n\
                    --b1\r\ncontent-disposition: form-data; name=\"z\"\r\n\r\n<{{ event.v }}{{ event.v }}>\r\n--b1--\r\n";

fn fill(template: &str, event: &Value) -> Result<Value, Failure> {
    fill_at(Place::Multipart, &json!(template), event, &json!({}))
}

#[test]
fn a_value_that_would_begin_a_part_fails_the_step_and_a_raw_one_is_the_authors() {
    let attack = json!({"v": "x\r\n--b1\r\ncontent-disposition: form-data; name=\"admin\"\r\n\r\ntrue"});
    let Err(Failure::Template(why)) = fill(BODY, &attack) else { panic!("it has another part") };
    assert_eq!(why, "`event.v` would begin another part of the body");
    let Err(Failure::Template(why)) = fill("--b1\r\n\r\n-{{ event.v }}{{ event.w }}", &json!({"v": "-b", "w": "1"}))
    else {
        panic!("two values make a delimiter")
    };
    assert!(why.contains("together"), "{why}");
    assert!(fill("--b1\r\n\r\n{{ event.v | raw }}", &json!({"v": "-b"})).is_ok());
    let header = fill("\r\n--b1\r\nname=\"{{ event.v }}\"\r\n\r\n", &json!({"v": "a\"\r\nx: 1"})).unwrap();
    assert_eq!(header, "\r\n--b1\r\nname=\"a%22%0D%0Ax: 1\"\r\n\r\n");
    assert_eq!(fill("no part: {{ event.v }}", &json!({"v": "\"--b1"})), Ok(json!("no part: \"--b1")));
    let templated = fill("--{{ event.v }}\r\n\r\n{{ event.w }}", &json!({"v": "b", "w": "--b"}));
    assert!(templated.is_err(), "nobody knows what begins a part");
}

proptest! {
    #[test]
    fn a_value_stays_in_its_part(value in ".{0,8}|(\r\n|--b1|--|b1|\"|a|\n){0,6}") {
        let Ok(filled) = fill(BODY, &json!({"v": value})) else {
            let makes_a_part = value.repeat(2).contains("--b1");
            prop_assert!(makes_a_part);
            return Ok(());
        };
        let parts: Vec<&str> = filled.as_str().unwrap().split("--b1").collect();
        prop_assert_eq!((parts.len(), parts[0], parts[3]), (4, "", "--\r\n"));
        let (header, body) = parts[1].split_once("\r\n\r\n").unwrap();
        prop_assert_eq!(header.matches("\r\n").count(), 1);
        prop_assert_eq!(header.matches('"').count(), 4);
        prop_assert_eq!(body, format!("{value}\r\n"));
        let stays = parts[2].ends_with(&format!("\r\n\r\n<{value}{value}>\r\n"));
        prop_assert!(stays);
    }
}
