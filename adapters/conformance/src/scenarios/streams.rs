//! Streams of items: both ways, whole and in order, ended early by either side, and items that are none.
//! Called by the macro of the tests.

use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use switchboard::{
    CallError, Config, Failure, Fate, Options, Payload, Rejected, Status, to_payload,
};

use super::home::{Home, failure, items, number, patient, read, until_told};
use crate::{Call, Sending, Serves, Setup};

/// Sends each number back twice as large, and answers with how many there were.
fn double(call: &dyn Call, _: Payload) -> Result<Payload, Failure> {
    let mut count = 0;
    for item in items(call) {
        call.send(&number(2 * read(item?)))?;
        count += 1;
    }
    Ok(number(count))
}

/// What a sender is told when its items are not wanted any more.
fn send_until_refused(sending: &dyn Sending) -> CallError {
    loop {
        if let Err(error) = sending.send(&number(1)) {
            return error;
        }
    }
}

/// Section 4.3: items go while others come, and the answer stands behind all of them; whoever calls whom.
pub fn both_sides_of_a_call_talk_by_turns(setup: &Setup) {
    let home = Home::of(setup, Serves::default().handle("double", double));
    let client = home.client(Serves::default().handle("double", double));
    for end in [client.as_end(), &*home.peer()] {
        let (sending, mut taking) = end.open("double", &Payload::null(), &patient()).unwrap();
        for n in 0..100 {
            sending.send(&number(n)).unwrap();
            assert_eq!(read(taking.next().unwrap().unwrap()), 2 * n);
        }
        sending.finish().unwrap();
        assert_eq!(taking.next(), None);
        assert_eq!(read(taking.answer().unwrap()), 100);
    }
}

/// Section 4.3: more than all windows and buffers hold, which goes on only because both halves do.
pub fn large_streams_pass_each_other_whole_and_in_order(setup: &Setup) {
    let back = |call: &dyn Call, _: Payload| {
        items(call).try_for_each(|item| call.send(&item?))?;
        Ok(Payload::null())
    };
    let home = Home::of(setup, Serves::default().handle("back", back));
    let client = home.client(Serves::default());
    let (sending, mut taking) = client.open("back", &Payload::null(), &patient()).unwrap();
    let item = |n: usize| Payload::bytes(&vec![n as u8; 20_000 + n]);
    thread::scope(|scope| {
        scope.spawn(|| {
            (0..500).for_each(|n| sending.send(&item(n)).unwrap());
            sending.finish().unwrap();
        });
        assert!((0..500).all(|n| taking.next() == Some(Ok(item(n)))), "each in its place");
        assert_eq!(taking.next(), None);
    });
    assert_eq!(taking.answer(), Ok(Payload::null()));
}

/// Section 4.3: without flags both streams are empty.
pub fn a_plain_call_has_no_streams(setup: &Setup) {
    let plain = |call: &dyn Call, _: Payload| {
        assert_eq!(call.next(), None);
        assert_eq!(call.send(&number(1)), Err(CallError::Rejected(Rejected::NoStream)));
        Ok(number(7))
    };
    let home = Home::of(setup, Serves::default().handle("plain", plain));
    let client = home.client(Serves::default());
    assert_eq!(read(client.request("plain", &Payload::null(), &patient()).unwrap()), 7);
}

/// Section 4.3: nothing comes behind `end`, and only the sender's own stream is over.
pub fn what_is_finished_is_not_gone_on_with(setup: &Setup) {
    let home = Home::of(setup, Serves::default().handle("double", double));
    let client = home.client(Serves::default());
    let (sending, mut taking) = client.open("double", &Payload::null(), &patient()).unwrap();
    (1..=3).for_each(|n| sending.send(&number(n)).unwrap());
    sending.finish().unwrap();
    // Of a call that was answered meanwhile nothing can be finished either.
    let over = [Rejected::NoStream, Rejected::UnknownCall].map(|why| Err(CallError::Rejected(why)));
    assert!(over.contains(&sending.send(&number(4))) && over.contains(&sending.finish()));
    for n in 1..=3 {
        assert_eq!(read(taking.next().unwrap().unwrap()), 2 * n);
    }
    assert_eq!(read(taking.answer().unwrap()), 3);
}

