//! Topics: those who publish beside those who unsubscribe, and a subscriber that lags. Part of `schedules`.

use switchboard::{Config, DeliveryError, Options};
use switchboard_testkit::schedules::explore;

use super::{join, spawn};
use crate::{Client, Server, Subscription};

/// The next value, which is none that was lost.
fn next(subscription: &mut Subscription<u32>) -> u32 {
    subscription.next().unwrap().unwrap().value
}

#[test]
fn who_stays_gets_all_that_several_publish_while_another_unsubscribes() {
    explore(|| {
        let server = Server::builder().start().unwrap();
        let [one, other] = [(); 2].map(|()| join(&server, Client::builder()));
        let mut stays = one.subscribe::<u32>("n").unwrap();
        let leaves = one.subscribe::<u32>("n").unwrap();
        let leaves = spawn(move || drop(leaves));
        let publishes = spawn(move || other.publish_counted("n", &1));
        let queued = server.publish("n", &2, &Options::new()).unwrap();
        assert!((1..=2).contains(&queued));
        let mut got = [next(&mut stays), next(&mut stays)];
        got.sort_unstable();
        assert_eq!(got, [1, 2]);
        let counted = publishes.join().unwrap();
        assert!(matches!(counted, Ok(1 | 2)), "{counted:?}");
        leaves.join().unwrap();
    });
}

#[test]
fn a_client_that_goes_beside_a_publication_keeps_it_from_nobody() {
    explore(|| {
        let server = Server::builder().start().unwrap();
        let [stays, goes] = [(); 2].map(|()| join(&server, Client::builder()));
        let mut all = stays.subscribe::<u32>("n").unwrap();
        let gone = goes.subscribe::<u32>("n").unwrap();
        let aborts = spawn(move || goes.abort("enough"));
        let publishes = server.clone();
        let publishes = spawn(move || publishes.publish("n", &1, &Options::new()));
        assert_eq!(next(&mut all), 1);
        assert!(matches!(publishes.join().unwrap(), Ok(1 | 2)));
        aborts.join().unwrap();
        // What had come before the end, if anything had, and then that.
        assert!(matches!(gone.count(), 1 | 2));
    });
}

#[test]
fn a_subscriber_that_lags_learns_where_it_has_missed_how_many() {
    explore(|| {
        let mut config = Config::default();
        config.max_deliveries = 1;
        let server = Server::builder().config(config.clone()).start().unwrap();
        let client = join(&server, Client::builder().config(config));
        let mut numbers = client.subscribe::<u32>("n").unwrap();
        let publishes = spawn(move || {
            for number in 1..=3 {
                server.publish("n", &number, &Options::new()).unwrap();
            }
            server
        });
        let mut passed = 0;
        while passed < 3 {
            match numbers.next().unwrap() {
                Ok(delivery) => {
                    passed += 1;
                    assert_eq!(
                        u64::from(delivery.value),
                        passed,
                        "each loss was told in its place"
                    );
                }
                Err(DeliveryError::Lagged(count)) => passed += count,
                Err(error) => panic!("{error}"),
            }
        }
        drop(publishes.join().unwrap());
    });
}
