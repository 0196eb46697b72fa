//! Looking at the files, and taking up what is new.

use std::sync::Arc;

use portcullis_core::{Auth, LiveAuth, config::Problem};

use super::{Commit, Inner, Reloaded, contain, locked, outcome};
use crate::{
    Config, ConfigError, ServiceConfig,
    config::keeping::{Contents, Keeping, contents_now},
};

/// How often files that change while they are read are read again at once.
const ATTEMPTS: usize = 5;

/// What is known of the files.
pub(super) struct Watch {
    /// What the version in use was made of.
    used: Contents,
    /// What was found last, where that is something new.
    found: Option<Contents>,
    refused: Option<Refused>,
}

/// A version that was refused.
struct Refused {
    contents: Contents,
    /// It may be taken up without a change of its files: a server that has to be there was not.
    may_become_right: bool,
    text: String,
}

/// A version that was read.
struct Candidate {
    contents: Contents,
    /// Whether the files changed while it was read.
    is_torn: bool,
    config: Result<Config, ConfigError>,
}

impl Candidate {
    /// Whether something changed between a look at the files and the reading of them.
    fn differs_from(&self, seen: &Contents) -> bool {
        let changed = |(noted, content)| seen.get(noted).is_some_and(|seen| seen != content);
        self.contents.iter().any(changed)
    }
}

/// Why a version is not taken up.
struct Unfit {
    error: ConfigError,
    may_become_right: bool,
}

impl Watch {
    pub(super) fn of(config: &Config) -> Self {
        Self { used: config.keeping.contents(), found: None, refused: None }
    }

    /// Everything whose content may make a difference.
    fn looked_at(&self) -> Contents {
        let mut all = self.used.clone();
        if let Some(refused) = &self.refused {
            all.extend(refused.contents.iter().map(|(noted, content)| (noted.clone(), *content)));
        }
        all
    }
}

/// Whether everything in `of` has the same content `now`.
fn is_same(of: &Contents, now: &Contents) -> bool {
    of.iter().all(|(noted, content)| now.get(noted) == Some(content))
}

impl Inner {
    pub(super) async fn reload(self: &Arc<Self>) -> Result<Reloaded, ConfigError> {
        let mut watch = self.turn.lock().await;
        let now = self.look(watch.looked_at()).await;
        if is_same(&watch.used, &now) {
            self.unchanged(&mut watch);
            self.told.unchanged();
            return Ok(outcome::nothing_new(&self.now.load(), self.told.state().generation));
        }
        let mut candidate = self.read(&now).await;
        for _ in 1..ATTEMPTS {
            if !candidate.is_torn {
                break;
            }
            candidate = self.read(&now).await;
        }
        self.decide(&mut watch, candidate, true).await
    }

    pub(super) async fn check(self: &Arc<Self>) -> Option<Result<Reloaded, ConfigError>> {
        let mut watch = self.turn.lock().await;
        let now = self.look(watch.looked_at()).await;
        if is_same(&watch.used, &now) {
            self.unchanged(&mut watch);
            return None;
        }
        match &watch.refused {
            Some(refused) if is_same(&refused.contents, &now) && !refused.may_become_right => return None,
            Some(refused) if is_same(&refused.contents, &now) => {}
            _ if watch.found.as_ref() != Some(&now) => {
                // Perhaps somebody is still writing.
                watch.found = Some(now);
                return None;
            }
            _ => {}
        }
        let candidate = self.read(&now).await;
        if candidate.is_torn || candidate.differs_from(&now) {
            watch.found = None;
            return None;
        }
        let known = watch.refused.as_ref().map(|refused| refused.text.clone());
        let outcome = self.decide(&mut watch, candidate, false).await;
        match &outcome {
            // It was said before.
            Err(error) if known.as_deref() == Some(&*error.to_string()) => None,
            _ => Some(outcome),
        }
    }

    fn unchanged(&self, watch: &mut Watch) {
        (watch.found, watch.refused) = (None, None);
        self.told.back_to_the_version_in_use();
    }

    async fn look(self: &Arc<Self>, of: Contents) -> Contents {
        let inner = Arc::clone(self);
        let nothing: Contents = of.keys().map(|noted| (noted.clone(), None)).collect();
        let look = move || {
            let source = (inner.builder)().source;
            contents_now(&of, source.as_deref())
        };
        // Where it panics, everything has changed, and reading it says what is wrong.
        tokio::task::spawn_blocking(look).await.unwrap_or(nothing)
    }

