//! The blocking adapter as the scenarios see it. Called by the matrix; knows that adapter.

use std::time::Duration;

use switchboard::{
    CallError, CloseReason, ConnectionId, Options, Payload, PeerHello, Restart, Welcome,
};
use switchboard_blocking::{
    Call, Client, Context, ExchangeReceiver, ExchangeSender, Peer, Server, Subscription,
};
use switchboard_conformance as conformance;
use switchboard_conformance::{
    Adapter, Answer, Bound, End, Halves, NextDelivery, NextItem, Opened, Pending, Sending, Serves,
    Subscribed, Taking,
};

pub(crate) struct Blocking;

/// Both builders have the same methods.
macro_rules! serving {
    ($builder:expr, $serves:ident) => {{
        let mut builder = $builder.config($serves.config);
        if $serves.one_by_one {
            builder = builder.threads(1);
        }
        for (channel, handler) in $serves.handlers {
            builder = builder.handle(channel, move |cx, args| handler(&Caller(cx), args));
        }
        for (channel, listener) in $serves.listeners {
            builder = builder.on(channel, move |_, message| listener(message));
        }
        builder
    }};
}

impl Adapter for Blocking {
    fn serve(&self, address: &str, serves: Serves) -> Bound {
        let mut builder = serving!(Server::builder(), serves);
        if let Some(authorize) = serves.authorize {
            builder = builder.authorize(move |hello: &PeerHello, _| {
                authorize(&hello.payload).map(|()| Welcome::new())
            });
        }
        if let Some(check) = serves.check {
            builder = builder.check(move |_, asked| check(asked));
        }
        Ok(Box::new(Served(builder.bind(address)?)))
    }

    fn connect(&self, address: &str, hello: &Payload, serves: Serves) -> Opened {
        let mut builder = serving!(Client::builder().hello(hello).scope(serves.scope), serves);
        if let Some((backoff, on_status)) = serves.comes_back {
            builder = builder.reconnect(backoff).on_status(move |status| on_status(status));
        }
        Ok(Box::new(Ours(builder.connect(address)?)))
    }
}

struct Caller(Context);

impl conformance::Call for Caller {
    fn connection(&self) -> ConnectionId {
        self.0.peer().id()
    }

    fn time_left(&self) -> Option<Duration> {
        self.0.time_left()
    }

    fn is_cancelled(&self) -> bool {
        self.0.is_cancelled()
    }

    fn next(&self) -> NextItem {
        self.0.items().next()
    }

    fn send(&self, item: &Payload) -> Result<(), CallError> {
        self.0.sender()?.send(item)
    }

    fn request(&self, channel: &str, args: &Payload) -> Answer {
        self.0.peer().request(channel, args)
    }
}

struct Served(Server);

impl conformance::Server for Served {
    fn address(&self) -> String {
        self.0.address().unwrap().to_string()
    }

    fn peers(&self) -> Vec<Box<dyn End>> {
        self.0.peers().into_iter().map(|peer| Box::new(Theirs(peer)) as Box<dyn End>).collect()
    }

    fn publish(
        &self,
        scope: &str,
        topic: &str,
        value: &Payload,
        options: &Options,
    ) -> Result<u64, CallError> {
        self.0.scope(scope).publish(topic, value, options)
    }

    fn broadcast(
        &self,
        scope: &str,
        channel: &str,
        message: &Payload,
    ) -> Vec<Result<(), CallError>> {
        let sent = self.0.scope(scope).broadcast(channel, message, &Options::new()).unwrap();
        sent.into_iter().map(|(_, sent)| sent).collect()
    }

    fn survey(&self, scope: &str, channel: &str, args: &Payload, options: &Options) -> Vec<Answer> {
        let answers = self.0.scope(scope).survey(channel, args, options).unwrap();
        answers.into_iter().map(|(_, answer)| answer).collect()
    }

    fn check_again(&self) {
        self.0.check_again();
    }

    fn close(&self, how: Restart) {
        self.0.close(how);
    }
}

struct Started(Call<Payload>);

impl Pending for Started {
    fn wait(self: Box<Self>) -> Answer {
        self.0.wait()
    }

    fn canceller(&self) -> Box<dyn Fn() + Send + Sync> {
        let canceller = self.0.canceller();
        Box::new(move || canceller.cancel())
    }
}

struct Sender(ExchangeSender);

impl Sending for Sender {
    fn send(&self, item: &Payload) -> Result<(), CallError> {
        self.0.send(item)
    }

    fn finish(&self) -> Result<(), CallError> {
        self.0.finish()
    }
}

struct Receiver(ExchangeReceiver);

impl Taking for Receiver {
    fn next(&mut self) -> NextItem {
        self.0.next()
    }

    fn answer(self: Box<Self>) -> Answer {
        self.0.answer()
    }
}

struct Subscriber(Subscription<Payload>);

impl Subscribed for Subscriber {
    fn retained(&self) -> u64 {
        self.0.retained()
    }

    fn next(&mut self) -> NextDelivery {
        self.0.next()
    }
}

struct Ours(Client);
struct Theirs(Peer);

/// Both ends have the same methods.
macro_rules! end {
    ($end:ty) => {
        impl End for $end {
            fn request(&self, channel: &str, args: &Payload, options: &Options) -> Answer {
                self.0.with(options.clone()).request(channel, args)
            }

            fn start(
                &self,
                channel: &str,
                args: &Payload,
                options: &Options,
            ) -> Result<Box<dyn Pending>, CallError> {
                Ok(Box::new(Started(self.0.with(options.clone()).start(channel, args)?)))
            }

            fn open(
                &self,
                channel: &str,
                args: &Payload,
                options: &Options,
            ) -> Result<Halves, CallError> {
                let exchange = self.0.with(options.clone()).open(channel, args)?;
                let (sender, receiver) = exchange.split();
                Ok((Box::new(Sender(sender)), Box::new(Receiver(receiver))))
            }

            fn send(&self, channel: &str, message: &Payload) -> Result<(), CallError> {
                self.0.with(Options::new().no_deadline()).send(channel, message)
            }

            fn ping(&self) -> Result<Duration, CallError> {
                self.0.ping()
            }

            fn close(&self, message: &str) {
                let _ = self.0.close(message);
            }

            fn abort(&self, message: &str) {
                self.0.abort(message);
            }

            fn closed(&self) -> Option<CloseReason> {
                self.0.closed()
            }
        }
    };
}

end!(Ours);
end!(Theirs);

impl conformance::Client for Ours {
    fn as_end(&self) -> &dyn End {
        self
    }

    fn connection(&self) -> ConnectionId {
        self.0.welcome().connection
    }

    fn subscribe(
        &self,
        pattern: &str,
        options: &Options,
    ) -> Result<Box<dyn Subscribed>, CallError> {
        Ok(Box::new(Subscriber(self.0.with(options.clone()).subscribe(pattern)?)))
    }

    fn publish(&self, topic: &str, value: &Payload, options: &Options) -> Result<(), CallError> {
        self.0.with(options.clone()).publish(topic, value)
    }

    fn publish_counted(
        &self,
        topic: &str,
        value: &Payload,
        options: &Options,
    ) -> Result<u64, CallError> {
        self.0.with(options.clone()).publish_counted(topic, value)
    }

    fn pause(&self) {
        self.0.pause();
    }

    fn resume(&self) {
        self.0.resume();
    }
}
