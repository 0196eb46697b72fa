//! The program runs, and says exactly this.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use std::process::{Command, Stdio};

const OUTPUT: &str = r#"alice: GET /shop/items/7
  shop: item 7? asks alice
    stock: item 7? asks alice, by way of shop
    stock: answers 200 OK
  shop: answers 200 OK
alice: 200 "12 of item 7, for alice"

bob: GET /shop/items/7
  shop: item 7? asks bob
    stock: answers 403 Forbidden
  shop: answers 403 Forbidden
bob: 403 ""

somebody: GET /shop/items/7
  shop: answers 401 Unauthorized
somebody: 401 ""

somebody: GET /shop/health
  shop: is asked how it is
    stock: how are you? asks shop
    stock: answers 200 OK
  shop: answers 200 OK
somebody: 200 "the stock is well"

alice: GET /stock/items/7, past the shop, with its certificate
    stock: answers 401 Unauthorized
alice: 401

alice: GET /stock/items/7, past the shop, without a certificate
alice: no connection
"#;

#[test]
fn the_stock_sees_the_callers_of_the_shop_and_is_asked_once_where_it_refuses() {
    let program = env!("CARGO_BIN_EXE_service-to-service");
    let output = Command::new(program).stdin(Stdio::null()).stderr(Stdio::inherit()).output().unwrap();
    assert!(output.status.success(), "{}", output.status);
    assert_eq!(String::from_utf8(output.stdout).unwrap(), OUTPUT);
}
