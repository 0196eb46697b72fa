//! Why a credential is refused. For the log: on the wire all of these are the same.

use portcullis_core::{Reason, Refusal};

use crate::{
    failure::{Failure, named},
    wire::Verdict,
};

pub(crate) fn not_basic() -> Refusal {
    Refusal::new(Reason::OtherScheme, "users are known by Basic credentials")
}

pub(crate) fn unknown_user() -> Refusal {
    Refusal::new(Reason::UnknownUser, "the directory has no user of this name")
}

pub(crate) fn ambiguous_user() -> Refusal {
    Refusal::new(
        Reason::AmbiguousUser,
        "the directory has more than one user of this name below one search base: make `userNameSearchFilter` narrower",
    )
}

/// What is wrong with a name or a password before anybody is asked.
pub(crate) fn beforehand(username: &str, password: &str) -> Option<Refusal> {
    if username.is_empty() || username.chars().any(char::is_control) {
        return Some(Refusal::new(
            Reason::MalformedUsername,
            "the user name is empty, or holds a control character",
        ));
    }
    // Directories drop it when they compare: one user would have many names.
    if username.starts_with(char::is_whitespace) || username.ends_with(char::is_whitespace) {
        return Some(Refusal::new(
            Reason::MalformedUsername,
            "the user name begins or ends with white space",
        ));
    }
    // RFC 4513 §5.1.2: "Clients SHOULD disallow an empty password input to a Name/Password Authentication user
    // interface." A server may answer such a bind with success, and so would one that stops at a NUL.
    if is_blank(password) {
        return Some(Refusal::new(
            Reason::BlankPassword,
            "the password is empty, blank, or begins with NUL: the directory was not asked",
        ));
    }
    None
}

/// Whether a server that prepares passwords (RFC 4013 §2) may have nothing left, or nothing before a NUL.
fn is_blank(password: &str) -> bool {
    let left = password.chars().find(|character| !character.is_whitespace() && !is_invisible(*character));
    matches!(left, None | Some('\0'))
}

/// What is mapped to nothing before texts are compared (RFC 3454 table B.1, RFC 4518 §2.2), but NUL.
const fn is_invisible(character: char) -> bool {
    matches!(
        character,
        '\u{1}'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{ad}' | '\u{34f}' | '\u{6dd}' | '\u{70f}' | '\u{1806}'
            | '\u{180b}'..='\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2063}'
            | '\u{206a}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{fff9}'..='\u{fffc}'
            | '\u{1d173}'..='\u{1d17a}' | '\u{e0001}' | '\u{e0020}'..='\u{e007f}'
    )
}

/// What the end of a user's bind says: nothing where it succeeded, a refusal, or that it cannot be told.
pub(crate) fn of_bind(verdict: &Verdict) -> Result<Option<Refusal>, Failure> {
    let refusal = match verdict.code {
        0 => return Ok(None),
        49 => invalid_credentials(&verdict.text),
        19 => Refusal::new(
            Reason::BindRefused,
            "the directory refuses the bind with 19 (constraint violation): the account is perhaps locked",
        ),
        32 => {
            Refusal::new(Reason::UnknownUser, "the directory has no such entry any more: 32 (no such object)")
        }
        34 | 50 => Refusal::new(
            Reason::BindRefused,
            format!("the directory refuses the bind with {}", named(verdict.code)),
        ),
        48 => Refusal::new(
            Reason::BindRefused,
            "the directory refuses the bind with 48 (inappropriate authentication): the user has perhaps no password",
        ),
        53 => Refusal::new(
            Reason::BindRefused,
            "the directory refuses the bind with 53 (unwilling to perform): the account is perhaps locked",
        ),
        code => return Err(Failure::UserBind(code)),
    };
    Ok(Some(refusal))
}

/// 49, which Active Directory explains by a sub-code.
fn invalid_credentials(text: &str) -> Refusal {
    match active_directory(text) {
        None => {
            Refusal::new(Reason::WrongPassword, "the password is not the user's: 49 (invalid credentials)")
        }
        Some((sub_code, what)) => {
            let code = match sub_code {
                "525" => Reason::UnknownUser,
                "530" | "531" => Reason::LoginNotPermitted,
                "532" => Reason::PasswordExpired,
                "533" => Reason::AccountDisabled,
                "701" => Reason::AccountExpired,
                "773" => Reason::MustChangePassword,
                "775" => Reason::AccountLocked,
                _ => Reason::WrongPassword,
            };
            Refusal::new(code, format!("{what}: 49 (invalid credentials), data {sub_code}"))
        }
    }
}

