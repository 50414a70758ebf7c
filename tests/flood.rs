//! Much of the same again and again: memory stays flat and within its bound, and the work for each does
//! not grow (`docs/protocol.md` sections 1.1, 4.2 and 8). Counted by the allocator of this test program.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;
mod counting;

use std::collections::VecDeque;
use std::sync::Arc;

use common::{Dice, Side, blob, config, framed};
use counting::counted;
use switchboard::{
    CallId, Config, DecodeError, Event, Options, Payload, PayloadLimits, Rejected, from_payload,
};

/// Flat: what is held differs by no more than this.
const FLAT: isize = 4096;

fn no_deadline() -> Options {
    Options::new().no_deadline()
}

// Threat 1.
#[test]
fn a_length_that_is_too_large_costs_no_memory_and_silence_behind_it_neither() {
    for (length, refused) in [(u32::MAX, true), ((16 << 20) + 1, true), (16 << 20, false)] {
        let mut side = Side::open(false, Arc::default());
        side.feed(&framed("82 04 05"));
        side.written();
        let ((), count) = counted(|| {
            for byte in length.to_be_bytes() {
                side.feed(&[byte]);
            }
            for _ in 0..1000 {
                side.run();
                side.pump.space();
            }
        });
        assert!(count.peak <= FLAT, "{length}: {count:?}");
        assert_eq!(!side.connection().is_open(), refused, "{length}");
    }
}

// Threat 24.
#[test]
fn calls_that_are_cancelled_again_and_again_run_no_more_handlers_than_max_calls() {
    const MOST: usize = 8;
    let mut client = Side::client(Arc::default());
    client.written();
    // The server's welcome, with its `max-calls` of 8.
    client.feed(&framed("85 01 01 07 a1 01 08 f6"));
    client.events.clear();
    let mut server = Side::open(false, config(|config| config.max_calls = MOST as u32));
    let mut running = VecDeque::with_capacity(MOST + 1);
    let (mut dice, mut called, mut busy, mut most) = (Dice(24), 0_u32, 0_u32, 0);
    let mut rounds = |count: u32| {
        for _ in 0..count {
            match client.request("c") {
                Ok(call) => {
                    called += 1;
                    let bytes = client.written();
                    server.feed(&bytes);
                    client.cancel(call.number()).unwrap();
                }
                Err(Rejected::Busy) => busy += 1,
                Err(other) => panic!("{other}"),
            }
            let bytes = client.written();
            server.feed(&bytes);
            for event in server.events.drain(..) {
                match event {
                    Event::Request { call, .. } => running.push_back(call.number()),
                    Event::Cancelled { .. } => {}
                    other => panic!("{other:?}"),
                }
            }
            most = most.max(running.len());
            // A handler takes its time to end: some do, long behind the cancel.
            if dice.roll(10) < 8 {
                let ended = running.pop_front();
                ended.into_iter().for_each(|call| server.respond(call).unwrap());
            }
            let bytes = server.written();
            client.feed(&bytes);
            client.events.clear();
        }
    };
    rounds(1000);
    let ((), count) = counted(|| rounds(100_000));
    assert!(count.live.abs() <= FLAT, "{count:?}");
    assert_eq!(most, MOST, "as many as may, and never more");
    assert!(called > 50_000 && busy > 1000, "{called} calls, {busy} refused");
    assert_eq!(server.connection().counters().strikes, 0);
}

// Threat 7.
#[test]
fn the_smallest_frames_again_and_again_leave_memory_flat() {
    for (what, body) in [
        ("pings", "82 04 05"),
        ("extensions", "81 1818"),
        ("publications", "85 10 f6 6174 a0 f6"),
        ("messages", "84 06 616d a0 f6"),
        ("calls", "84 0e 01 6161 a0"),
    ] {
        let mut side = Side::open(false, Arc::default());
        let mut frame = framed(body);
        let mut round = |number: u32| {
            if what == "calls" {
                // Each needs an id of its own: five bytes from the third on.
                let id = (0x1_0001 + 2 * number).to_be_bytes();
                frame = [&[0, 0, 0, 10, 0x84, 0x0e, 0x1a][..], &id, &[0x61, b'a', 0xa0]].concat();
            }
            side.feed(&frame);
            side.events.clear();
            side.written();
        };
        (0..1000).for_each(&mut round);
        let ((), count) = counted(|| (1000..21_000).for_each(&mut round));
        assert!(count.live.abs() <= FLAT, "{what}: {count:?}");
        assert!(side.connection().is_open(), "{what}");
    }
}

