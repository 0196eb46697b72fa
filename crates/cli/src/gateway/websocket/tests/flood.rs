//! A client that never stops sending.

use std::{
    io,
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    task::{Context, Poll},
    time::Duration,
};

use portcullis_core::{BoxFuture, Clock, UnixTime};
use portcullis_testing::ManualClock;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf, duplex},
    sync::oneshot,
};

use super::{
    super::{
        frames,
        tunnel::{self, By, CLOSE_GRACE, FRAME_GRACE},
    },
    EXPIRED, MASK,
};

/// A connection that gives and takes as fast as it is asked to, like a stream of HTTP/2. It begins a frame that has no end.
struct Flood {
    begun: bool,
    taken: Arc<AtomicU64>,
}

impl AsyncRead for Flood {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        space: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !std::mem::replace(&mut self.begun, true) {
            space.put_slice(&[0x82, 0xff, 0x7f, 255, 255, 255, 255, 255, 255, 255, 0, 0, 0, 0]);
        }
        space.initialize_unfilled().fill(0);
        space.set_filled(space.capacity());
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Flood {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.taken.fetch_add(bytes.len() as u64, SeqCst);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// A clock that, as tokio's, rings for no task that has used up its turn.
#[derive(Debug)]
struct Polite(ManualClock);

impl Clock for Polite {
    fn now(&self) -> UnixTime {
        self.0.now()
    }

    fn monotonic(&self) -> Duration {
        self.0.monotonic()
    }

    fn sleep(&self, span: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::task::coop::cooperative(self.0.sleep(span)))
    }
}

#[tokio::test]
async fn whoever_never_stops_sending_is_cut_off_all_the_same() {
    let clock = ManualClock::at(UnixTime::from_secs(1_000_000));
    let shared: Arc<dyn Clock> = Arc::new(Polite(clock.clone()));
    let (to_client, to_upstream) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let client = Flood { begun: false, taken: Arc::clone(&to_client) };
    let (_upstream, far) = duplex(1024);
    let (upstream_in, _) = tokio::io::split(far);
    let upstream = tokio::io::join(upstream_in, Flood { begun: true, taken: Arc::clone(&to_upstream) });
    let (tell, told) = oneshot::channel();
    let until = async { told.await.unwrap() };
    let mut closed = pin!(tunnel::run(client, upstream, until, MASK, &shared));
    let passes = |least: u64| {
        let to_upstream = Arc::clone(&to_upstream);
        async move {
            while to_upstream.load(SeqCst) < least {
                tokio::task::yield_now().await;
            }
        }
    };
    tokio::select! {
        _ = &mut closed => panic!("it is open"),
        () = passes(1) => {}
    }
    tell.send(EXPIRED).unwrap();
    // The frame that has begun goes on, for a second and no longer.
    let some = to_upstream.load(SeqCst) + (1 << 20);
    tokio::select! {
        _ = &mut closed => panic!("the frame has not ended"),
        () = passes(some) => {}
    }
    clock.advance(FRAME_GRACE);
    clock.advance(CLOSE_GRACE);
    let closed = tokio::time::timeout(Duration::from_secs(60), closed).await.unwrap();
    assert_eq!((closed.by, closed.code), (By::Gateway, Some(1008)));
    assert_eq!(closed.up, to_upstream.load(SeqCst));
    let close = frames::close(EXPIRED.code, EXPIRED.reason, None);
    assert_eq!(to_client.load(SeqCst), close.len() as u64, "the Close frame and no more");
}
