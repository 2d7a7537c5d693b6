//! The stream of events: read from the store at the subscriber's own pace, stretch by stretch.
//!
//! The body is pulled: only when the connection has taken what it was given is the next stretch read. So a subscriber
//! that does not read holds one stretch in memory and costs nothing else, and what is committed meanwhile waits in
//! the ledger, where it is anyway.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream;
use interlock_api::operations as op;
use interlock_api::v1::event::FollowEventsParams;
use interlock_api::{Media, Op as _};
use interlock_core::actor::Actor;
use interlock_core::{Reason, Refusal};
use interlock_engine::{Next, Permit, Place, Reading, Watch};
use tokio::time::Instant;

use super::cloud;
use super::seats::Seat;
use super::sight::{Filter, Sight};
use crate::call::{Path, Shape, admitted, bearer, header_text, refuse, request_id, with_body};
use crate::context::{Ctx, State};

/// How long a stream says nothing before it says that it is still there.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// Milliseconds after which a subscriber shall come back when the stream ends.
const RETRY_MS: u32 = 1_000;
/// What stands for the position before the first event.
const START: &str = "start";

/// Answer `GET /v1/events`.
pub(crate) async fn follow(state: Arc<State>, shape: Arc<Shape>, path: Path, request: Request) -> Response {
    let id = request_id(&request);
    let opened = async {
        let last_id = header_text(request.headers(), "last-event-id")?;
        let token = bearer(request.headers()).unwrap_or_default().to_owned();
        let open = |cx, _permit: Permit<op::FollowEvents>, p| Feed::open(cx, token, last_id, p);
        admitted(&state, &shape, &path, request, &id, open).await
    };
    match opened.await {
        Ok(feed) => {
            let chunks = stream::unfold(feed, |mut feed| async move {
                let chunk = feed.chunk().await?;
                Some((Ok::<_, std::convert::Infallible>(chunk), feed))
            });
            let mut response =
                with_body(StatusCode::OK, Media::EventStream.as_str(), Body::from_stream(chunks));
            let headers = response.headers_mut();
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
            // Proxies shall hand on what they get as they get it.
            headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
            response
        }
        Err(refusal) => refuse(&refusal, &id),
    }
}

/// One subscriber's stream.
struct Feed {
    state: Arc<State>,
    actor: Actor,
    token: String,
    filter: Filter,
    watch: Watch,
    next: Next,
    /// The last position looked at, and the last one told.
    looked: Option<Place>,
    told: Option<Place>,
    /// End before this entry.
    end: Option<u64>,
    spoke_at: Instant,
    has_begun: bool,
    is_over: bool,
    _seat: Seat,
}

impl Feed {
    async fn open(
        cx: Ctx,
        token: String,
        last_id: Option<String>,
        p: FollowEventsParams,
    ) -> Result<Self, Refusal> {
        let filter = Filter::of(&p)?;
        if let Some(thread) = filter.thread {
            cx.visible(thread).await?;
        }
        let seat = cx.state.seats.take(&cx.actor)?;
        // Before the first read, so that nothing is missed between reading and waiting.
        let watch = cx.engine().watch();
        let (size, last) = cx.engine().last_place(cx.workspace()).await?;
        let after = place(last_id.or(p.after).as_deref(), size, last)?;
        Ok(Self {
            state: cx.state,
            actor: cx.actor,
            token,
            filter,
            watch,
            next: Next::after(after),
            looked: after,
            told: after,
            end: p.until_now.then_some(size),
            spoke_at: Instant::now(),
            has_begun: false,
            is_over: false,
            _seat: seat,
        })
    }

    /// What to send next, waiting for it; `None` at the end: the server stops, the token holds no longer, the reader was
    /// removed from the thread it follows, or nothing can be read. The subscriber comes back with its position and hears
    /// why.
    async fn chunk(&mut self) -> Option<Bytes> {
        if !self.has_begun {
            self.has_begun = true;
            let position = position(self.told);
            return Some(Bytes::from(format!("retry: {RETRY_MS}\nid: {position}\n\n")));
        }
        let read = self.read().await;
        read.unwrap_or_else(|refusal| {
            tracing::info!(%refusal, operation = op::FollowEvents::ROW.id, "events.ended");
            None
        })
    }

