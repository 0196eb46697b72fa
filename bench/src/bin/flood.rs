//! What a flood of wrong passwords does to somebody else's traffic, beside as many requests without credentials: in one run, in
//! turns, in one process.
//!
//! ```text
//! cargo run --release --bin flood [-- SECONDS ROUNDS RATE]
//! ```
//!
//! Two kinds of traffic are measured, both with remembered tokens: one that asks all the time (how many a second), and one that asks
//! 2,000 times a second (how late its answers are, from when each was due). The floods come by the clock, whether or not the answers
//! do. "cost" is what the process spent on processors beyond what it spends without a flood, by request of the flood.

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use bench::Outcome;
use http::{HeaderMap, HeaderValue, Method, header::AUTHORIZATION};
use portcullis::{
    Auth, FileUserStore, JwtValidator, JwtValidatorConfig, RequestHead, RequiredScopes, Step, Throttle, User,
    jwt::{JwtIssuer, JwtIssuerConfig, SignatureConfig, SigningConfig},
};
use tokio::runtime::{Builder, Runtime};

const SECRET: &str = "a secret of the benchmark that is long enough for HS256";
const TOKENS: usize = 256;
const PACED: u64 = 2_000;
const WARM_UP: Duration = Duration::from_millis(500);

/// Whose password is guessed, from where.
#[derive(Clone, Copy, PartialEq)]
enum Flood {
    Nothing,
    NoCredential,
    OneUserFromOneAddress,
    OneUserFromAThousand,
    AnybodyFromOneAddress,
    AnybodyFromAThousand,
}

const WRONG: [(Flood, &str); 4] = [
    (Flood::OneUserFromOneAddress, "one user, one address"),
    (Flood::OneUserFromAThousand, "one user, 1,000 addresses"),
    (Flood::AnybodyFromOneAddress, "any user, one address"),
    (Flood::AnybodyFromAThousand, "any user, 1,000 addresses"),
];

/// What one phase gave.
#[derive(Clone, Copy, Default)]
struct Seen {
    rounds: f64,
    throughput: f64,
    mean: f64,
    median: f64,
    late: f64,
    busy: f64,
    flood: f64,
    hashed: f64,
}

impl Seen {
    fn add(&mut self, other: Self) {
        self.rounds += 1.0;
        self.throughput += other.throughput;
        self.mean += other.mean;
        self.median += other.median;
        self.late += other.late;
        self.busy += other.busy;
        self.flood += other.flood;
        self.hashed += other.hashed;
    }

    fn average(self) -> Self {
        let part = |sum: f64| sum / self.rounds.max(1.0);
        Self {
            rounds: 1.0,
            throughput: part(self.throughput),
            mean: part(self.mean),
            median: part(self.median),
            late: part(self.late),
            busy: part(self.busy),
            flood: part(self.flood),
            hashed: part(self.hashed),
        }
    }
}

struct Scene {
    runtime: Runtime,
    auth: Auth,
    tokens: Vec<HeaderMap>,
}

impl Scene {
    fn new() -> Outcome<Self> {
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let validator = JwtValidator::new(
            JwtValidatorConfig::new(SignatureConfig::secret(SECRET)).issuer("id").audience(["orders"]),
        )?;
        let issuer = JwtIssuer::new(
            JwtIssuerConfig::new(SigningConfig::secret(SECRET))
                .issuer("id")
                .audience(["orders"])
                .expiry(Duration::from_secs(86_400)),
        )?;
        let now = portcullis::Clock::now(&portcullis::SystemClock::new());
        let tokens: Result<Vec<_>, Box<dyn std::error::Error>> = (0..TOKENS)
            .map(|_| {
                let token = issuer.issue(now)?;
                Ok(header(format!("Bearer {}", token.expose())))
            })
            .collect();
        let hash = portcullis::file::hash_password("correct horse battery staple");
        let users = FileUserStore::new([User::new("alice", hash)]);
        let auth = Auth::builder()
            .element(users, RequiredScopes::anyone())
            .element(validator, RequiredScopes::anyone())
            .throttle(Throttle::new())
            .build()?;
        Ok(Self { runtime, auth, tokens: tokens? })
    }
}

