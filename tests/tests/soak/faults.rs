//! What goes wrong, and what changes, by a schedule that the seed decides.

use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};

use http::StatusCode;
use portcullis_testing::Fault;
use portcullis_tests::Running;
use tokio::task::JoinSet;
use tokio::time::{sleep_until, timeout_at};

use crate::model::Server;
use crate::random::Random;
use crate::world::{World, every};

pub(crate) fn all(world: &Arc<World>, random: &mut Random) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    for server in Server::ALL {
        tasks.spawn(server_fails(Arc::clone(world), server, random.fork()));
    }
    tasks.spawn(keys_change(Arc::clone(world), random.fork()));
    tasks.spawn(tokens_are_revoked(Arc::clone(world)));
    tasks
}

fn fault(random: &mut Random) -> (&'static str, Fault) {
    match random.below(11) {
        0 => ("cut before an answer", Fault::CutAfter(0)),
        1 => ("cut within an answer", Fault::CutAfter(1 + random.below(200))),
        2 => ("error 500", Fault::Answer(StatusCode::INTERNAL_SERVER_ERROR)),
        3 => ("error 404", Fault::Answer(StatusCode::NOT_FOUND)),
        4 => ("empty answer", Fault::Answer(StatusCode::OK)),
        5 => ("garbage", Fault::Garbage),
        6 => ("slow", Fault::Delay(Duration::from_millis(random.between(50, 1_500)))),
        7 => ("byte by byte", Fault::Drip(Duration::from_millis(5))),
        8 => ("black hole", Fault::BlackHole),
        9 => ("half closed", Fault::HalfClose),
        _ => ("refused", Fault::Refuse),
    }
}

/// Waits until a moment of the schedule, or the end.
async fn until(world: &World, moment: Instant) {
    let mut ticks = every(Duration::from_millis(50));
    while !world.has_ended() && Instant::now() < moment {
        let _ = timeout_at(moment.into(), ticks.tick()).await;
    }
}

async fn server_fails(world: Arc<World>, server: Server, mut random: Random) {
    // Everybody has been let in once before: a gateway that starts without its servers is another test's matter.
    let mut next = Instant::now() + Duration::from_millis(random.between(500, 3_000));
    loop {
        until(&world, next).await;
        if world.has_ended() {
            return;
        }
        let (name, fault) = fault(&mut random);
        world.model.goes(server);
        if random.one_in(8) {
            world.report.happened(format!("{server:?}: restarted"));
            world.proxy(server).cut().await;
        } else {
            world.report.happened(format!("{server:?}: {name}"));
            world.proxy(server).set(fault).await;
            until(&world, Instant::now() + Duration::from_millis(random.between(300, 6_000))).await;
            world.proxy(server).set(Fault::None).await;
        }
        world.model.comes_back(server);
        // Longer than the grace, so that there is a time in which every answer is due.
        next = Instant::now() + Duration::from_millis(random.between(2_000, 16_000));
    }
}

async fn keys_change(world: Arc<World>, mut random: Random) {
    loop {
        until(&world, Instant::now() + Duration::from_millis(random.between(3_000, 9_000))).await;
        if world.has_ended() {
            return;
        }
        if world.model.live_keys().len() < 3 {
            world.publish();
            world.report.happened("keys published");
        }
        until(&world, Instant::now() + Duration::from_millis(random.between(1_000, 9_000))).await;
        if let Some(kid) = world.model.retires() {
            world.issuer.retire(&kid);
            world.report.happened("keys retired");
        }
    }
}

async fn tokens_are_revoked(world: Arc<World>) {
    let mut ticks = every(Duration::from_millis(1_500));
    while !world.has_ended() {
        ticks.tick().await;
        let token = world.grant();
        world.model.is_used(&token);
        if let Some(token) = world.model.revokes() {
            world.introspection.revoke(&token);
            world.report.happened("tokens revoked");
        }
    }
}

/// Takes up one version of the configuration after another, on a thread of its own: it reads the gateway's log.
pub(crate) fn reload(world: &World, running: &mut Running, mut random: Random) {
    for version in 1.. {
        let next = Instant::now() + Duration::from_millis(random.between(2_000, 9_000));
        while Instant::now() < next && !world.has_ended() {
            std::thread::park_timeout(Duration::from_millis(50));
        }
        if world.has_ended() {
            return;
        }
        world.model.versions.written.store(version, SeqCst);
        world.write(version);
        running.hang_up();
        let generation = format!("generation={} ", version + 1);
        running.stderr().wait_for("the version to be in use", |line| {
            assert!(!line.contains("the new version of the configuration is refused"), "{line}");
            line.contains(&generation).then_some(())
        });
        world.model.is_in_use(version);
        world.report.happened("versions of the configuration taken up");
    }
}

/// Ends it all at this moment.
pub(crate) async fn end_at(world: &World, moment: Instant) {
    sleep_until(moment.into()).await;
    world.ended.store(true, SeqCst);
}
