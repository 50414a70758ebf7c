//! The adapters with futures as the scenarios see them: whatever is asked blocks until its future is ready, and
//! handlers, which may block, run on threads. Called by the modules of those adapters; knows the async driver.

use std::future::Future;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context as TaskContext, Poll, Waker};
use std::thread;
use std::time::Duration;

use futures_util::future::{AbortHandle, Abortable, abortable};
use switchboard::{
    CallError, CloseReason, ConnectionId, Fate, Options, Payload, PeerHello, Restart, Welcome,
};
use switchboard_conformance as conformance;
use switchboard_conformance::{
    Adapter, Answer, Bound, End, Halves, NextDelivery, NextItem, Opened, Pending, Sending, Serves,
    Subscribed, Taking,
};
use switchboard_futures::{
    Call, Client, Context, ExchangeReceiver, ExchangeSender, Peer, Runtime, Server, Subscription,
};

/// Runs a future to its end on this thread, within a runtime.
pub(crate) trait Blocks: Sync {
    fn run(&self, future: Pin<&mut dyn Future<Output = ()>>);
}

/// A runtime's adapter.
pub(crate) struct Async<R>(pub(crate) &'static dyn Blocks, pub(crate) PhantomData<fn() -> R>);

type On = &'static dyn Blocks;

fn block_on<T>(on: On, future: impl Future<Output = T>) -> T {
    let mut output = None;
    on.run(pin!(async { output = Some(future.await) }));
    output.unwrap()
}

/// What a thread comes to, as a future.
struct Elsewhere<T>(Arc<Mutex<Outcome<T>>>);

/// That, once it is there, and who waits for it.
type Outcome<T> = (Option<thread::Result<T>>, Option<Waker>);

impl<T: Send + 'static> Elsewhere<T> {
    fn new(work: impl FnOnce() -> T + Send + 'static) -> Self {
        let shared = Arc::new(Mutex::new((None, None::<Waker>)));
        let told = Arc::clone(&shared);
        thread::spawn(move || {
            let done = catch_unwind(AssertUnwindSafe(work));
            let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
            told.0 = Some(done);
            if let Some(waker) = told.1.take() {
                waker.wake();
            }
        });
        Self(shared)
    }
}

impl<T> Future for Elsewhere<T> {
    type Output = T;

    fn poll(self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<T> {
        let mut shared = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        shared.1 = Some(cx.waker().clone());
        match shared.0.take() {
            Some(Ok(done)) => Poll::Ready(done),
            Some(Err(panic)) => resume_unwind(panic),
            None => Poll::Pending,
        }
    }
}

/// Both builders have the same methods.
macro_rules! serving {
    ($on:expr, $builder:expr, $serves:ident) => {{
        let on = $on;
        let mut builder = $builder.config($serves.config);
        if $serves.one_by_one {
            builder = builder.handlers(1);
        }
        for (channel, handler) in $serves.handlers {
            builder = builder.handle(channel, move |cx, args| {
                let handler = Arc::clone(&handler);
                Elsewhere::new(move || handler(&Caller(on, cx), args))
            });
        }
        for (channel, listener) in $serves.listeners {
            builder = builder.on(channel, move |_, message| {
                let listener = Arc::clone(&listener);
                Elsewhere::new(move || listener(message))
            });
        }
        builder
    }};
}

impl<R: Runtime> Adapter for Async<R> {
    fn serve(&self, address: &str, serves: Serves) -> Bound {
        let mut builder = serving!(self.0, Server::<R>::builder(), serves);
        if let Some(authorize) = serves.authorize {
            builder = builder.authorize(move |hello: PeerHello, _| {
                let verdict = authorize(&hello.payload).map(|()| Welcome::new());
                async move { verdict }
            });
        }
        if let Some(check) = serves.check {
            builder = builder.check(move |_, asked| check(asked));
        }
        Ok(Box::new(Served(self.0, block_on(self.0, builder.bind(address))?)))
    }

    fn connect(&self, address: &str, hello: &Payload, serves: Serves) -> Opened {
        let builder = Client::<R>::builder().hello(hello).scope(serves.scope);
        let mut builder = serving!(self.0, builder, serves);
        if let Some((backoff, on_status)) = serves.comes_back {
            builder = builder.reconnect(backoff).on_status(move |status| on_status(status));
        }
        Ok(Box::new(Ours(self.0, block_on(self.0, builder.connect(address))?)))
    }
}

struct Caller(On, Context);

impl conformance::Call for Caller {
    fn connection(&self) -> ConnectionId {
        self.1.peer().id()
    }

    fn time_left(&self) -> Option<Duration> {
        self.1.time_left()
    }

    fn is_cancelled(&self) -> bool {
        self.1.is_cancelled()
    }

    fn next(&self) -> NextItem {
        let mut items = self.1.items();
        block_on(self.0, items.next())
    }

    fn send(&self, item: &Payload) -> Result<(), CallError> {
        block_on(self.0, self.1.sender()?.send(item))
    }

    fn request(&self, channel: &str, args: &Payload) -> Answer {
        block_on(self.0, self.1.peer().request(channel, args))
    }
}

struct Served<R>(On, Server<R>);

impl<R: Runtime> conformance::Server for Served<R> {
    fn address(&self) -> String {
        self.1.address().unwrap().to_string()
    }

