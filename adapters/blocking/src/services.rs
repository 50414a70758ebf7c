//! `Services`: the handlers and listeners of a client or a server, and a server's authorisation, as
//! its connections call them. Knows the endpoint's offers and contexts; here the types of handlers are
//! erased and their panics end.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

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
type Run<T> = dyn Fn(Context, Payload, &PayloadLimits) -> Result<T, Failure> + Send + Sync;
type TellStatus = dyn Fn(SessionStatus) + Send + Sync;
type Check = dyn Fn(&Peer, Asked<'_>) -> Result<(), Failure> + Send + Sync;
type Authorize = dyn Fn(&PeerHello, Option<&Credentials>) -> Result<Welcome, Failure> + Send + Sync;

/// One handler. A clone is the same one.
#[derive(Clone)]
pub(crate) struct Handler {
    pub(crate) channel: Arc<str>,
    /// Runs on the connection's own thread.
    pub(crate) inline: bool,
    run: Arc<Run<Payload>>,
}

impl Handler {
    /// Calls it; a panic becomes an answer.
    pub(crate) fn call(&self, context: Context, args: Payload, limits: &PayloadLimits) -> Answer {
        // What a panic leaves half done is the handler's own, and it knows that others call it, too.
        catch_unwind(AssertUnwindSafe(|| (self.run)(context, args, limits)))
            .unwrap_or_else(|_| Err(panicked()))
    }
}

/// One listener. A clone is the same one.
#[derive(Clone)]
pub(crate) struct Listener(Arc<Run<()>>);

impl Listener {
    /// Calls it. A message of another type than it takes is dropped: that is a matter between the two
    /// programs, and none of the protocol's.
    pub(crate) fn call(&self, context: Context, message: Payload, limits: &PayloadLimits) {
        // A panic is the listener's own, and concerns neither the sender nor the other listeners.
        let _ = catch_unwind(AssertUnwindSafe(|| (self.0)(context, message, limits)));
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
    pub(crate) fn authorize_with(
        &mut self,
        authorize: impl Fn(&PeerHello, Option<&Credentials>) -> Result<Welcome, Failure>
        + Send
        + Sync
        + 'static,
    ) {
        self.authorize = Some(Box::new(authorize));
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

    /// Whether the program wants to be told.
    pub(crate) const fn tells_status(&self) -> bool {
        self.status.is_some()
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

    pub(crate) fn handle<A: FromPayload, R: ToPayload>(
        &self,
        channel: &str,
        inline: bool,
        handler: impl Fn(Context, A) -> Result<R, Failure> + Send + Sync + 'static,
    ) -> Result<Registration, RegisterError> {
        let run = move |context: Context, args: Payload, limits: &PayloadLimits| {
            encode_answer(handler(context, decode_arguments(args, limits)?))
        };
        let run: Arc<Run<Payload>> = Arc::new(run);
        let handler = Handler { channel: channel.into(), inline, run };
        self.offers.handle(channel, handler)
    }

    pub(crate) fn listen<M: FromPayload>(
        &self,
        channel: &str,
        once: bool,
        listener: impl Fn(Context, M) + Send + Sync + 'static,
    ) -> Result<Registration, RegisterError> {
        let run = move |context: Context, message: Payload, limits: &PayloadLimits| {
            listener(context, decode_arguments(message, limits)?);
            Ok(())
        };
        let run: Arc<Run<()>> = Arc::new(run);
        self.offers.listen(channel, once, Listener(run))
    }

    /// Whether a client may come in. By default [`default_authorize`] decides.
    pub(crate) fn authorize(
        &self,
        hello: &PeerHello,
        credentials: Option<&Credentials>,
    ) -> Result<Welcome, Failure> {
        let Some(authorize) = &self.authorize else {
            return default_authorize(hello, credentials);
        };
        catch_unwind(AssertUnwindSafe(|| authorize(hello, credentials)))
            .unwrap_or_else(|_| Err(Failure::new(Status::INTERNAL, "the authorisation panicked")))
    }
}

impl fmt::Debug for Services {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Services").field("offers", &self.offers).finish_non_exhaustive()
    }
}
