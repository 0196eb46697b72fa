//! One direction of a WebSocket: bytes pass as they come, and it is known where a frame ends.

use std::{
    io,
    mem::MaybeUninit,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    task::coop,
};

use super::frames::{Frames, Malformed, Writer};

/// The most that is taken in at once, and so the most that is held: nothing is read while something waits to be written.
const CHUNK: usize = 16 * 1024;

/// One direction, from whom it is read to whom it is written.
#[derive(Debug)]
pub(super) struct Lane {
    /// Behind everything that was read.
    frames: Frames,
    /// Before what is pending, where something is.
    before: Frames,
    /// What was read and is not written yet, from `written` on. Empty and without memory while nothing waits.
    pending: Vec<u8>,
    written: usize,
    flushed: bool,
    flow: Flow,
    ended: bool,
    torn: bool,
    /// How many bytes went through.
    bytes: u64,
}

#[derive(Debug)]
enum Flow {
    /// What comes passes.
    Open,
    /// The frame that has begun passes to its end, and then this.
    Finishing(Vec<u8>),
    /// What is pending is the last.
    Last,
    /// Nothing more is written; what comes is thrown away.
    Over,
}

/// Why a direction ends before its time.
#[derive(Debug)]
pub(super) enum Broken {
    /// The reader's side: it is gone, or what it sends is no frames.
    From(io::Error),
    Malformed(Malformed),
    /// The writer's side is gone.
    To(io::Error),
}

impl Lane {
    pub(super) const fn of(writer: Writer) -> Self {
        Self {
            frames: Frames::of(writer),
            before: Frames::of(writer),
            pending: Vec::new(),
            written: 0,
            flushed: true,
            flow: Flow::Open,
            ended: false,
            torn: false,
            bytes: 0,
        }
    }

    pub(super) const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The code of the Close frame that has come this way.
    pub(super) const fn closed(&self) -> Option<u16> {
        self.frames.closed()
    }

    /// Whether whoever is read has no more to say.
    pub(super) const fn has_ended(&self) -> bool {
        self.ended
    }

    /// Whether whoever is written to has got everything that it will get.
    pub(super) const fn is_over(&self) -> bool {
        matches!(self.flow, Flow::Over)
    }

    /// Whether what was written ends within a frame, so that nothing can follow.
    pub(super) const fn is_torn(&self) -> bool {
        self.torn
    }

    /// Lets the current frame pass, and behind it `farewell`, which is a Close frame, unless one has passed.
    pub(super) fn finish(&mut self, farewell: Vec<u8>) {
        if !matches!(self.flow, Flow::Open) {
            return;
        }
        if self.frames.closed().is_some() {
            // RFC 6455 §5.5.1: nothing but the end follows a Close frame, and a second one least of all.
            self.flow = Flow::Last;
            return;
        }
        let (gone, rest) = self.pending.split_at(self.written.min(self.pending.len()));
        let mut at = if self.pending.is_empty() { self.frames.clone() } else { self.before.clone() };
        // All of it was followed before and found to be frames.
        let _ = at.follow_all(gone);
        let part = if at.is_between() { 0 } else { at.follow(rest).unwrap_or(rest.len()) };
        self.pending.truncate(gone.len() + part);
        if at.is_between() {
            self.pending.extend(farewell);
            self.flow = Flow::Last;
        } else {
            self.flow = Flow::Finishing(farewell);
        }
    }

    /// Gives up on whoever is written to.
    pub(super) fn cut(&mut self) {
        self.pending = Vec::new();
        self.written = 0;
        self.flushed = true;
        self.flow = Flow::Over;
    }

    /// Gives up on whoever is read.
    pub(super) const fn end(&mut self) {
        self.ended = true;
    }

    /// Moves what can be moved. Ready once there is no more to read and everything is written.
    pub(super) fn poll<R, W>(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut R,
        to: &mut W,
    ) -> Poll<Result<(), Broken>>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        loop {
            ready!(self.poll_write(cx, to)).map_err(Broken::To)?;
            match self.flow {
                Flow::Open if self.ended => {
                    self.torn = !self.frames.is_between();
                    self.flow = Flow::Over;
                }
                Flow::Finishing(_) if self.ended => {
                    self.torn = true;
                    self.flow = Flow::Over;
                }
                Flow::Last => self.flow = Flow::Over,
                Flow::Open | Flow::Finishing(_) | Flow::Over => {}
            }
            if self.ended {
                return Poll::Ready(Ok(()));
            }
            // Streams of HTTP/2 never pause by themselves, and this is not the only thing that the task does.
            let turn = ready!(coop::poll_proceed(cx));
            let mut space = [MaybeUninit::uninit(); CHUNK];
            let mut read = ReadBuf::uninit(&mut space);
            ready!(Pin::new(&mut *from).poll_read(cx, &mut read)).map_err(Broken::From)?;
            turn.made_progress();
            let read = read.filled();
            if read.is_empty() {
                self.ended = true;
            } else {
                self.take(cx, read, to)?;
            }
        }
    }

    fn poll_write<W: AsyncWrite + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        to: &mut W,
    ) -> Poll<io::Result<()>> {
        while let Some(rest @ [_, ..]) = self.pending.get(self.written..) {
            let part = ready!(Pin::new(&mut *to).poll_write(cx, rest))?;
            if part == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.wrote(part);
        }
        if self.written > 0 {
            self.pending = Vec::new();
            self.written = 0;
        }
        if !self.flushed {
            ready!(Pin::new(to).poll_flush(cx))?;
            self.flushed = true;
        }
        Poll::Ready(Ok(()))
    }

    fn wrote(&mut self, part: usize) {
        self.written += part;
        self.bytes = self.bytes.saturating_add(part as u64);
        self.flushed = false;
    }

    /// Takes what was read while nothing is pending. What can be written at once never rests here.
    fn take<W: AsyncWrite + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        read: &[u8],
        to: &mut W,
    ) -> Result<(), Broken> {
        self.before = self.frames.clone();
        let passes = match &mut self.flow {
            Flow::Open => {
                self.frames.follow_all(read).map_err(Broken::Malformed)?;
                read
            }
            Flow::Finishing(farewell) => {
                let part = self.frames.follow(read).map_err(Broken::Malformed)?;
                let (passes, _) = read.split_at(part);
                if self.frames.is_between() {
                    // As above: it may have been a Close frame itself.
                    let farewell = if self.frames.closed().is_some() { &[] } else { &farewell[..] };
                    self.pending = [passes, farewell].concat();
                    self.flow = Flow::Last;
                    return Ok(());
                }
                passes
            }
            // Of interest is only whether a Close frame is among it.
            Flow::Last | Flow::Over => {
                self.ended |= self.frames.follow_all(read).is_err();
                return Ok(());
            }
        };
        match Pin::new(to).poll_write(cx, passes).map_err(Broken::To)? {
            Poll::Ready(0) => return Err(Broken::To(io::ErrorKind::WriteZero.into())),
            Poll::Ready(part) => {
                self.wrote(part);
                if part < passes.len() {
                    self.pending = passes.to_vec();
                } else {
                    self.written = 0;
                }
            }
            Poll::Pending => self.pending = passes.to_vec(),
        }
        Ok(())
    }
}
