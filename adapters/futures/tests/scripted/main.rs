//! Futures that are dropped after any number of steps: no byte is lost, no call stays open, its slot is free
//! and the peer is told. Each case is run for every number of steps until its future comes to its end, with
//! several orders of steps, by as many bytes as like and by one byte each.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

mod admission;
mod calls;
#[allow(dead_code, reason = "the one number is enough here")]
#[path = "../../../../tests/counting/mod.rs"]
mod counting;
mod deadlines;
mod ends;
mod executor;
mod fairness;
mod home;
mod leaves;
mod listed;
mod loops;
mod nesting;
mod panics;
mod returning;
mod serving;
mod streams;
mod topics;
mod transport;
mod world;

use std::fmt::Debug;
use std::future::Future;

use world::Came;

/// One attempt of a case: it drops its future after so many steps.
pub(crate) struct Attempt {
    steps: usize,
    bytewise: bool,
    seed: u64,
    over: bool,
}

impl Attempt {
    /// Goes on with the future that the case is about, and drops it; what it came to, if it came so far.
    pub(crate) fn of<F: Future>(&mut self, future: F) -> Option<F::Output> {
        match self.some_steps(future) {
            Came::Ready(output) => Some(output),
            Came::Dropped => None,
            Came::Waits => panic!("it waits, and nobody wakes it"),
        }
    }

    /// The same of one that does not come to an end.
    pub(crate) fn of_endless<F: Future<Output: Debug>>(&mut self, future: F) {
        if let Came::Ready(output) = self.some_steps(future) {
            panic!("it has ended: {output:?}");
        }
    }

    fn some_steps<F: Future>(&mut self, future: F) -> Came<F::Output> {
        world::set(self.bytewise, self.seed);
        let came = world::go(self.steps, future);
        world::set(false, self.seed);
        self.over = !matches!(came, Came::Dropped);
        came
    }
}

/// Orders of steps that each case is run with, by as many bytes as like, and by one byte.
const ORDERS: [(bool, u64); 4] = [(false, 0), (false, 1), (false, 2), (true, 3)];

pub(crate) fn after_every_number_of_steps(case: fn(&mut Attempt)) {
    for (bytewise, seed) in ORDERS {
        for steps in 0.. {
            let mut attempt = Attempt { steps, bytewise, seed, over: false };
            // What a panic is about is told by its last line.
            println!("dropped after {steps} steps, bytewise: {bytewise}, order {seed}");
            case(&mut attempt);
            if attempt.over {
                break;
            }
        }
    }
}

/// Makes a test of each case, and the list of the futures that they are about.
macro_rules! cases {
    ($($of:literal: $($module:ident::$case:ident),+;)+) => {
        /// The public futures that have a case.
        pub(crate) const COVERED: &[&str] = &[$($of),+];

        $($(
            #[test]
            fn $case() {
                after_every_number_of_steps($module::$case);
            }
        )+)+
    };
}

cases! {
    "Client::request": calls::a_call, calls::a_call_that_waits_for_room;
    "Call": calls::a_call_that_is_alone, calls::a_call_without_end;
    "Client::ping": calls::a_ping;
    "Client::open": streams::opening;
    "Client::send": topics::a_message;
    "Client::publish": topics::a_publication;
    "Client::publish_counted": topics::a_counted_publication;
    "Client::subscribe": topics::a_new_subscription;
    "Client::connect": ends::connecting;
    "Client::close": ends::closing_a_client;
    "ClientBuilder::connect": ends::connecting_as_one_likes,
        ends::connecting_to_one_that_thinks_about_it, ends::connecting_one_that_comes_back;
    "ClientBuilder::connect_with_driver": ends::connecting_with_a_driver;
    "ClientBuilder::attach": ends::attaching;
    "Driver": ends::a_driver;
    "Exchange::send": streams::an_item_to_send;
    "Exchange::next": streams::an_item_to_come;
    "Exchange::answer": streams::an_answer_behind_items;
    "ExchangeSender::send": streams::an_item_of_a_half_to_send;
    "ExchangeReceiver::next": streams::an_item_of_a_half_to_come;
    "ExchangeReceiver::items": streams::an_item_of_a_stream_to_come;
    "ExchangeReceiver::answer": streams::an_answer_without_end;
    "Items": streams::an_item_of_a_stream_for_a_handler;
    "Items::next": streams::an_item_for_a_handler;
    "ItemSender::send": streams::an_item_of_a_handler;
    "Subscription": topics::a_delivery_of_a_stream;
    "Subscription::next": topics::a_delivery;
    "Peer::request": calls::a_call_of_a_peer, calls::a_call_of_a_peer_without_end;
    "Peer::open": streams::opening_to_a_peer;
    "Peer::send": topics::a_message_to_a_peer;
    "Peer::ping": calls::a_ping_of_a_peer;
    "Scope::survey": calls::a_survey_of_a_scope_without_end;
    "Server::survey": calls::a_survey;
    "Server::close": ends::closing_a_server;
    "Server::closed": ends::waiting_for_the_end_of_a_server;
    "ServerBuilder::bind": ends::binding;
}