    async fn read(&mut self) -> Result<Option<Bytes>, Refusal> {
        while !self.is_over && !*self.state.stopping.borrow() {
            let token_left = self.state.engine.issuer().time_left(&self.token)?;
            self.watch.catch_up();
            let reading = self.state.engine.reading(self.actor.workspace_id, self.next).await?;
            if !self.may_follow(&reading).await? {
                return Ok(None);
            }
            if let Some(end) = self.end {
                self.is_over = reading.stretch.is_end || reading.stretch.next.index >= end;
            }
            let is_end = reading.stretch.is_end;
            let mut text = self.text(&reading).await?;
            if !text.is_empty() {
                if self.is_over {
                    text.extend_from_slice(&self.tells_position().unwrap_or_default());
                }
                return Ok(Some(self.says(text)));
            }
            if self.is_over {
                return Ok(self.tells_position());
            }
            let silent_until = self.spoke_at + KEEP_ALIVE;
            if is_end {
                self.wait(silent_until, token_left).await;
            }
            if Instant::now() >= silent_until {
                let position = self.tells_position().unwrap_or_else(|| Bytes::from_static(b"\n"));
                return Ok(Some(self.says([b": still here\n", position.as_ref()].concat())));
            }
        }
        Ok(None)
    }

    /// Whether the thread that is followed is still one that the reader may see.
    async fn may_follow(&self, reading: &Reading) -> Result<bool, Refusal> {
        match self.filter.thread {
            Some(thread) => {
                Sight::of(&self.actor, self.state.engine.store()).shared(reading).sees_thread(thread).await
            }
            None => Ok(true),
        }
    }

    /// What of a stretch this subscriber is given, as server-sent events.
    async fn text(&mut self, reading: &Reading) -> Result<Vec<u8>, Refusal> {
        let (engine, ws) = (&self.state.engine, self.actor.workspace_id);
        let store = engine.store();
        let mut sight = Sight::of(&self.actor, store).shared(reading);
        let end = self.end.unwrap_or(u64::MAX);
        let (mut text, mut told, mut last) = (Vec::new(), self.told, None);
        for happened in reading.stretch.happened.iter().filter(|happened| happened.place.index < end) {
            last = Some(happened.place);
            if !self.filter.wants(happened) || !sight.sees(&happened.event).await? {
                continue;
            }
            told = last;
            let event = cloud::event(ws, happened, reading.messages(store).await?, engine.now());
            let data = serde_json::to_vec(&event)
                .map_err(|error| Refusal::new(Reason::Defect, format!("an event is no JSON: {error}")))?;
            text.extend_from_slice(format!("id: {}\ndata: ", event.id).as_bytes());
            text.extend_from_slice(&data);
            text.extend_from_slice(b"\n\n");
        }
        self.told = told;
        self.next = reading.stretch.next;
        self.looked = last.or(self.looked);
        Ok(text)
    }

    /// Until something may be new. Whoever follows a thread is not woken by others; commits of other nodes are found by
    /// polling. No longer than the token holds, so that the stream ends with it.
    async fn wait(&mut self, silent_until: Instant, token_left: Duration) {
        let poll_ms = u64::try_from(self.state.engine.policy().poll_interval_ms).unwrap_or(1_000);
        let until = silent_until.min(Instant::now() + Duration::from_millis(poll_ms).min(token_left));
        let (ws, thread) = (self.actor.workspace_id, self.filter.thread);
        let wanted = |note: &interlock_engine::Note| {
            note.workspace_id == ws && thread.is_none_or(|thread| note.threads.contains(&thread))
        };
        let mut stopping = self.state.stopping.clone();
        tokio::select! {
            _heard = self.watch.wait(until, wanted) => {}
            _ = stopping.wait_for(|stopping| *stopping) => {}
        }
    }

    /// The position that was looked at, when the subscriber does not know it yet: an event without data, of which it
    /// remembers the id. So it need not go through again what was not for it.
    fn tells_position(&mut self) -> Option<Bytes> {
        if self.looked <= self.told {
            return None;
        }
        self.told = self.looked;
        Some(Bytes::from(format!("id: {}\n\n", position(self.told))))
    }

    fn says(&mut self, text: Vec<u8>) -> Bytes {
        self.spoke_at = Instant::now();
        Bytes::from(text)
    }
}

fn position(place: Option<Place>) -> String {
    place.map_or_else(|| START.to_owned(), |place| place.to_string())
}

/// The place that a subscriber named, in a ledger of this size with this last event; none is the beginning.
pub(crate) fn place(text: Option<&str>, size: u64, last: Option<Place>) -> Result<Option<Place>, Refusal> {
    match text {
        None | Some(START) => Ok(None),
        Some("now") => Ok(last),
        Some(text) => {
            let place: Place = text.parse()?;
            if place.index < size {
                return Ok(Some(place));
            }
            let detail =
                format!("the position `{place}` is beyond the end of the ledger, which has {size} entries");
            Err(Refusal::new(Reason::ParameterInvalid, detail)
                .hint("it is another ledger's; begin with `start`"))
        }
    }
}
