//! The socket between front and runner as both use it, and the front's end of it. Many channels share the socket;
//! what may be under way on each is bounded by a window of bytes, so that none can fill memory or stop another.

use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::io::AsyncWriteExt as _;
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};

use crate::frame::{Closed, End, Frame, Hello, Kind, Number, Open, malformed};
use crate::front::{Spawned, StartError};
use crate::limits;
use crate::sandbox::SandboxReport;

/// What waits for the socket. Lines hold a place each; all else is small, and follows from lines.
#[derive(Clone)]
pub(crate) struct Outbox {
    frames: mpsc::UnboundedSender<(Frame, Option<OwnedSemaphorePermit>)>,
    places: Arc<Semaphore>,
}

impl Outbox {
    /// An outbox, and what empties it into the socket until all its handles are gone.
    pub(crate) fn new(mut socket: OwnedWriteHalf) -> (Self, impl Future<Output = ()> + Send) {
        let (frames, mut waiting) = mpsc::unbounded_channel::<(Frame, _)>();
        let places = Arc::new(Semaphore::new(limits::FRAMES_WAITING));
        let write = async move {
            while let Some((frame, _place)) = waiting.recv().await {
                if frame.write(&mut socket).await.is_err() {
                    return;
                }
            }
            // Nothing is left to be told; the reader of the other side learns it from the end.
            socket.shutdown().await.unwrap_or_default();
        };
        (Self { frames, places }, write)
    }

    /// Queues a small frame.
    pub(crate) fn tell(&self, frame: Frame) {
        // Whoever reads has gone, and the reader's side tells so.
        self.frames.send((frame, None)).unwrap_or_default();
    }

    async fn line(&self, frame: Frame) -> Result<(), Closed> {
        let place = Arc::clone(&self.places).acquire_owned().await.map_err(|_| Closed::Gone)?;
        self.frames.send((frame, Some(place))).map_err(|_| Closed::Gone)
    }
}

/// Bytes that a line takes of the window.
fn weight(line: &Bytes) -> u32 {
    u32::try_from(line.len() + limits::LINE_WEIGHT).unwrap_or(u32::MAX)
}

/// The sending end of one channel.
#[derive(Clone)]
pub(crate) struct Sending {
    pub(crate) number: Number,
    pub(crate) window: Arc<Semaphore>,
    pub(crate) out: Outbox,
}

impl Sending {
    pub(crate) fn new(number: Number, out: Outbox) -> Self {
        Self { number, window: Arc::new(Semaphore::new(limits::WINDOW)), out }
    }

    /// Sends a line as soon as the window lets it through.
    pub(crate) async fn send(&self, line: Bytes) -> Result<(), Closed> {
        if line.len() > limits::LINE {
            return Err(Closed::TooLong);
        }
        let room = self.window.acquire_many(weight(&line)).await.map_err(|_| Closed::Gone)?;
        self.out.line(Frame::line(self.number, line)).await?;
        // Only now: what is given up while it waits for a place leaves its room to others.
        room.forget();
        Ok(())
    }

    /// Gives back room, never more than there was.
    pub(crate) fn credit(&self, bytes: usize) {
        let most = limits::WINDOW.saturating_sub(self.window.available_permits());
        self.window.add_permits(bytes.min(most));
    }
}

/// Where a channel's lines are put as they come.
pub(crate) struct Arriving {
    lines: mpsc::UnboundedSender<Bytes>,
    unread: Arc<AtomicUsize>,
}

impl Arriving {
    /// Takes a line. The other side keeps within the window, or is not what it should be.
    pub(crate) fn put(&self, line: Bytes) -> io::Result<()> {
        let weight = weight(&line) as usize;
        if self.unread.fetch_add(weight, Ordering::AcqRel) + weight > limits::WINDOW {
            return Err(malformed("a line beyond the window"));
        }
        self.lines.send(line).unwrap_or_default();
        Ok(())
    }
}

/// The receiving end of one channel.
pub(crate) struct Receiving {
    number: Number,
    lines: mpsc::UnboundedReceiver<Bytes>,
    unread: Arc<AtomicUsize>,
    out: Outbox,
}

impl Receiving {
    pub(crate) fn new(number: Number, out: Outbox) -> (Arriving, Self) {
        let (sender, lines) = mpsc::unbounded_channel();
        let unread = Arc::new(AtomicUsize::new(0));
        (Arriving { lines: sender, unread: Arc::clone(&unread) }, Self { number, lines, unread, out })
    }

