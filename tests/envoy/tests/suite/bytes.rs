//! Bytes that are not UTF-8, and requests at the limits.

use std::time::Duration;

use gatepass_stack::{Stack, raw};

use crate::support::*;

const LIMIT: Duration = Duration::from_secs(10);

async fn status(stack: &Stack, path: &[u8], lines: &[&[u8]]) -> Option<u16> {
    let request = raw::get(path, lines);
    raw::exchange(stack.gateway(), &request, LIMIT).await.unwrap().status()
}

#[tokio::test]
async fn bytes_that_are_not_utf_8_crash_nothing() {
    let mut stack = reference().await;
    let good = format!("authorization: Bearer {}", good_token(&stack)).into_bytes();
    // Not in the path, where only Envoy decides.
    for bytes in [&b"\xa1"[..], b"\xff\xfe", b"\xc3", b"\xed\xa0\x80", b"caf\xe9"] {
        let bearer = [b"authorization: Bearer ", bytes].concat();
        assert_eq!(status(&stack, b"/protected", &[&bearer]).await, Some(401), "{bytes:?}");
        let after = [&good, bytes].concat();
        assert_eq!(status(&stack, b"/protected", &[&after]).await, Some(401), "{bytes:?}");
        let scheme = [b"authorization: ", bytes, b" x"].concat();
        assert_eq!(status(&stack, b"/protected", &[&scheme]).await, Some(401), "{bytes:?}");
        let other = [b"x-name: ", bytes].concat();
        assert_eq!(status(&stack, b"/protected", &[&good, &other]).await, Some(200), "{bytes:?}");
        assert_eq!(status(&stack, b"/unprotected", &[&other]).await, Some(200), "{bytes:?}");
        assert_eq!(status(&stack, b"/unprotected", &[&bearer]).await, Some(200), "{bytes:?}");
        let path = [b"/protected", bytes].concat();
        let answer = status(&stack, &path, &[&good]).await;
        assert!(matches!(answer, None | Some(400 | 404)), "{bytes:?}: {answer:?}");
        let query = [b"/protected?q=", bytes].concat();
        let answer = status(&stack, &query, &[&good]).await;
        assert!(matches!(answer, None | Some(200 | 400)), "{bytes:?}: {answer:?}");
    }
    assert_still_serves(&mut stack).await;
}

#[tokio::test]
async fn large_and_many_headers_crash_nothing() {
    let mut stack = reference().await;
    let good = format!("authorization: Bearer {}", good_token(&stack)).into_bytes();
    let large = [b"x-large: ", "x".repeat(55_000).as_bytes()].concat();
    assert_eq!(status(&stack, b"/protected", &[&good, &large]).await, Some(200));
    let larger = [b"x-large: ", "x".repeat(65_000).as_bytes()].concat();
    assert_eq!(status(&stack, b"/protected", &[&good, &larger]).await, Some(431));
    let token = [b"authorization: Bearer ", "e".repeat(55_000).as_bytes()].concat();
    assert_eq!(status(&stack, b"/protected", &[&token]).await, Some(401));
    assert_eq!(status(&stack, b"/unprotected", &[&token]).await, Some(200));

    let line: &[u8] = b"x-line: 1";
    let many = |count| [vec![good.as_slice()], vec![line; count]].concat();
    assert_eq!(status(&stack, b"/protected", &many(80)).await, Some(200));
    assert_eq!(status(&stack, b"/protected", &many(200)).await, Some(431));
    assert_still_serves(&mut stack).await;
}

#[tokio::test]
async fn empty_and_odd_authorization_values_crash_nothing() {
    let mut stack = reference().await;
    for value in [
        "",
        " ",
        "Bearer",
        "Bearer ",
        "Bearer  ",
        "Bearer\t",
        "Bearer .",
        ",",
        "Bearer,",
        "=",
        "Bearer Bearer x",
    ] {
        let line = format!("authorization: {value}");
        assert_eq!(status(&stack, b"/protected", &[line.as_bytes()]).await, Some(401), "{value:?}");
        assert_eq!(status(&stack, b"/unprotected", &[line.as_bytes()]).await, Some(200), "{value:?}");
    }
    assert_still_serves(&mut stack).await;
}