/// Section 4.3: the callee need not wait for the caller's `end`; who still sends learns it.
pub fn an_answer_may_come_before_the_last_item(setup: &Setup) {
    let first = |call: &dyn Call, _: Payload| Ok(call.next().transpose()?.unwrap());
    let home = Home::of(setup, Serves::default().handle("first", first));
    let client = home.client(Serves::default().handle("first", first));
    for end in [client.as_end(), &*home.peer()] {
        let (sending, mut taking) = end.open("first", &Payload::null(), &patient()).unwrap();
        sending.send(&number(7)).unwrap();
        let told = send_until_refused(&*sending);
        assert_eq!(told, CallError::Rejected(Rejected::UnknownCall));
        assert_eq!(taking.next(), None);
        assert_eq!(read(taking.answer().unwrap()), 7);
    }
}

/// Section 4.4: what was taken stays taken, and the answer says what went wrong.
pub fn a_failure_ends_the_stream_that_it_comes_behind(setup: &Setup) {
    let told = Failure::new(Status::ABORTED, "broken").with_data(number(3));
    let why = told.clone();
    let breaks = move |call: &dyn Call, _: Payload| {
        call.send(&number(1))?;
        // So that the first item is not dropped unsent.
        call.next().transpose()?;
        Err(why.clone())
    };
    let home = Home::of(setup, Serves::default().handle("breaks", breaks));
    let client = home.client(Serves::default());
    let (sending, mut taking) = client.open("breaks", &Payload::null(), &patient()).unwrap();
    assert_eq!(taking.next(), Some(Ok(number(1))));
    sending.send(&number(2)).unwrap();
    assert_eq!(taking.next(), None);
    assert_eq!(failure(taking.answer()), told);
}

/// Section 4.2: a handler that waits for items learns it, and so does one that waits for room.
pub fn a_stream_that_is_dropped_is_cancelled_at_its_handler(setup: &Setup) {
    let (began, (told, came)) = (channel(), channel());
    let serves = || Serves::default().handle("works", until_told(&began.0, &told));
    let home = Home::of(setup, serves());
    let client = home.client(serves());
    for end in [client.as_end(), &*home.peer()] {
        for reads in [true, false] {
            let (sending, taking) =
                end.open("works", &to_payload(&reads).unwrap(), &patient()).unwrap();
            sending.send(&number(1)).unwrap();
            began.1.recv().unwrap();
            drop(sending);
            drop(taking);
            assert_eq!(came.recv().unwrap(), CallError::Cancelled(Fate::MayHaveRun));
        }
    }
}

/// Section 4.2: the deadline is that of the whole call.
pub fn a_deadline_ends_a_stream_for_both(setup: &Setup) {
    let (began, (told, came)) = (channel(), channel());
    let home = Home::of(setup, Serves::default().handle("works", until_told(&began.0, &told)));
    let client = home.client(Serves::default());
    let hasty = Options::new().deadline(Duration::from_millis(300));
    let (_sending, mut taking) = client.open("works", &to_payload(&true).unwrap(), &hasty).unwrap();
    began.1.recv().unwrap();
    assert_eq!(taking.next(), None);
    assert_eq!(taking.answer(), Err(CallError::Deadline(Fate::MayHaveRun)));
    assert_eq!(came.recv().unwrap(), CallError::Cancelled(Fate::MayHaveRun));
}

/// Section 1.3: a bad payload is a matter of that item only, whoever takes it.
pub fn an_item_that_is_none_is_told_in_its_place(setup: &Setup) {
    let mut flat = Config::default();
    flat.payload.max_depth = 1;
    let (sender, came) = channel();
    let tells = move |call: &dyn Call, _: Payload| {
        for item in items(call) {
            sender.send(item.clone())?;
            // One that is deep for each, and then what came.
            call.send(&to_payload(&[[0]])?)?;
            call.send(&item.unwrap_or_else(|_| number(0)))?;
        }
        Ok(Payload::null())
    };
    let home = Home::of(setup, Serves::config(flat.clone()).handle("tells", tells));
    let client = home.client(Serves::config(flat));
    let (sending, mut taking) = client.open("tells", &Payload::null(), &patient()).unwrap();
    for item in [number(1), to_payload(&[[2]]).unwrap(), number(3)] {
        sending.send(&item).unwrap();
        assert!(matches!(taking.next(), Some(Err(CallError::Decode(_)))));
        let bad = item == to_payload(&[[2]]).unwrap();
        assert_eq!(matches!(came.recv().unwrap(), Err(CallError::Decode(_))), bad);
        assert_eq!(taking.next(), Some(Ok(if bad { number(0) } else { item })));
    }
    sending.finish().unwrap();
    assert_eq!(taking.answer(), Ok(Payload::null()));
}