    /// `seen` is what a look at the files found before.
    async fn read(self: &Arc<Self>, seen: &Contents) -> Candidate {
        let inner = Arc::clone(self);
        let keeping = self.now.load().keeping.following();
        let noting = keeping.clone();
        let read = move || {
            let (mut builder, source) = ((inner.builder)(), (inner.builder)().source);
            builder.clock.get_or_insert_with(|| Arc::clone(&inner.clock));
            builder.keeping = noting.clone();
            builder.quiet = true;
            let config = builder.load(&inner.path);
            noting.forget_earlier();
            let contents = noting.contents();
            let is_torn = contents_now(&contents, source.as_deref()) != contents;
            Candidate { contents, is_torn, config }
        };
        tokio::task::spawn_blocking(read).await.unwrap_or_else(|_| {
            let text = "the program panicked while the configuration was read: please report it";
            let config = Err(self.error(text));
            // How far it came nobody knows: it is read again when any of them changes.
            let mut contents = seen.clone();
            contents.extend(Keeping::contents(&keeping));
            Candidate { contents, is_torn: false, config }
        })
    }

    /// Takes a version up, or refuses it.
    async fn decide(
        self: &Arc<Self>,
        watch: &mut Watch,
        candidate: Candidate,
        anew: bool,
    ) -> Result<Reloaded, ConfigError> {
        let Candidate { contents, is_torn, config } = candidate;
        let taken = match config {
            _ if is_torn => Err(Unfit {
                error: self.error("its files changed again and again while they were read: try again"),
                may_become_right: true,
            }),
            Err(error) => Err(Unfit { error, may_become_right: false }),
            Ok(config) => self.take_up(config, &watch.used, &contents).await,
        };
        watch.found = None;
        match taken {
            Ok(reloaded) => {
                (watch.used, watch.refused) = (contents, None);
                Ok(reloaded)
            }
            Err(Unfit { error, may_become_right }) => {
                let text = error.to_string();
                if anew || watch.refused.as_ref().is_none_or(|refused| refused.text != text) {
                    self.told.refused(&error, self.clock.now());
                }
                watch.refused = Some(Refused { contents, may_become_right, text });
                Err(error)
            }
        }
    }

    /// Makes everything ready that follows, and then puts it in use.
    async fn take_up(
        self: &Arc<Self>,
        config: Config,
        before: &Contents,
        after: &Contents,
    ) -> Result<Reloaded, Unfit> {
        let config = Arc::new(config);
        let services = locked(&self.services).clone();
        let mut problems = Vec::new();
        let mut auths: Vec<(&LiveAuth, Auth)> = Vec::new();
        for (path, live) in &services {
            let Ok(service) = config.service(path) else {
                return Err(Unfit {
                    error: self.error(format!(
                        "the program serves {path}, and the new version has no such service: restart the program, or keep it"
                    )),
                    may_become_right: false,
                });
            };
            match ServiceConfig::build(service).await {
                Ok(auth) => auths.push((live, auth)),
                Err(error) => problems.push(format!("service {path}: {error}")),
            }
        }
        let followers = locked(&self.followers).clone();
        let mut commits: Vec<Commit> = Vec::new();
        for follower in &followers {
            match contain::prepare(&**follower, &config).await {
                Ok(commit) => commits.push(commit),
                Err(error) => problems.extend(error.to_string().lines().map(str::to_owned)),
            }
        }
        if !problems.is_empty() {
            return Err(Unfit { error: self.errors(problems), may_become_right: true });
        }
        // From here on nothing waits: whoever looks sees all of the one version or all of the other.
        let mut replacements = Vec::new();
        for (live, auth) in auths {
            match contain::replacement(live, auth) {
                Ok(replacement) => replacements.push(replacement),
                Err(error) => problems.extend(error.to_string().lines().map(str::to_owned)),
            }
        }
        if !problems.is_empty() {
            return Err(Unfit { error: self.errors(problems), may_become_right: false });
        }
        replacements.into_iter().for_each(portcullis_core::Replacement::commit);
        commits.into_iter().for_each(contain::commit);
        let old = self.now.swap(Arc::clone(&config));
        self.taken.notify_one();
        config.log_warnings();
        let reloaded = outcome::compare(&old, &config, before, after);
        Ok(self.told.taken(reloaded, self.clock.now()))
    }

    fn error(&self, text: impl Into<String>) -> ConfigError {
        self.errors(vec![text.into()])
    }

    fn errors(&self, texts: Vec<String>) -> ConfigError {
        let problems = texts.into_iter().map(|text| Problem::new("", None, text));
        ConfigError::new(Some(&self.path), problems.collect())
    }
}
