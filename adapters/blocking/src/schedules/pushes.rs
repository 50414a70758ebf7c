//! What comes unasked, while callers come and go. Part of `schedules`.

use std::sync::Arc;

use switchboard::Config;
use switchboard_testkit::schedules::{Echo, explore};

use super::{connect, spawn};
use crate::Client;
use crate::sync::{Condvar, Mutex};

/// What a listener was told.
#[derive(Default)]
struct Heard(Mutex<Vec<u32>>, Condvar);

impl Heard {
    fn wait_for(&self, numbers: &[u32]) {
        let mut heard = self.0.lock().unwrap();
        while heard.len() < numbers.len() {
            heard = self.1.wait(heard).unwrap();
        }
        assert_eq!(*heard, numbers);
    }
}

fn listening(says: &[u32]) -> (Client, crate::sync::thread::JoinHandle<usize>, Arc<Heard>) {
    let heard = Arc::<Heard>::default();
    let hears = Arc::clone(&heard);
    let builder = Client::builder().on("news", move |_, number: u32| {
        hears.0.lock().unwrap().push(number);
        hears.1.notify_one();
    });
    let mut server = Echo::new(Config::default());
    server.news.extend(says);
    let (client, server) = connect(builder, server);
    (client, server, heard)
}

#[test]
fn what_comes_while_nobody_calls_is_read() {
    explore(|| {
        let (client, server, heard) = listening(&[1, 2]);
        heard.wait_for(&[1, 2]);
        drop(client);
        server.join().unwrap();
    });
}

#[test]
fn the_reader_and_callers_take_turns_and_nothing_is_lost() {
    explore(|| {
        let (client, server, heard) = listening(&[1, 2, 3]);
        let callers = [10, 20].map(|number| {
            let client = client.clone();
            spawn(move || assert_eq!(client.request::<u32>("echo", &number), Ok(number)))
        });
        heard.wait_for(&[1, 2, 3]);
        for caller in callers {
            caller.join().unwrap();
        }
        drop(client);
        server.join().unwrap();
    });
}
