//! What a service says of `throttle`.

use portcullis_core::Throttle;

use crate::Config;

fn service(keys: &str) -> (Option<String>, bool) {
    let text = format!("[services.\"/foo\"]\npublic = true\n{keys}");
    let config = Config::parse(&text, ".").unwrap();
    let service = config.service("/foo").unwrap();
    let throttle = service.auth().throttle().map(|throttle| format!("{throttle:?}"));
    (throttle, service.gateway().usual_throttle)
}

#[test]
fn a_library_has_a_throttle_only_where_a_service_says_so() {
    let usual = format!("{:?}", Throttle::new());
    assert_eq!(service(""), (None, true));
    assert_eq!(service("throttle = false"), (None, false));
    assert_eq!(service("throttle = true"), (Some(usual.clone()), false));
    assert_eq!(service("throttle = {}"), (Some(usual), false));
    let (told, _) = service("throttle = { perAddress = 7, perUser = 3, maxDelay = \"90s\" }");
    assert_eq!(told.unwrap(), "Throttle { per_address: 7, per_user: 3, max_delay: 90s, .. }");
}