    /// The next line; none when no more come. Nothing is lost when this is dropped half-way.
    pub(crate) async fn recv(&mut self) -> Option<Bytes> {
        let line = self.lines.recv().await?;
        let weight = weight(&line);
        self.unread.fetch_sub(weight as usize, Ordering::AcqRel);
        self.out.tell(Frame::credit(self.number, weight));
        Some(line)
    }
}

/// The front's handle on the runner. Cheap to clone; when the last one and the last [`Channel`] are gone, the runner
/// ends and every server with it.
#[derive(Clone)]
pub struct Runner {
    shared: Arc<Shared>,
}

struct Shared {
    report: SandboxReport,
    out: Outbox,
    routes: Arc<Routes>,
    next: AtomicU32,
    gone: watch::Receiver<bool>,
}

#[derive(Default)]
struct Routes(Mutex<HashMap<Number, Route>>);

struct Route {
    arriving: Arriving,
    sending: Sending,
    closed: watch::Sender<Option<Closed>>,
}

impl Routes {
    fn all(&self) -> MutexGuard<'_, HashMap<Number, Route>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn close(&self, number: Number, why: Closed) {
        if let Some(route) = self.all().remove(&number) {
            route.closed.send_replace(Some(why));
            route.sending.window.close();
        }
    }

    fn take(&self, frame: &Frame) -> io::Result<()> {
        if frame.kind == Kind::Close {
            self.close(frame.channel, frame.told_of()?);
            return Ok(());
        }
        // A channel that we closed may still have frames under way.
        let routes = self.all();
        let Some(route) = routes.get(&frame.channel) else { return Ok(()) };
        match frame.kind {
            Kind::Line => route.arriving.put(frame.payload.clone()),
            Kind::Credit => {
                route.sending.credit(frame.credited()?);
                Ok(())
            }
            _ => Err(malformed("a frame")),
        }
    }
}

impl Runner {
    /// Takes over a runner that was spawned, on a Tokio runtime.
    ///
    /// # Errors
    /// [`StartError`]; among others when the sandbox cannot keep a server from the data directory as configured.
    pub async fn start(spawned: Spawned) -> Result<Self, StartError> {
        let Spawned { mut process, socket } = spawned;
        socket.set_nonblocking(true)?;
        let (mut read, write) = UnixStream::from_std(socket)?.into_split();
        let hello = tokio::time::timeout(limits::HELLO, Frame::read(&mut read)).await;
        let hello = hello.map_err(|_| StartError::Silent)??.ok_or(StartError::Silent)?;
        if hello.kind != Kind::Hello {
            return Err(StartError::Silent);
        }
        let Hello { report, refused } = hello.told_of()?;
        if let Some(why) = refused {
            return Err(StartError::Refused(why));
        }
        let (out, writing) = Outbox::new(write);
        tokio::spawn(writing);
        let routes = Arc::new(Routes::default());
        let (ended, gone) = watch::channel(false);
        let reading = Arc::clone(&routes);
        tokio::spawn(async move {
            listen(&mut read, &reading).await;
            ended.send_replace(true);
            let open: Vec<_> = reading.all().keys().copied().collect();
            for number in open {
                reading.close(number, Closed::Gone);
            }
            // It is gone or about to go; whoever started it has to take note.
            tokio::task::spawn_blocking(move || process.wait()).await.map(drop).unwrap_or_default();
        });
        Ok(Self { shared: Arc::new(Shared { report, out, routes, next: AtomicU32::new(1), gone }) })
    }

    /// How far servers are kept in sandboxes here.
    pub fn report(&self) -> &SandboxReport {
        &self.shared.report
    }

    /// Resolves when the runner is gone. It cannot be started again by this process: what is left is to end, and to
    /// be started anew.
    pub async fn gone(&self) {
        let mut gone = self.shared.gone.clone();
        gone.wait_for(|gone| *gone).await.map(drop).unwrap_or_default();
    }

