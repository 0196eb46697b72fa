//! Distinguished names and addresses of directories: two lines of either.

use portcullis_ldap::fuzzing::{is_within, naming_value, same_dn, server_url};

use crate::support::line;

/// Takes the lines.
pub fn run(data: &[u8]) {
    let (one, other) = line(data);
    let (Ok(one), Ok(other)) = (std::str::from_utf8(one), std::str::from_utf8(other)) else { return };
    if let Ok((text, is_here)) = server_url(one) {
        assert_eq!(server_url(&text), Ok((text.clone(), is_here)), "it is read as it is written");
        assert!(!text.contains('@'));
    }

    assert_eq!(same_dn(one, other), same_dn(other, one));
    if same_dn(one, one).is_none() {
        assert_eq!((is_within(one, other), naming_value(one, "cn")), (None, None));
        return;
    }
    assert_eq!(same_dn(one, one), Some(true));
    assert_eq!((is_within(one, one), is_within(one, "")), (Some(true), Some(true)));
    if !one.trim_ascii().is_empty() {
        // Below it and not it, whatever it is.
        let below = format!("cn=a\\,b,{one}");
        assert_eq!((is_within(&below, one), is_within(one, &below)), (Some(true), Some(false)));
        assert_eq!(naming_value(&below, "CN").as_deref(), Some("a,b"));
        assert_eq!(same_dn(&below, one), Some(false));
    }
    if let (Some(true), Some(true)) = (is_within(one, other), is_within(other, one)) {
        assert_eq!(same_dn(one, other), Some(true), "each is below the other");
    }
    // A value that is typed stays a value.
    let escaped: String = other.bytes().map(|byte| format!("\\{byte:02X}")).collect();
    let made = format!("uid={escaped},{one}");
    if !one.trim_ascii().is_empty() {
        assert_eq!(naming_value(&made, "uid").as_deref(), Some(other));
        assert_eq!(is_within(&made, one), Some(true));
    }
}
