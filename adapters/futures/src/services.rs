//! `Services`: the handlers and listeners of a client or a server, and a server's authorisation, as
//! its connections call them. Knows the endpoint's offers and contexts; here the types of handlers are
//! erased and their panics end.

use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};

use futures_util::FutureExt;
use switchboard::service::{
    RegisterError, Registration, decode_arguments, encode_answer, panicked,
};
use switchboard::{
    Asked, Failure, FromPayload, Payload, PayloadLimits, PeerHello, SessionStatus, Status,
    ToPayload, Welcome,
};
use switchboard_endpoint::{Credentials, Offers, default_authorize};

use crate::context::Context;
use crate::peer::{Peer, PeerFacts};

/// What a handler answers.
pub(crate) type Answer = Result<Payload, Failure>;
/// What somebody does, until it is done.
pub(crate) type Work<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// The same, begun. It may be dropped where it waits: its panic is not the connection's.
pub(crate) struct Begun<T>(Option<Work<T>>);

impl<T> Begun<T> {
    pub(crate) const fn new(work: Work<T>) -> Self {
        Self(Some(work))
    }
}

impl<T> Future for Begun<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<T> {
        // It is there until it is dropped.
        self.0.as_mut().map_or(Poll::Pending, |work| work.poll_unpin(cx))
    }
}

impl<T> Drop for Begun<T> {
    fn drop(&mut self) {
        let work = self.0.take();
        let _ = catch_unwind(AssertUnwindSafe(|| drop(work)));
    }
}

type Run<T> = dyn Fn(Context, Payload, PayloadLimits) -> Work<Result<T, Failure>> + Send + Sync;
type TellStatus = dyn Fn(SessionStatus) + Send + Sync;
type Check = dyn Fn(&Peer, Asked<'_>) -> Result<(), Failure> + Send + Sync;
type Authorize =
    dyn Fn(PeerHello, Option<Credentials>) -> Work<Result<Welcome, Failure>> + Send + Sync;

/// One handler. A clone is the same one.
#[derive(Clone)]
pub(crate) struct Handler(Arc<Named>);

struct Named {
    channel: Arc<str>,
    run: Box<Run<Payload>>,
}

impl Handler {
    pub(crate) fn channel(&self) -> &Arc<str> {
        &self.0.channel
    }

    /// Calls it; a panic becomes an answer.
    pub(crate) fn call(
        &self,
        context: Context,
        args: Payload,
        limits: PayloadLimits,
    ) -> Work<Answer> {
        (self.0.run)(context, args, limits)
    }
}

/// One listener. A clone is the same one.
#[derive(Clone)]
pub(crate) struct Listener(Arc<Run<()>>);

impl Listener {
    /// Calls it. A message of another type than it takes is dropped: that is a matter between the two
    /// programs, and none of the protocol's.
    pub(crate) async fn call(&self, context: Context, message: Payload, limits: PayloadLimits) {
        // A panic is the listener's own, and concerns neither the sender nor the other listeners.
        let _ = AssertUnwindSafe((self.0)(context, message, limits)).catch_unwind().await;
    }
}

/// What a client or a server offers.
#[derive(Default)]
pub(crate) struct Services {
    pub(crate) offers: Offers<Handler, Listener>,
    authorize: Option<Box<Authorize>>,
    check: Option<Box<Check>>,
    status: Option<Box<TellStatus>>,
}

impl Services {
    pub(crate) fn authorize_with<F, Fut>(&mut self, authorize: F)
    where
        F: Fn(PeerHello, Option<Credentials>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Welcome, Failure>> + Send + 'static,
    {
        let authorize = Arc::new(authorize);
        self.authorize = Some(Box::new(move |hello, credentials| {
            let authorize = Arc::clone(&authorize);
            Box::pin(async move { authorize(hello, credentials).await })
        }));
    }

    pub(crate) fn check_with(
        &mut self,
        check: impl Fn(&Peer, Asked<'_>) -> Result<(), Failure> + Send + Sync + 'static,
    ) {
        self.check = Some(Box::new(check));
    }

    pub(crate) fn tell_status(&mut self, listener: impl Fn(SessionStatus) + Send + Sync + 'static) {
        self.status = Some(Box::new(listener));
    }

    /// Tells the program of a change of the status.
    pub(crate) fn status(&self, status: SessionStatus) {
        if let Some(listener) = &self.status {
            // A panic is the listener's own.
            let _ = catch_unwind(AssertUnwindSafe(|| listener(status)));
        }
    }

    /// Whether the program lets a client have what it asks for.
    pub(crate) fn check(&self, facts: &Arc<PeerFacts>, asked: Asked<'_>) -> Result<(), Failure> {
        let Some(check) = &self.check else { return Ok(()) };
        let peer = Peer::new(facts);
        catch_unwind(AssertUnwindSafe(|| check(&peer, asked)))
            .unwrap_or_else(|_| Err(Failure::new(Status::INTERNAL, "the check panicked")))
    }

    /// Whether the program decides itself who may come in.
    pub(crate) const fn authorizes(&self) -> bool {
        self.authorize.is_some()
    }

    pub(crate) fn handle<A, R, F, Fut>(
        &self,
        channel: &str,
        handler: F,
    ) -> Result<Registration, RegisterError>
    where
        A: FromPayload,
        R: ToPayload,
        F: Fn(Context, A) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<R, Failure>> + Send + 'static,
    {
        let handler = Arc::new(handler);
        let run: Box<Run<Payload>> = Box::new(move |context, args, limits| {
            let handler = Arc::clone(&handler);
            // In here from the beginning, so that every panic ends here.
            let work = async move {
                let args = decode_arguments(args, &limits)?;
                encode_answer(handler(context, args).await)
            };
            // What a panic leaves half done is the handler's own, and it knows that others call it, too.
            let work = AssertUnwindSafe(work).catch_unwind();
            Box::pin(work.map(|done| done.unwrap_or_else(|_| Err(panicked()))))
        });
        let named = Named { channel: channel.into(), run };
        self.offers.handle(channel, Handler(Arc::new(named)))
    }

    pub(crate) fn listen<M, F, Fut>(
        &self,
        channel: &str,
        once: bool,
        listener: F,
    ) -> Result<Registration, RegisterError>
    where
        M: FromPayload,
        F: Fn(Context, M) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let listener = Arc::new(listener);
        let run: Arc<Run<()>> = Arc::new(move |context, message, limits| {
            let listener = Arc::clone(&listener);
            Box::pin(async move {
                let message = decode_arguments(message, &limits)?;
                listener(context, message).await;
                Ok(())
            })
        });
        self.offers.listen(channel, once, Listener(run))
    }

    /// Whether a client may come in. By default [`default_authorize`] decides.
    pub(crate) async fn authorize(
        &self,
        hello: &PeerHello,
        credentials: Option<Credentials>,
    ) -> Result<Welcome, Failure> {
        let Some(authorize) = &self.authorize else {
            return default_authorize(hello, credentials.as_ref());
        };
        AssertUnwindSafe(authorize(hello.clone(), credentials))
            .catch_unwind()
            .await
            .unwrap_or_else(|_| Err(Failure::new(Status::INTERNAL, "the authorisation panicked")))
    }
}

impl fmt::Debug for Services {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Services").field("offers", &self.offers).finish_non_exhaustive()
    }
}