    /// A channel to a process of its own, which starts at the first line.
    pub fn channel(&self, resource: &str, agent: &str) -> Channel {
        let Shared { out, routes, next, gone, .. } = &*self.shared;
        let number = next.fetch_add(1, Ordering::Relaxed);
        let (arriving, receiving) = Receiving::new(number, out.clone());
        let sending = Sending::new(number, out.clone());
        let (closed, reason) = watch::channel(None);
        routes.all().insert(number, Route { arriving, sending: sending.clone(), closed });
        if *gone.borrow() {
            routes.close(number, Closed::Gone);
        }
        let open = Open { resource: resource.to_owned(), agent: agent.to_owned() };
        match Frame::told(Kind::Open, number, &open) {
            Ok(frame) => out.tell(frame),
            Err(_) => routes.close(number, Closed::Gone),
        }
        let speaker = Speaker { sending, routes: Arc::clone(routes), reason };
        Channel { speaker: Arc::new(speaker), receiving, _runner: self.clone() }
    }

    /// Ends an agent's processes at once: at one resource, or at all.
    pub fn end(&self, resource: Option<&str>, agent: &str) {
        let end = End { resource: resource.map(str::to_owned), agent: agent.to_owned() };
        if let Ok(frame) = Frame::told(Kind::End, 0, &end) {
            self.shared.out.tell(frame);
        }
    }
}

impl std::fmt::Debug for Runner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Runner").field("report", &self.shared.report).finish_non_exhaustive()
    }
}

async fn listen(socket: &mut OwnedReadHalf, routes: &Routes) {
    loop {
        match Frame::read(socket).await {
            Ok(Some(frame)) => {
                if let Err(error) = routes.take(&frame) {
                    tracing::error!(%error, "the runner is given up");
                    return;
                }
            }
            Ok(None) => return,
            Err(error) => {
                tracing::error!(%error, "the runner is given up");
                return;
            }
        }
    }
}

/// One process, as the front sees it: lines go in, lines come out. Dropping it ends the process.
pub struct Channel {
    speaker: Arc<Speaker>,
    receiving: Receiving,
    _runner: Runner,
}

/// The sending half of a [`Channel`], which others may hold.
pub(crate) struct Speaker {
    sending: Sending,
    routes: Arc<Routes>,
    reason: watch::Receiver<Option<Closed>>,
}

impl Channel {
    /// Sends one line, without its end. Waits while the process reads slowly.
    ///
    /// # Errors
    /// [`Closed`], once it has ended; [`Closed::TooLong`] for a line beyond [`limits::LINE`], which is not sent.
    pub async fn send(&self, line: Bytes) -> Result<(), Closed> {
        self.speaker.send(line).await
    }

    /// The next line; none once the process has ended and all its lines were read.
    pub async fn recv(&mut self) -> Option<Bytes> {
        self.receiving.recv().await
    }

    /// Why it ended, once [`Channel::recv`] has told that it did.
    pub fn closed(&self) -> Closed {
        self.speaker.closed()
    }

    pub(crate) fn speaker(&self) -> Arc<Speaker> {
        Arc::clone(&self.speaker)
    }
}

impl Speaker {
    pub(crate) async fn send(&self, line: Bytes) -> Result<(), Closed> {
        self.sending.send(line).await.map_err(|why| if why == Closed::Gone { self.closed() } else { why })
    }

    pub(crate) fn closed(&self) -> Closed {
        self.reason.borrow().clone().unwrap_or(Closed::Gone)
    }

    /// Says that the process is in use although no lines come or go.
    pub(crate) fn in_use(&self) {
        self.sending.out.tell(Frame::credit(self.sending.number, 0));
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        let number = self.speaker.sending.number;
        let open = self.speaker.routes.all().contains_key(&number);
        if open {
            self.speaker.routes.close(number, Closed::Gone);
            self.speaker.sending.out.tell(Frame::close(number));
        }
    }
}

impl std::fmt::Debug for Channel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Channel").field("number", &self.speaker.sending.number).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::task::Poll;

    use super::*;

    #[tokio::test]
    async fn a_line_that_is_given_up_while_it_waits_for_the_socket_keeps_no_room() {
        let (socket, _other) = UnixStream::pair().unwrap();
        let (out, _unpolled) = Outbox::new(socket.into_split().1);
        let sending = Sending::new(1, out);
        for _ in 0..limits::FRAMES_WAITING {
            sending.send(Bytes::from_static(b"{}")).await.unwrap();
        }
        let room = sending.window.available_permits();
        let mut waiting = Box::pin(sending.send(Bytes::from_static(b"[1, 2, 3]")));
        let polled = std::future::poll_fn(|context| Poll::Ready(waiting.as_mut().poll(context))).await;
        assert!(polled.is_pending());
        assert!(sending.window.available_permits() < room);
        drop(waiting);
        assert_eq!(sending.window.available_permits(), room);
    }
}
