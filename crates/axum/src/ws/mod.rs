//! WebSockets that do not outlive the credential they were opened with.

mod closing;
mod lease;
mod socket;
mod upgrade;

pub use self::{
    closing::Closed,
    lease::ConnectionLease,
    socket::GuardedSocket,
    upgrade::{GuardedUpgrade, GuardedUpgradeRejection, UpgradeExt},
};
