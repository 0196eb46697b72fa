//! A service whose configuration changes while it runs.
//!
//! An [`Auth`] is one version, and stays what it is. A [`LiveAuth`] says which version is in use: whoever decides on a
//! request takes it once, at the start, and keeps to it.

mod reconsider;
mod standing;

use std::{
    fmt,
    ops::Deref,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use arc_swap::ArcSwap;
use http::Method;
use tokio::sync::watch;

pub use self::standing::{Opening, Standing};
pub(crate) use self::{reconsider::Verdict, standing::Held};
use crate::{Auth, BuildError, Policy, RequestHead, Resource};

/// Which version of a service is in use: always the same one, or one that is replaced while the service runs.
///
/// Layers take either: `AuthLayer::new(auth)` with an [`Auth`] never changes and costs nothing more, and with one that
/// is [`LiveAuth::following`] each request is decided by the version that is in use when it comes. Clones follow together.
///
/// ```
/// use portcullis_core::{Auth, LiveAuth};
///
/// let live = LiveAuth::following(Auth::builder().public().build()?);
/// let before = live.now().clone(); // a version stays what it is
/// live.replace(Auth::builder().refuse_uncovered().build()?)?;
/// assert!(before.policy().is_public() && !live.now().policy().is_public());
/// # Ok::<_, portcullis_core::BuildError>(())
/// ```
#[derive(Clone)]
pub struct LiveAuth(Kind);

#[derive(Clone)]
enum Kind {
    Fixed(Auth),
    Following(Arc<Cell>),
}

/// Policies that a router settled for its routes, all of one version.
pub trait SettledPolicies: Send + Sync + 'static {
    /// The policy of the route at `position`; `None` where each request is judged by its path.
    fn policy(&self, position: usize, method: &Method) -> Option<&Policy>;
}

/// What follows from a version for whoever builds on it, such as a router.
#[non_exhaustive]
pub struct Derived {
    /// The service.
    pub auth: Auth,
    /// What a router settled for its routes.
    pub settled: Option<Arc<dyn SettledPolicies>>,
}

type Derive = dyn Fn(&Auth) -> Result<Derived, BuildError> + Send + Sync;

/// One version.
struct Snapshot {
    derived: Derived,
    version: u64,
}

struct Cell {
    now: ArcSwap<Snapshot>,
    family: Arc<Family>,
    /// What it was derived from. It is kept, or nobody would hand a version on once its own holder is gone.
    parent: Option<Arc<Self>>,
    /// Touched only by whoever holds the family's lock.
    children: Mutex<Vec<Child>>,
}

/// What was derived from one service, and the service itself.
struct Family {
    /// Held while a version replaces another, and while something new is derived: nothing misses a version.
    turn: Mutex<u64>,
    versions: watch::Sender<u64>,
}

struct Child {
    cell: Weak<Cell>,
    derive: Box<Derive>,
}

impl LiveAuth {
    /// A service that starts as `auth`, and can be replaced.
    #[must_use]
    pub fn following(auth: Auth) -> Self {
        let family = Arc::new(Family { turn: Mutex::new(0), versions: watch::Sender::new(0) });
        Self(Kind::Following(Arc::new(Cell::new(Derived::of(auth), 0, family, None))))
    }

    /// Whether it can be replaced.
    #[must_use]
    pub const fn is_following(&self) -> bool {
        matches!(self.0, Kind::Following(_))
    }

    /// The version that is in use. Take it once for each request.
    #[must_use]
    pub fn now(&self) -> Now<'_> {
        Now(match &self.0 {
            Kind::Fixed(auth) => Taken::Fixed(auth),
            Kind::Following(cell) => Taken::Loaded(cell.now.load()),
        })
    }

    /// The same service with more resources, in every version.
    ///
    /// # Errors
    ///
    /// As [`Auth::with_resource`]; a later version with which it does not fit is refused.
    pub fn with_resource(&self, resource: Resource) -> Result<Self, BuildError> {
        match &self.0 {
            Kind::Fixed(auth) => auth.with_resource(resource).map(Self::from),
            Kind::Following(_) => {
                self.derive(move |auth| auth.with_resource(resource.clone()).map(Derived::of))
            }
        }
    }

    /// What follows from each version. A version from which it does not follow is refused as a whole.
    ///
    /// # Errors
    ///
    /// Those of `derive` for the version that is in use.
    pub fn derive(
        &self,
        derive: impl Fn(&Auth) -> Result<Derived, BuildError> + Send + Sync + 'static,
    ) -> Result<Self, BuildError> {
        let cell = match &self.0 {
            Kind::Fixed(auth) => return Ok(Self(Kind::Fixed(derive(auth)?.auth))),
            Kind::Following(cell) => cell,
        };
        let turn = locked(&cell.family.turn);
        let derived = derive(&cell.now.load().derived.auth)?;
        let parent = Some(Arc::clone(cell));
        let child = Arc::new(Cell::new(derived, *turn, Arc::clone(&cell.family), parent));
        let derive = Box::new(derive);
        locked(&cell.children).push(Child { cell: Arc::downgrade(&child), derive });
        Ok(Self(Kind::Following(child)))
    }

    /// Makes another version ready, without putting it in use: for whoever replaces several services at once. What was derived
    /// is derived from it again, this one too where it was.
    ///
    /// # Errors
    ///
    /// Where something that was derived does not follow from it, or the service never changes. It is left as it is then.
    pub fn prepare(&self, auth: Auth) -> Result<Replacement<'_>, BuildError> {
        let Kind::Following(own) = &self.0 else {
            return Err(BuildError::new("this service does not follow a configuration"));
        };
        let mut cell = own;
        while let Some(parent) = &cell.parent {
            cell = parent;
        }
        let turn = locked(&cell.family.turn);
        let version = turn.saturating_add(1);
        let (mut ready, mut problems) = (Vec::new(), Vec::new());
        Cell::prepare(cell, Derived::of(auth), version, &mut ready, &mut problems);
        if problems.is_empty() {
            return Ok(Replacement { ready, version, turn, versions: &cell.family.versions });
        }
        Err(BuildError::new(problems.join("\n")))
    }

    /// Puts another version in use, for every request that comes from now on.
    ///
    /// # Errors
    ///
    /// As [`LiveAuth::prepare`].
    pub fn replace(&self, auth: Auth) -> Result<(), BuildError> {
        self.prepare(auth).map(Replacement::commit)
    }

    /// On what an admission to the version `now` stands: what it takes to judge it by later versions. `None` where there
    /// are none. `position` is that of the route in a router that settled its policies.
    #[must_use]
    pub fn standing(
        &self,
        now: &Now<'_>,
        request: &RequestHead<'_>,
        position: Option<usize>,
    ) -> Option<Arc<dyn Standing>> {
        let (Kind::Following(cell), Taken::Loaded(snapshot)) = (&self.0, &now.0) else { return None };
        Some(standing::of_request(Arc::clone(cell), snapshot, request, position))
    }
}

