//! The method of a resource.

use http::Method;
use portcullis_core::config::nearest;

/// RFC 9110 §9.1, and RFC 5789.
const METHODS: [&str; 9] = ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"];

/// A method that requests can have. What only looks like one would guard nothing.
pub(super) fn read(text: &str) -> Result<Method, String> {
    let is = |word| text.eq_ignore_ascii_case(word);
    if ["*", "ANY", "ALL"].into_iter().any(is) {
        return Err(format!(
            "{text:?} is not a method: leave the method out, a resource without one is for all"
        ));
    }
    if is("CONNECT") {
        return Err(format!("{text:?} covers no request: write GET, which covers extended CONNECT"));
    }
    let method = Method::from_bytes(text.as_bytes()).ok();
    let Some(method) = method.filter(|_| !text.bytes().any(|byte| byte.is_ascii_lowercase())) else {
        return Err(format!("{text:?} is not a method: methods are written in capitals, such as GET"));
    };
    match nearest(text, METHODS.into_iter()) {
        Some(near) if near != text => {
            let text = format!("{text:?} is not a standard method; did you mean {near}?");
            Err(format!("{text} If not, leave the method out: a resource without one is for all"))
        }
        _ => Ok(method),
    }
}

/// A path and the method after it, where it was meant to be before it.
pub(super) fn after(key: &str) -> Option<(&str, &'static str)> {
    let (path, word) = key.trim_end().rsplit_once(' ')?;
    let method = METHODS.into_iter().find(|method| word.eq_ignore_ascii_case(method))?;
    Some((path.trim_end(), method))
}