fn header(value: String) -> HeaderMap {
    HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::try_from(value).expect("a value of a header"))])
}

/// What the process has spent on processors so far. 0 where nobody says.
fn processor_seconds() -> f64 {
    let Ok(stat) = std::fs::read_to_string("/proc/self/stat") else { return 0.0 };
    let after = stat.rsplit_once(") ").map_or("", |(_, after)| after);
    let ticks: f64 = after.split(' ').skip(11).take(2).filter_map(|field| field.parse::<f64>().ok()).sum();
    ticks / 100.0
}

fn main() -> Outcome {
    let mut arguments = std::env::args().skip(1).map(|argument| argument.parse::<u64>());
    let seconds = arguments.next().transpose()?.unwrap_or(5);
    let rounds = arguments.next().transpose()?.unwrap_or(3);
    let rate = arguments.next().transpose()?.unwrap_or(10_000);
    println!("{rate} requests a second for {seconds} s, {rounds} rounds");
    println!(
        "{:<28} {:>10} {:>8} {:>8} {:>8} {:>9} {:>9} {:>8} | {:>6} {:>6} {:>6}",
        "flood", "JWT/s", "mean", "p50", "p99", "flood/s", "hashed/s", "cost", "JWT/s", "mean", "p99"
    );
    for (flood, name) in WRONG {
        let mut sums = [Seen::default(); 3];
        for _ in 0..rounds {
            // Each round has a throttle of its own: it meets the flood for the first time.
            let scene = Scene::new()?;
            for (sum, flood) in sums.iter_mut().zip([Flood::Nothing, Flood::NoCredential, flood]) {
                sum.add(phase(&scene, flood, rate, Duration::from_secs(seconds)));
            }
        }
        let [nothing, without, wrong] = sums.map(Seen::average);
        tell("nothing", &nothing, &nothing, &without);
        tell("no credential", &without, &nothing, &without);
        tell(name, &wrong, &nothing, &without);
        println!();
    }
    println!("The last three columns are times what they are where requests come without credentials.");
    Ok(())
}

fn tell(name: &str, seen: &Seen, nothing: &Seen, without: &Seen) {
    let cost = if seen.flood > 0.0 { (seen.busy - nothing.busy) / seen.flood * 1e6 } else { 0.0 };
    println!(
        "{name:<28} {:>10.0} {:>6.1}us {:>6.1}us {:>6.0}us {:>9.0} {:>9.0} {:>6.1}us | {:>6.2} {:>6.2} {:>6.2}",
        seen.throughput,
        seen.mean,
        seen.median,
        seen.late,
        seen.flood,
        seen.hashed,
        cost,
        without.throughput / seen.throughput,
        seen.mean / without.mean,
        seen.late / without.late,
    );
}

/// Half of the time somebody asks all the time, and half of it at a steady pace; the flood goes on meanwhile.
fn phase(scene: &Scene, flood: Flood, rate: u64, span: Duration) -> Seen {
    let stop = Arc::new(AtomicBool::new(false));
    let (sent, hashed) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let flooding = (flood != Flood::Nothing).then(|| {
        let (auth, stop) = (scene.auth.clone(), Arc::clone(&stop));
        let (sent, hashed) = (Arc::clone(&sent), Arc::clone(&hashed));
        scene.runtime.spawn(pour(auth, flood, rate, stop, sent, hashed))
    });
    // What comes first at once, such as the guesses that are free, is over: it is a burst, and not a rate.
    std::thread::sleep(WARM_UP);
    let (began, spent, before) = (Instant::now(), processor_seconds(), sent.load(Ordering::Relaxed));
    let hashed_before = hashed.load(Ordering::Relaxed);
    let mut late = steady(&scene.auth, &scene.tokens, span / 2);
    let took = began.elapsed().as_secs_f64();
    let busy = (processor_seconds() - spent) / took;
    let per_second = |count: &AtomicU64, before: u64| (count.load(Ordering::Relaxed) - before) as f64 / took;
    let (flood, hashed) = (per_second(&sent, before), per_second(&hashed, hashed_before));
    let asked = always(&scene.auth, &scene.tokens, span / 2);
    stop.store(true, Ordering::Relaxed);
    if let Some(flooding) = flooding {
        let _ended = scene.runtime.block_on(flooding);
    }
    late.sort_unstable();
    let microseconds = |nanoseconds: u64| nanoseconds as f64 / 1e3;
    let at = |part: f64| late.get((late.len() as f64 * part) as usize).copied().unwrap_or_default();
    Seen {
        rounds: 1.0,
        throughput: asked,
        mean: microseconds(late.iter().sum::<u64>()) / late.len().max(1) as f64,
        median: microseconds(at(0.5)),
        late: microseconds(at(0.99)),
        busy,
        flood,
        hashed,
    }
}

