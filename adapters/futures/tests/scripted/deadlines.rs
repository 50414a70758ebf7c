//! Whoever waits for room, or for a sign of life, ends at the deadline.

use std::fmt::Debug;
use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use switchboard::{CallError, Fate, Options, Payload};
use switchboard_futures::Runtime;

use crate::home::{Home, patient};
use crate::world::{self, Scripted};

/// What a task is told at last.
fn told<T: Debug + Send + 'static>(
    waits: impl Future<Output = Result<T, CallError>> + Send + 'static,
) -> CallError {
    let told = Arc::<Mutex<Option<CallError>>>::default();
    let tells = Arc::clone(&told);
    Scripted::spawn(async move { *tells.lock().unwrap() = Some(waits.await.unwrap_err()) });
    world::until(|| told.lock().unwrap().is_some());
    told.lock().unwrap().take().unwrap()
}

#[test]
fn whoever_waits_for_room_or_for_a_pong_ends_at_its_deadline() {
    let mut config = patient();
    config.max_unsent = 1;
    let home = Home::with(config);
    let client = home.client.with(Options::new().deadline(Duration::from_millis(1)));
    // From here on the server reads nothing, also no ping.
    home.peer.pause();
    let pinged = client.clone();
    assert_eq!(
        told(async move { pinged.ping().await }),
        CallError::Deadline(Fate::MayHaveRun),
        "it was asked, and did not answer"
    );
    let large = Payload::bytes(&[0; 1 << 20]);
    while world::here(home.client.send("nobody", &large)).is_some() {}
    let never = CallError::Deadline(Fate::NeverSent);
    let [calls, sends, publishes, subscribes, opens] = [(); 5].map(|()| client.clone());
    assert_eq!(told(async move { calls.request::<()>("add", &()).await }), never);
    assert_eq!(told(async move { sends.send("n", &()).await }), never);
    assert_eq!(told(async move { publishes.publish("n", &()).await }), never);
    assert_eq!(told(async move { subscribes.subscribe::<()>("n").await.map(drop) }), never);
    assert_eq!(told(async move { opens.open("n", &()).await.map(drop) }), never);
    drop(client);
    home.peer.resume();
    home.both_are_as_before();
    home.ends();
}
