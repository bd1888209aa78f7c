use proptest::prelude::*;

use super::*;

const HOST: &str = "http://localhost:18181";

/// Reads a header as the client library writes it, with a fixed time and nonce.
fn signed(token: Option<&str>, signature: &str) -> Signed {
    let token = token.map(|token| format!(r#"oauth_token="{token}", "#)).unwrap_or_default();
    let header = format!(
        r#"OAuth oauth_consumer_key="ck", oauth_nonce="{}", oauth_signature="{}", oauth_signature_method="HMAC-SHA1", oauth_timestamp="1700000000", {token}oauth_version="1.0""#,
        "a".repeat(32),
        encode(signature),
    );
    read(&header).unwrap()
}

fn read(header: &str) -> Result<Signed, Refusal> {
    Signed::read(&HeaderMap::from_iter([(AUTHORIZATION, header.parse().unwrap())]))
}

#[test]
fn requests_of_the_client_library_are_recognised() {
    let login = signed(None, "ZBt7gCaiF7KnXOYqvRwuebDA8/w=");
    let url = format!("{HOST}/auth/v2/oauth1/tokens");
    assert!(login.is_signed_with(&Method::POST, &url, "cs", ""));
    assert!(!login.is_signed_with(&Method::POST, &url, "cs", "toksec"));
    assert!(!login.is_signed_with(&Method::GET, &url, "cs", ""));
    let check = |signature: &str, path: &str| {
        let request = signed(Some("tok"), signature);
        let url = format!("{HOST}{path}");
        assert!(request.is_signed_with(&Method::GET, &url, "cs", "toksec"), "{path}");
        assert!(!request.is_signed_with(&Method::GET, &format!("{url}x"), "cs", "toksec"), "{path}");
        assert!(!request.is_signed_with(&Method::GET, &url, "cs", "other"), "{path}");
        assert!(!request.is_signed_with(&Method::GET, &url, "other", "toksec"), "{path}");
    };
    check("BIzsNhxSe9CnsI7crKw/ysJ7rJ8=", "/dispatchers/v1/");
    check("TrbHE/XuZlZTeTLN5W/55r48Yao=", "/dispatchers/v1/?eq(tags,EXH%255FCLI%255FMANAGED)&limit(5)");
}

/// The request of RFC 5849, section 3.4.1.1, without its form.
#[test]
fn the_text_that_is_signed_is_that_of_the_rfc() {
    let header = r#"OAuth realm="Example", oauth_consumer_key="9djdj82h48djs9d2", oauth_token="kkk9d7dh3k39sjv7", oauth_signature_method="HMAC-SHA1", oauth_timestamp="137131201", oauth_nonce="7d8f3e4a", oauth_signature="bYT5CMsGcbgUdFHObYMEfcx6bsw%3D""#;
    let base =
        read(header).unwrap().base(&Method::POST, "HTTP://EXAMPLE.com:80/request?b5=%3D%253D&a3=a&c%40=&a2=r%20b");
    let expected = "POST&http%3A%2F%2Fexample.com%2Frequest&a2%3Dr%2520b%26a3%3Da%26b5%3D%253D%25253D%26c%2540%3D%26\
                    oauth_consumer_key%3D9djdj82h48djs9d2%26oauth_nonce%3D7d8f3e4a%26\
                    oauth_signature_method%3DHMAC-SHA1%26oauth_timestamp%3D137131201%26oauth_token%3Dkkk9d7dh3k39sjv7";
    assert_eq!(base, expected);
}

#[test]
fn queries_are_read_as_the_client_library_reads_them() {
    let check = |query: &str, expected: &[(&str, &str)]| {
        let read: Vec<_> = query_parameters(query).collect();
        let expected: Vec<_> = expected.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
        assert_eq!(read, expected, "{query}");
    };
    check("eq(a,b)&limit(5)", &[("eq%28a%2Cb%29", ""), ("limit%285%29", "")]);
    check("", &[]);
    check("&&a", &[("a", "")]);
    check("timestamp>=5", &[("timestamp%3E", "5")]);
    check("sort(+a)", &[("sort%28%20a%29", "")]);
    check("a=%zz", &[("a", "%25zz")]);
    check("a=%ff", &[("a", "%25ff")]);
    check("a=1&a=2", &[("a", "1"), ("a", "2")]);
    check("like(name,%C3%BC)", &[("like%28name%2C%C3%BC%29", "")]);
}

#[test]
fn what_is_wrong_with_a_header_is_told() {
    let good = r#"OAuth oauth_consumer_key="ck", oauth_nonce="n", oauth_signature="YQ%3D%3D", oauth_signature_method="HMAC-SHA1", oauth_timestamp="1""#;
    assert!(read(good).is_ok());
    let check = |header: &str, code: u32| assert_eq!(read(header).unwrap_err().code, code, "{header}");
    check("OAuth", 109);
    check("OAuth x", 109);
    check("Bearer x", 104);
    check(&good.replace("HMAC-SHA1", "PLAINTEXT"), 109);
    check(&good.replace("timestamp=\"1\"", "timestamp=\"-1\""), 109);
    check(&good.replace("timestamp=\"1\"", "timestamp=\"99999999999999999999\""), 109);
    check(&good.replace("oauth_nonce=\"n\"", "oauth_nonce=\"\""), 109);
    check(&good.replace("YQ%3D%3D", "%"), 109);
    check(&format!("{good}, oauth_version=\"2.0\""), 109);
    check(&format!("{good}, oauth_nonce=\"m\""), 109);
    check(&good.replace("\"ck\"", &format!("\"{}\"", "k".repeat(513))), 109);
    let mut twice = HeaderMap::new();
    twice.append(AUTHORIZATION, good.parse().unwrap());
    twice.append(AUTHORIZATION, good.parse().unwrap());
    assert_eq!(Signed::read(&twice).unwrap_err().code, 104);
}

proptest! {
    #[test]
    fn any_header_and_query_are_read(header in "[ -~]{0,80}", query in "[ -~]{0,80}") {
        let _ = read(&format!("OAuth {header}"));
        let _ = query_parameters(&query).count();
    }

    #[test]
    fn a_signature_holds_for_its_own_request_alone(path in "/[a-z/]{0,20}", query in "[a-z(),&=%0-9]{0,40}", secret in "[ -~]{1,20}") {
        let mut request = signed(Some("tok"), "YQ==");
        let url = format!("{HOST}{path}?{query}");
        let mut mac = Hmac::<Sha1>::new_from_slice(format!("{}&", encode(&secret)).as_bytes()).unwrap();
        mac.update(request.base(&Method::GET, &url).as_bytes());
        request.signature = mac.finalize().into_bytes().to_vec();
        prop_assert!(request.is_signed_with(&Method::GET, &url, &secret, ""));
        let other_secret = format!("{secret}x");
        let other_query = format!("{url}&x");
        prop_assert!(!request.is_signed_with(&Method::GET, &url, &other_secret, ""));
        prop_assert!(!request.is_signed_with(&Method::GET, &other_query, &secret, ""));
        prop_assert!(!request.is_signed_with(&Method::PUT, &url, &secret, ""));
    }
}