/// The flood: a batch each millisecond.
async fn pour(
    auth: Auth,
    flood: Flood,
    rate: u64,
    stop: Arc<AtomicBool>,
    sent: Arc<AtomicU64>,
    hashed: Arc<AtomicU64>,
) {
    let mut clock = tokio::time::interval(Duration::from_millis(1));
    let mut number: u64 = 0;
    while !stop.load(Ordering::Relaxed) {
        clock.tick().await;
        for _ in 0..rate / 1_000 {
            number += 1;
            let one = flood == Flood::OneUserFromOneAddress || flood == Flood::AnybodyFromOneAddress;
            let address = Ipv4Addr::from_bits(0x0a00_0000 + if one { 0 } else { number as u32 % 1_000 });
            let headers = match flood {
                Flood::Nothing | Flood::NoCredential => HeaderMap::new(),
                Flood::OneUserFromOneAddress | Flood::OneUserFromAThousand => basic("alice", number),
                Flood::AnybodyFromOneAddress | Flood::AnybodyFromAThousand => {
                    basic(&format!("user-{number}"), number)
                }
            };
            let head = RequestHead::new(&Method::GET, "/", &headers).with_client(Some(IpAddr::V4(address)));
            match auth.decide(&head) {
                Step::Ready(decision) => drop(decision),
                Step::Wait(deciding) => {
                    let hashed = Arc::clone(&hashed);
                    tokio::spawn(async move {
                        let refused =
                            deciding.await.is_err_and(|rejection| rejection.status().as_u16() == 401);
                        hashed.fetch_add(u64::from(refused), Ordering::Relaxed);
                    });
                }
            }
            sent.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn basic(name: &str, number: u64) -> HeaderMap {
    header(format!("Basic {}", BASE64_STANDARD.encode(format!("{name}:guess-{number}"))))
}

/// How late each answer is, in nanoseconds, from when it was due.
fn steady(auth: &Auth, tokens: &[HeaderMap], span: Duration) -> Vec<u64> {
    let (began, mut late, mut due) = (Instant::now(), Vec::new(), Duration::ZERO);
    while due < span {
        std::thread::sleep(due.saturating_sub(began.elapsed()));
        ask(auth, tokens, late.len());
        late.push(u64::try_from(began.elapsed().saturating_sub(due).as_nanos()).unwrap_or(u64::MAX));
        due += Duration::from_nanos(1_000_000_000 / PACED);
    }
    late
}

/// How many a second are decided on, by a thread that is not the runtime's: a task there yields to others by waking the other
/// thread of the runtime, and how much that takes is no business of the flood.
fn always(auth: &Auth, tokens: &[HeaderMap], span: Duration) -> f64 {
    let (began, mut number) = (Instant::now(), 0);
    while began.elapsed() < span {
        for _ in 0..64 {
            ask(auth, tokens, number);
            number += 1;
        }
    }
    number as f64 / began.elapsed().as_secs_f64()
}

fn ask(auth: &Auth, tokens: &[HeaderMap], number: usize) {
    let Some(headers) = tokens.get(number % TOKENS) else { return };
    let client = Some(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)));
    let head = RequestHead::new(&Method::GET, "/", headers).with_client(client);
    match auth.decide(&head) {
        Step::Ready(Ok(_)) => {}
        _ => panic!("the other user is not let in at once"),
    }
}
