use std::{error::Error, fmt};

use reqwest::{
    Url,
    redirect::{Action, Attempt, Policy},
};

/// How many redirects are followed: as many as reqwest follows by itself.
const MOST: usize = 10;

/// Redirects of a `reqwest::Client` that show a credential to nobody else: give it to every client that sends credentials.
///
/// reqwest takes `Authorization` off when a redirect leads to another origin, and forgets that it did: the origin that was
/// redirected to has it shown by a redirect to itself. This policy ends such a chain with an error
/// (`reqwest::Error::is_redirect`). Like reqwest's own it follows up to ten redirects, to whatever origin.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let client = reqwest::Client::builder().redirect(portcullis_tower::redirect_policy());
/// # _ = client;
/// # Ok(())
/// # }
/// ```
#[must_use]
pub fn redirect_policy() -> Policy {
    Policy::custom(decide)
}

fn decide(attempt: Attempt<'_>) -> Action {
    // The first of the previous ones was asked for and is no redirect.
    if attempt.previous().len() > MOST {
        return attempt.error(Stopped::TooMany);
    }
    if shows_again(attempt.previous(), attempt.url()) {
        return attempt.error(Stopped::ShowsCredential);
    }
    attempt.follow()
}

/// Whether reqwest would send the credential of the first request on this hop, although the way led through another origin.
/// Back at the first one it would do harm, too: the other one chose the URL.
fn shows_again(previous: &[Url], next: &Url) -> bool {
    let (Some(first), Some(last)) = (previous.first(), previous.last()) else { return false };
    last.origin() == next.origin() && previous.iter().any(|url| url.origin() != first.origin())
}

#[derive(Debug)]
enum Stopped {
    TooMany,
    ShowsCredential,
}

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooMany => "more than ten redirects",
            Self::ShowsCredential => {
                "a redirect to another origin was followed by one within it, on which the credential would be shown there"
            }
        })
    }
}

impl Error for Stopped {}

#[cfg(test)]
mod tests {
    use super::*;

    fn shows(chain: &[&str]) -> bool {
        let urls: Vec<Url> = chain.iter().map(|url| Url::parse(&format!("https://{url}")).unwrap()).collect();
        let (next, previous) = urls.split_last().unwrap();
        shows_again(previous, next)
    }

    #[test]
    fn a_hop_within_an_origin_is_followed_only_where_no_other_one_was_passed() {
        for chain in [
            &["a/1", "a/2"][..],
            &["a/1", "a:443/2", "A/3"],
            &["a/1", "b/1"],
            &["a/1", "a/2", "b/1"],
            &["a/1", "b/1", "a/2"],
            &["a/1", "b/1", "c/1"],
            &["a/1", "b/1", "b:8443/1"],
            &["a/1", "b/1", "a/2", "b/2"],
        ] {
            assert!(!shows(chain), "{chain:?}");
        }
        for chain in [
            &["a/1", "b/1", "b/2"][..],
            &["a/1", "b/1", "b:443/2"],
            &["a/1", "a/2", "b/1", "b/2"],
            &["a/1", "b/1", "c/1", "c/2"],
            // The other one chose what is called here.
            &["a/1", "b/1", "a/2", "a/3"],
        ] {
            assert!(shows(chain), "{chain:?}");
        }
    }
}