/// Active Directory's reason, from words such as `... AcceptSecurityContext error, data 52e, v4563`: the sub-code and what
/// it means. Nothing else of the text is used.
pub(crate) fn active_directory(text: &str) -> Option<(&'static str, &'static str)> {
    let (_, after) = text.split_once("AcceptSecurityContext error, data ")?;
    let given = after.split(|character: char| !character.is_ascii_alphanumeric()).next()?;
    const KNOWN: [(&str, &str); 9] = [
        ("525", "there is no such user"),
        ("52e", "the password is not the user's"),
        ("530", "the user may not log in at this time"),
        ("531", "the user may not log in from here"),
        ("532", "the password has expired"),
        ("533", "the account is disabled"),
        ("701", "the account has expired"),
        ("773", "the user must change the password first"),
        ("775", "the account is locked"),
    ];
    KNOWN.into_iter().find(|(sub_code, _)| given.eq_ignore_ascii_case(sub_code))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(code: u32, text: &str) -> Verdict {
        Verdict { code, text: text.to_owned() }
    }

    #[test]
    fn names_with_outer_white_space_are_refused_and_with_inner_not() {
        for name in [" alice", "alice ", "\u{3000}alice", "alice\u{a0}", "", "alice\0", "al\nice", "\u{85}a"]
        {
            assert_eq!(
                beforehand(name, "x").map(|refusal| refusal.code()),
                Some("malformed-username"),
                "{name:?}"
            );
        }
        for name in ["alice", "*", "alice)(uid=*", "\\2a", "#", "John Smith", "\u{ff21}", "zo\u{eb}"] {
            assert_eq!(beforehand(name, "x"), None, "{name:?}");
        }
    }

    #[test]
    fn passwords_that_a_server_might_take_for_none_are_refused() {
        for password in [
            "",
            " ",
            "\t \u{a0}\u{3000}",
            "\0",
            "\0secret",
            " \0secret",
            "\u{200b}",
            "\u{feff}\u{ad} \u{2060}",
            "\u{200d}\0secret",
            "\u{e0020}\u{fe0f}\u{1d173}",
        ] {
            let code = beforehand("alice", password).map(|refusal| refusal.code());
            assert_eq!(code, Some("blank-password"), "{password:?}");
        }
        for password in [" x ", "a\0", "0", "p\u{e4}\u{df}", "\u{200b}x", "\u{1f511}"] {
            assert_eq!(beforehand("alice", password), None, "{password:?}");
        }
    }

    #[test]
    fn every_result_of_a_bind_has_its_answer() {
        assert_eq!(of_bind(&verdict(0, "")), Ok(None));
        for (code, expected) in [
            (49, "wrong-password"),
            (19, "bind-refused"),
            (32, "unknown-user"),
            (34, "bind-refused"),
            (48, "bind-refused"),
            (50, "bind-refused"),
            (53, "bind-refused"),
        ] {
            let refusal = of_bind(&verdict(code, "canary")).unwrap().unwrap();
            assert_eq!(refusal.code(), expected, "{code}");
            assert!(refusal.text().contains(&code.to_string()), "{refusal}");
            assert!(!refusal.text().contains("canary"), "{refusal}");
        }
        for code in (1..130).filter(|code| ![49, 19, 32, 34, 48, 50, 53].contains(code)) {
            assert!(matches!(of_bind(&verdict(code, "")), Err(Failure::UserBind(_))), "{code}");
        }
    }

    #[test]
    fn the_reasons_of_active_directory_are_told() {
        for (sub_code, expected) in [
            ("525", "unknown-user"),
            ("52e", "wrong-password"),
            ("52E", "wrong-password"),
            ("530", "login-not-permitted"),
            ("531", "login-not-permitted"),
            ("532", "password-expired"),
            ("533", "account-disabled"),
            ("701", "account-expired"),
            ("773", "must-change-password"),
            ("775", "account-locked"),
            ("5320", "wrong-password"),
        ] {
            let text = format!(
                "80090308: LdapErr: DSID-0C09042A, comment: AcceptSecurityContext error, data {sub_code}, v3839\0"
            );
            let refusal = of_bind(&verdict(49, &text)).unwrap().unwrap();
            assert_eq!(refusal.code(), expected, "{sub_code}");
        }
    }
}