impl Cell {
    fn new(derived: Derived, version: u64, family: Arc<Family>, parent: Option<Arc<Self>>) -> Self {
        let now = ArcSwap::from_pointee(Snapshot { derived, version });
        Self { now, family, parent, children: Mutex::default() }
    }

    /// Adds this cell's next snapshot to `ready`, and those of all that was derived from it.
    fn prepare(
        self: &Arc<Self>,
        derived: Derived,
        version: u64,
        ready: &mut Vec<(Arc<Self>, Arc<Snapshot>)>,
        problems: &mut Vec<String>,
    ) {
        locked(&self.children).retain(|child| {
            let Some(cell) = child.cell.upgrade() else { return false };
            match (child.derive)(&derived.auth) {
                Ok(derived) => cell.prepare(derived, version, ready, problems),
                Err(error) => problems.push(error.to_string()),
            }
            true
        });
        ready.push((Arc::clone(self), Arc::new(Snapshot { derived, version })));
    }
}

/// Another version of a service, ready and not yet in use.
#[must_use = "a version is not in use before it is committed"]
pub struct Replacement<'l> {
    ready: Vec<(Arc<Cell>, Arc<Snapshot>)>,
    version: u64,
    turn: MutexGuard<'l, u64>,
    versions: &'l watch::Sender<u64>,
}

impl Replacement<'_> {
    /// Puts it in use. Connections that stay open are then judged by it, see [`Standing`].
    pub fn commit(mut self) {
        for (cell, snapshot) in self.ready {
            cell.now.store(snapshot);
        }
        *self.turn = self.version;
        self.versions.send_replace(self.version);
    }
}

impl fmt::Debug for Replacement<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Replacement").field("version", &self.version).finish_non_exhaustive()
    }
}

/// A version of a service that was taken for one request. It stays what it is while others replace it.
pub struct Now<'l>(Taken<'l>);

enum Taken<'l> {
    Fixed(&'l Auth),
    Loaded(arc_swap::Guard<Arc<Snapshot>>),
}

impl Now<'_> {
    /// The policy that a router settled in this version for its route at `position`.
    #[must_use]
    pub fn settled(&self, position: usize, method: &Method) -> Option<&Policy> {
        match &self.0 {
            Taken::Fixed(_) => None,
            Taken::Loaded(snapshot) => snapshot.settled(position, method),
        }
    }
}

impl Snapshot {
    fn settled(&self, position: usize, method: &Method) -> Option<&Policy> {
        self.derived.settled.as_ref()?.policy(position, method)
    }
}

impl Deref for Now<'_> {
    type Target = Auth;

    fn deref(&self) -> &Auth {
        match &self.0 {
            Taken::Fixed(auth) => auth,
            Taken::Loaded(snapshot) => &snapshot.derived.auth,
        }
    }
}

impl Derived {
    /// The service as it is.
    #[must_use]
    pub const fn of(auth: Auth) -> Self {
        Self { auth, settled: None }
    }

    /// The same with what a router settled for its routes.
    #[must_use]
    pub fn settled(self, settled: Arc<dyn SettledPolicies>) -> Self {
        Self { settled: Some(settled), ..self }
    }
}

impl From<Auth> for LiveAuth {
    fn from(auth: Auth) -> Self {
        Self(Kind::Fixed(auth))
    }
}

impl From<&Auth> for LiveAuth {
    fn from(auth: &Auth) -> Self {
        Self(Kind::Fixed(auth.clone()))
    }
}

impl From<&Self> for LiveAuth {
    fn from(live: &Self) -> Self {
        live.clone()
    }
}

/// Nothing panics under these locks but what a caller derives, and that leaves all as it was.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for LiveAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LiveAuth")
            .field("following", &self.is_following())
            .field("now", &*self.now())
            .finish()
    }
}

impl fmt::Debug for Now<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

impl fmt::Debug for Derived {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Derived").field("auth", &self.auth).finish_non_exhaustive()
    }
}
