//! Many subscribers at once, of which one process stands still: the others miss nothing, and it learns what it
//! missed. That process is this test program, started once more.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

mod common;

use std::env;
use std::io::{self, BufRead, BufReader, Lines};
use std::process::{Child, ChildStdout, Command, Stdio};

use common::{Home, no_hurry};
use rustix::process::{Pid, Signal, kill_process};
use switchboard::{Config, Delivery, DeliveryError};
use switchboard_blocking::{Client, Peer, Server, Subscription};

/// Where the process that stands still finds its server.
const ADDRESS: &str = "SWITCHBOARD_TEST_ADDRESS";

/// A number, and what makes it large.
type Large = (u64, String);

/// Another process of this program, which subscribes.
struct Other {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Other {
    fn start(address: &str) -> Self {
        let mut command = Command::new(env::current_exe().unwrap());
        command.args(["--exact", "the_other_process", "--nocapture", "--test-threads=1"]);
        command.env(ADDRESS, address);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    /// The numbers that it says next.
    fn hear(&mut self) -> Vec<u64> {
        let said = |line: Result<String, _>| Some(line.unwrap().strip_prefix('@')?.to_owned());
        let said = self.lines.find_map(said).unwrap();
        said.split(' ').map(|number| number.parse().unwrap()).collect()
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Not a test, but what another process of this program does.
#[test]
fn the_other_process() {
    let Ok(address) = env::var(ADDRESS) else { return };
    // Itself it drops nothing: all that it misses the server has dropped.
    let mut config = no_hurry();
    (config.max_deliveries, config.max_delivery_bytes) = (1 << 20, 1 << 30);
    let client = Client::builder().config(config).connect(&address).unwrap();
    let mut all = client.subscribe::<Large>("n").unwrap();
    // On lines of their own, whatever the test harness has written before.
    println!("\n@0");
    let (mut got, mut lost) = (0, 0);
    loop {
        match all.next().unwrap() {
            Ok(Delivery { value: (n, block), .. }) => {
                assert_eq!(n, got + lost, "each loss was told in its place");
                got += 1;
                if block.is_empty() {
                    break;
                }
            }
            Err(DeliveryError::Lagged(count)) => lost += count,
            Err(error) => panic!("{error}"),
        }
    }
    println!("\n@{got} {lost}");
    // Connected until the other side has seen enough, or is no more.
    io::stdin().lines().for_each(drop);
}

/// Queues that are full soon.
fn small() -> Config {
    let mut config = no_hurry();
    (config.max_deliveries, config.max_unsent) = (32, 32 << 10);
    config
}

fn dropped(peer: &Peer) -> u64 {
    peer.counters().unwrap().deliveries_dropped
}

// Threat 33.
#[test]
fn a_subscriber_that_stands_still_costs_the_others_nothing_and_learns_its_exact_loss() {
    let home = Home::of(Server::builder().config(small()));
    let mut still = Other::start(&home.address);
    still.hear();
    let peer = home.peer();
    let others: Vec<Client> = (0..99).map(|_| home.client()).collect();
    let mut others: Vec<Subscription<Large>> =
        others.iter().map(|client| client.subscribe("n").unwrap()).collect();
    still.signal(Signal::STOP);
    let (publisher, block) = (home.client(), "x".repeat(8000));
    let mut published = 0;
    let mut publish = |block: &str| {
        assert_eq!(publisher.publish_counted("n", &(published, block)).unwrap(), 100);
        for other in &mut others {
            let (n, got) = other.next().unwrap().unwrap().value;
            assert_eq!((n, got.len()), (published, block.len()), "all, in order");
        }
        published += 1;
    };
    while dropped(&peer) == 0 {
        publish(&block);
    }
    (0..10).for_each(|_| publish(&block));
    still.signal(Signal::CONT);
    publish("");
    let told = still.hear();
    assert_eq!(told[0] + told[1], published);
    assert_eq!(told[1], dropped(&peer), "neither more nor less");
    assert!(others.iter_mut().all(|other| other.try_next().is_none()), "nothing twice");
}
