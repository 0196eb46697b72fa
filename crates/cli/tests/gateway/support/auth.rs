//! Users and tokens that are right or wrong without further ado.

use portcullis_core::{
    Auth, AuthBuilder, BoxFuture, Context, Credential, Identity, Outcome, Provider, Reason, Scheme,
};

#[derive(Debug)]
struct Known {
    scheme: Scheme,
    list: Vec<(&'static str, Identity)>,
}

impl Provider for Known {
    fn kind(&self) -> &'static str {
        match self.scheme {
            Scheme::Bearer => "tokens",
            _ => "users",
        }
    }

    fn scheme(&self) -> Scheme {
        self.scheme
    }

    fn try_authenticate(&self, credential: &Credential<'_>, _: &Context<'_>) -> Option<Outcome> {
        let name = match credential {
            Credential::Basic(basic) if basic.password() == "password" => basic.username(),
            Credential::Bearer(bearer) => bearer.token(),
            _ => "",
        };
        let found = self.list.iter().find(|(known, _)| *known == name);
        Some(match found {
            Some((_, identity)) => Outcome::known(identity.clone()),
            None => Outcome::refused(Reason::Other, "nobody knows this credential"),
        })
    }

    fn authenticate<'a>(
        &'a self,
        credential: &'a Credential<'a>,
        cx: &'a Context<'a>,
    ) -> BoxFuture<'a, Outcome> {
        let outcome = self.try_authenticate(credential, cx);
        Box::pin(async move { outcome.expect("it always answers at once") })
    }
}

/// Users `alice` (scope `hello`) and `root` (scopes `hello` and `admin`), whose password is `password`.
pub(crate) fn users() -> impl Provider {
    let list = vec![
        ("alice", Identity::new("alice").with_scopes(["hello"])),
        ("root", Identity::new("root").with_scopes(["hello", "admin"])),
    ];
    Known { scheme: Scheme::Basic, list }
}

/// Tokens `good` (of somebody with an awkward name), `nameless`.
fn tokens() -> impl Provider {
    let list = vec![
        (
            "good",
            Identity::new("Zoë, \"the\" first")
                .with_issuer("https://idp.example/")
                .with_scopes(["hello", "a b"]),
        ),
        ("nameless", Identity::anonymous().with_scopes(["hello"])),
    ];
    Known { scheme: Scheme::Bearer, list }
}

/// A service at `path` that takes users and tokens with the scope `hello`.
pub(crate) fn guarded(path: &str) -> AuthBuilder {
    Auth::builder().path(path).element(users(), "hello").element(tokens(), "hello")
}
