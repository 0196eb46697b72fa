//! Who calls: over which protocol, from where, how often.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::model::Expect;
use crate::random::Random;
use crate::wire::{Wire, Wire2, request};
use crate::world::{World, every};
use crate::{good, hostile};

/// A request and what may come of it.
pub(crate) struct Shot {
    pub(crate) kind: &'static str,
    /// What it is, without secrets.
    pub(crate) what: String,
    pub(crate) path: String,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) expect: Expect,
}

impl Shot {
    pub(crate) fn new(kind: &'static str, path: &str, expect: Expect) -> Self {
        Self { kind, what: path.to_owned(), path: path.to_owned(), headers: Vec::new(), expect }
    }

    pub(crate) fn bearer(self, token: &str) -> Self {
        self.authorization(format!("Bearer {token}"))
    }

    pub(crate) fn basic(self, name: &str, password: &str) -> Self {
        use base64::{Engine, engine::general_purpose::STANDARD};
        self.authorization(format!("Basic {}", STANDARD.encode(format!("{name}:{password}"))))
    }

    pub(crate) fn authorization(mut self, value: String) -> Self {
        self.headers.push(("authorization", value));
        self
    }

    pub(crate) fn said(mut self, what: &str) -> Self {
        self.what = format!("{} ({what})", self.what);
        self
    }
}

/// Makes a request of somebody at this address.
pub(crate) type Make = fn(&World, &mut Random, IpAddr) -> Shot;

/// Where requests come from.
#[derive(Clone, Copy, Debug)]
pub(crate) enum From {
    /// One address, on a kept connection of HTTP/1.1.
    Kept(u8, u8),
    /// One address, on a connection of HTTP/2.
    Kept2(u8, u8),
    /// Another address for each, by a proxy that is trusted, on a kept connection.
    Everywhere(u8),
}

/// Everybody, each with his pace.
pub(crate) fn all(world: &Arc<World>, random: &mut Random) -> JoinSet<()> {
    let callers: &[(From, u64, Make)] = &[
        (From::Kept(1, 1), 100, good::alice),
        (From::Kept2(1, 2), 150, good::bob),
        (From::Kept(1, 3), 150, good::carla),
        (From::Kept2(1, 4), 150, good::dora),
        (From::Kept(1, 5), 100, good::changing),
        (From::Kept(1, 22), 300, good::careless),
        (From::Kept2(2, 1), 40, good::fixed_again),
        (From::Kept(2, 2), 40, good::fixed_anew),
        (From::Kept2(2, 3), 40, good::key_again),
        (From::Kept(2, 4), 40, good::key_anew),
        (From::Kept(2, 5), 50, good::opaque_again),
        (From::Kept2(2, 6), 40, good::opaque_anew),
        (From::Kept(2, 7), 1_000, good::newest_key),
        (From::Kept(3, 1), 100, good::ann),
        (From::Kept2(3, 2), 100, good::ben),
        (From::Kept(3, 3), 60, good::nobody),
        (From::Kept2(3, 4), 100, good::without_scope),
        (From::Kept2(66, 1), 15, hostile::token_of_fixed),
        (From::Kept(66, 2), 30, hostile::token_of_keys),
        (From::Kept(66, 3), 60, hostile::token_anywhere),
        (From::Everywhere(1), 60, hostile::token_of_keys),
        (From::Everywhere(2), 30, hostile::random_token),
        (From::Kept(66, 4), 60, hostile::random_token),
        (From::Everywhere(3), 150, hostile::revoked_token),
        (From::Everywhere(4), 100, hostile::retired_key),
        (From::Everywhere(5), 300, hostile::password_of_file),
        (From::Kept(67, 1), 200, hostile::password_of_file),
        (From::Everywhere(6), 1_000, hostile::old_password),
        (From::Everywhere(7), 150, hostile::password_of_people),
        (From::Kept2(67, 2), 60, hostile::password_of_people),
        (From::Everywhere(8), 2, hostile::nobody_of_people),
        (From::Everywhere(9), 2, hostile::nobody_of_people),
        (From::Kept(68, 1), 25, hostile::malformed),
        (From::Kept(68, 2), 40, hostile::path),
        (From::Kept(68, 3), 300, hostile::oversized),
    ];
    let mut tasks = JoinSet::new();
    for (from, pace, make) in callers {
        tasks.spawn(run(Arc::clone(world), *from, Duration::from_millis(*pace), *make, random.fork()));
    }
    tasks
}

enum Line {
    None,
    One(Wire),
    Two(Wire2),
}

async fn run(world: Arc<World>, from: From, pace: Duration, make: Make, mut random: Random) {
    let mut ticks = every(pace);
    let mut line = Line::None;
    while !world.has_ended() {
        ticks.tick().await;
        let (own, shown) = match from {
            From::Kept(third, last) | From::Kept2(third, last) => {
                let own = Ipv4Addr::new(127, 0, third, last);
                (own, own.into())
            }
            From::Everywhere(last) => (Ipv4Addr::new(127, 0, 255, last), anywhere(&mut random)),
        };
        let mut shot = make(&world, &mut random, shown);
        if shown != IpAddr::V4(own) {
            shot.headers.push(("x-forwarded-for", shown.to_string()));
        }
        world.model.sends(&shot.expect);
        let sent = Instant::now();
        let answer = ask(&world, &mut line, from, own, &shot).await;
        if !matches!(&answer, Ok(Some(answer)) if !answer.last) {
            line = Line::None;
        }
        let what = format!("{} from {shown}", shot.what);
        world.report.judge(&world.model, shot.kind, &what, &shot.expect, sent, &answer);
    }
}

async fn ask(
    world: &World,
    line: &mut Line,
    from: From,
    own: Ipv4Addr,
    shot: &Shot,
) -> io::Result<Option<crate::wire::Answer>> {
    if matches!(line, Line::None) {
        *line = match from {
            From::Kept2(..) => Line::Two(Wire2::connect(own, world.gateway).await?),
            _ => Line::One(Wire::connect(own, world.gateway).await?),
        };
    }
    match line {
        Line::Two(wire) => {
            wire.ask(&format!("http://soak.example{}", shot.path), &shot.headers).await.map(Some)
        }
        Line::One(wire) => {
            let sent = wire.send(&request(&shot.path, &shot.headers)).await;
            // Whoever does not read on may have answered already.
            match wire.answer().await {
                Ok(Some(answer)) => Ok(Some(answer)),
                other => sent.and(other),
            }
        }
        Line::None => unreachable!("it was connected"),
    }
}

/// An address that hardly anybody had before: of networks that are for tests.
pub(crate) fn anywhere(random: &mut Random) -> IpAddr {
    let bits = random.next();
    if random.one_in(4) {
        let part = |shift: u32| (bits >> shift) as u16;
        return Ipv6Addr::new(0x2001, 0xdb8, part(0), part(16), part(32), 0, 0, 1).into();
    }
    Ipv4Addr::new(198, 18 + (bits & 1) as u8, (bits >> 8) as u8, (bits >> 16) as u8).into()
}