    fn peers(&self) -> Vec<Box<dyn End>> {
        let end = |peer| Box::new(Theirs(self.0, peer)) as Box<dyn End>;
        self.1.peers().into_iter().map(end).collect()
    }

    fn publish(
        &self,
        scope: &str,
        topic: &str,
        value: &Payload,
        options: &Options,
    ) -> Result<u64, CallError> {
        self.1.scope(scope).publish(topic, value, options)
    }

    fn broadcast(
        &self,
        scope: &str,
        channel: &str,
        message: &Payload,
    ) -> Vec<Result<(), CallError>> {
        let sent = self.1.scope(scope).broadcast(channel, message, &Options::new()).unwrap();
        sent.into_iter().map(|(_, sent)| sent).collect()
    }

    fn survey(&self, scope: &str, channel: &str, args: &Payload, options: &Options) -> Vec<Answer> {
        let scope = self.1.scope(scope);
        let answers = block_on(self.0, scope.survey(channel, args, options)).unwrap();
        answers.into_iter().map(|(_, answer)| answer).collect()
    }

    fn check_again(&self) {
        self.1.check_again();
    }

    fn close(&self, how: Restart) {
        block_on(self.0, self.1.close(how));
    }
}

/// A call that can be cancelled from another thread, by dropping its future.
struct Started(On, Abortable<Call<Payload>>, AbortHandle);

impl Pending for Started {
    fn wait(self: Box<Self>) -> Answer {
        let Self(on, call, _) = *self;
        block_on(on, call).unwrap_or(Err(CallError::Cancelled(Fate::MayHaveRun)))
    }

    fn canceller(&self) -> Box<dyn Fn() + Send + Sync> {
        let handle = self.2.clone();
        Box::new(move || handle.abort())
    }
}

struct Sender(On, ExchangeSender);

impl Sending for Sender {
    fn send(&self, item: &Payload) -> Result<(), CallError> {
        block_on(self.0, self.1.send(item))
    }

    fn finish(&self) -> Result<(), CallError> {
        self.1.finish()
    }
}

struct Receiver(On, ExchangeReceiver);

impl Taking for Receiver {
    fn next(&mut self) -> NextItem {
        block_on(self.0, self.1.next())
    }

    fn answer(self: Box<Self>) -> Answer {
        block_on(self.0, self.1.answer())
    }
}

struct Subscriber(On, Subscription<Payload>);

impl Subscribed for Subscriber {
    fn retained(&self) -> u64 {
        self.1.retained()
    }

    fn next(&mut self) -> NextDelivery {
        block_on(self.0, self.1.next())
    }
}

struct Ours<R>(On, Client<R>);
struct Theirs(On, Peer);

/// Both ends have the same methods.
macro_rules! end {
    ($end:ty, $close:expr $(, $runtime:ident)?) => {
        impl$(<$runtime: Runtime>)? End for $end {
            fn request(&self, channel: &str, args: &Payload, options: &Options) -> Answer {
                block_on(self.0, self.1.with(options.clone()).request(channel, args))
            }

            fn start(
                &self,
                channel: &str,
                args: &Payload,
                options: &Options,
            ) -> Result<Box<dyn Pending>, CallError> {
                let call = self.1.with(options.clone()).request(channel, args);
                let (call, handle) = abortable(call);
                Ok(Box::new(Started(self.0, call, handle)))
            }

            fn open(
                &self,
                channel: &str,
                args: &Payload,
                options: &Options,
            ) -> Result<Halves, CallError> {
                let end = self.1.with(options.clone());
                let (sender, receiver) = block_on(self.0, end.open(channel, args))?.split();
                Ok((Box::new(Sender(self.0, sender)), Box::new(Receiver(self.0, receiver))))
            }

            fn send(&self, channel: &str, message: &Payload) -> Result<(), CallError> {
                let end = self.1.with(Options::new().no_deadline());
                block_on(self.0, end.send(channel, message))
            }

            fn ping(&self) -> Result<Duration, CallError> {
                block_on(self.0, self.1.ping())
            }

            fn close(&self, message: &str) {
                $close(self, message);
            }

            fn abort(&self, message: &str) {
                self.1.abort(message);
            }

            fn closed(&self) -> Option<CloseReason> {
                self.1.closed()
            }
        }
    };
}

end!(Ours<R>, |this: &Self, message| drop(block_on(this.0, this.1.close(message))), R);
end!(Theirs, |this: &Self, message| this.1.close(message));

impl<R: Runtime> conformance::Client for Ours<R> {
    fn as_end(&self) -> &dyn End {
        self
    }

    fn connection(&self) -> ConnectionId {
        self.1.welcome().connection
    }

    fn subscribe(
        &self,
        pattern: &str,
        options: &Options,
    ) -> Result<Box<dyn Subscribed>, CallError> {
        let client = self.1.with(options.clone());
        Ok(Box::new(Subscriber(self.0, block_on(self.0, client.subscribe(pattern))?)))
    }

    fn publish(&self, topic: &str, value: &Payload, options: &Options) -> Result<(), CallError> {
        block_on(self.0, self.1.with(options.clone()).publish(topic, value))
    }

    fn publish_counted(
        &self,
        topic: &str,
        value: &Payload,
        options: &Options,
    ) -> Result<u64, CallError> {
        block_on(self.0, self.1.with(options.clone()).publish_counted(topic, value))
    }

    fn pause(&self) {
        self.1.pause();
    }

    fn resume(&self) {
        self.1.resume();
    }
}
