//! The blocking adapter does what every adapter must.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

use std::time::Duration;

use switchboard::{CallError, CloseReason, Options, Payload, PeerHello, Restart, Welcome};
use switchboard_blocking::{Call, Client, Context, Peer, Server};
use switchboard_conformance::{
    Adapter, Answer, Asked, End, Opened, Pending, Serves, conformance_tests,
};

struct Blocking;

conformance_tests!(Blocking);

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
    fn serve(&self, address: &str, serves: Serves) -> Box<dyn switchboard_conformance::Server> {
        let mut builder = serving!(Server::builder(), serves);
        if let Some(authorize) = serves.authorize {
            builder = builder.authorize(move |hello: &PeerHello, _| {
                authorize(&hello.payload).map(|()| Welcome::new())
            });
        }
        Box::new(Served(builder.bind(address).unwrap()))
    }

    fn connect(&self, address: &str, hello: &Payload, serves: Serves) -> Opened {
        let builder = serving!(Client::builder().hello(hello), serves);
        Ok(Box::new(Ours(builder.connect(address)?)))
    }
}

struct Caller(Context);

impl Asked for Caller {
    fn time_left(&self) -> Option<Duration> {
        self.0.time_left()
    }

    fn is_cancelled(&self) -> bool {
        self.0.is_cancelled()
    }

    fn request(&self, channel: &str, args: &Payload) -> Answer {
        self.0.peer().request(channel, args)
    }
}

struct Served(Server);

impl switchboard_conformance::Server for Served {
    fn peers(&self) -> Vec<Box<dyn End>> {
        self.0.peers().into_iter().map(|peer| Box::new(Theirs(peer)) as Box<dyn End>).collect()
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

            fn send(&self, channel: &str, message: &Payload) -> Result<(), CallError> {
                self.0.with(Options::new().no_deadline()).send(channel, message)
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