// Threat 7.
#[test]
fn an_empty_message_counts_as_much_as_it_costs_to_keep() {
    let mut side = Side::open(false, Arc::default());
    side.feed(&framed("84 06 616d a0 f6"));
    let Some(Event::Message(message)) = side.events.pop() else { panic!("no message") };
    assert!(message.size() >= size_of::<Event>().max(64), "{}", message.size());
}

/// Limits of which one is large, so that nothing else makes room for what it lacks.
fn narrow() -> Arc<Config> {
    config(|config| {
        config.max_frame = 16 << 10;
        config.max_calls = 1;
        config.max_untaken = 0;
        config.max_unanswered = 1;
        config.max_unsent = 1 << 20;
    })
}

#[test]
fn what_waits_for_a_peer_that_reads_nothing_stays_within_the_bound() {
    let config = narrow();
    let bound = config.memory_bound() as isize;
    let mut least_room = isize::MAX;
    for (size, taken_back) in
        [(0, false), (0, true), (1000, false), (1000, true), (10_000, false), (10_000, true)]
    {
        let (side, count) = counted(|| {
            let mut side = Side::open(true, Arc::clone(&config));
            let payload = if size == 0 { Payload::null() } else { blob(size) };
            while side.send("m", &payload).is_ok() {
                side.write(1);
                if taken_back {
                    let _ = let_go(&mut side, &payload);
                }
            }
            side
        });
        least_room = least_room.min(bound / count.peak);
        assert!(count.peak <= bound, "{size} B: {} of {bound}", count.peak);
        drop(side);
    }
    assert!(least_room <= 4, "the bound is far from anything that happens");
}

/// Makes a call and takes it back before anything of it is written.
fn let_go(side: &mut Side, payload: &Payload) -> Result<(), Rejected> {
    let call = side.call("c", payload, &no_deadline(), 0)?;
    side.cancel(call.number())?;
    side.events.clear();
    Ok(())
}

#[test]
fn what_waited_is_given_back_when_it_is_written() {
    let mut side = Side::open(true, narrow());
    let ((), count) = counted(|| {
        while side.send("m", &Payload::null()).is_ok() {}
        while !side.write(1 << 16).is_empty() {}
    });
    assert!(count.peak > 1 << 20, "{count:?}");
    assert!(count.live <= 16 << 10, "{count:?}");
    let (call, count) = counted(|| side.request("c"));
    assert_eq!(call.map(CallId::number), Ok(1));
    assert!(count.live <= FLAT, "{count:?}");
}

#[test]
fn calls_taken_back_behind_a_write_that_stands_still_cost_the_same_each() {
    let cost = |calls: usize| {
        let mut side = Side::open(true, narrow());
        side.send("m", &blob(100)).unwrap();
        side.write(1);
        let ((), count) = counted(|| {
            (0..calls).for_each(|_| let_go(&mut side, &Payload::null()).unwrap());
        });
        count.bytes
    };
    let (one, ten) = (cost(2000), cost(20_000));
    assert!(ten <= 20 * one, "{one} bytes for 2,000, {ten} for 20,000");
}

// Threat 46.
#[test]
fn a_payload_of_next_to_nothing_costs_no_memory_to_check_and_to_refuse() {
    let limits = PayloadLimits::default();
    for tiny in [&[0xf6][..], &[0x80], &[0xc6, 0xf6]] {
        for (items, taken) in [((1 << 20) - 1, true), (1 << 20, false)] {
            let content = tiny.repeat(items / tiny.len());
            let head = [0x84, 6, 0x61, b'm', 0xa0, 0x9f];
            let body = [&head[..], &content, &[0xff]].concat();
            let taken = taken || content.len() < items;
            let mut side = Side::open(false, Arc::default());
            side.feed(&[&(body.len() as u32).to_be_bytes()[..], &body].concat());
            let Some(Event::Message(message)) = side.events.pop() else { panic!("no message") };
            let payload = message.into_payload();
            let (checked, count) = counted(|| payload.check(&limits).is_ok());
            assert_eq!((checked, count.allocations), (taken, 0), "{tiny:x?}, {items}");
            if !taken {
                let (read, count) = counted(|| from_payload::<Vec<Option<u8>>>(&payload, &limits));
                assert!(matches!(read, Err(DecodeError::Scan(_))), "{tiny:x?}");
                assert_eq!(count.allocations, 0, "{tiny:x?}");
            }
        }
    }
}
