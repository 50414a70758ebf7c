//! The steps of the demonstration with topics: patterns, a subscriber that is too slow, a group.

use std::thread;
use std::time::{Duration, Instant};

use switchboard::{Config, Delivery, DeliveryError, Options};
use switchboard_blocking::{Client, Subscription};

use super::{LONG, TOKEN, connect, step, unexpected, visitor};
use crate::problem::Problem;

/// So many values are kept for Carol until she takes them.
const KEPT: usize = 3;
const TICKS: u32 = 10;

/// Ada publishes, Dave and Carol subscribe.
pub(super) fn show(address: &str, ada: &Client) -> Result<(), Problem> {
    let dave = connect(address, "Dave", TOKEN)?;
    let mut config = Config::default();
    config.max_deliveries = KEPT;
    let carol = visitor("Carol", TOKEN).config(config).connect(address)?;
    patterns(ada, &dave)?;
    slow(ada, &dave, &carol)?;
    group(ada, &dave, &carol)?;
    dave.close("enough topics");
    carol.close("enough topics");
    Ok(())
}

fn patterns(ada: &Client, dave: &Client) -> Result<(), Problem> {
    let mut temperatures = dave.subscribe::<String>("sensors.*.temp")?;
    let mut everything = dave.subscribe::<String>("sensors.>")?;
    let temperature = ada.publish_counted("sensors.kitchen.temp", "warm")?;
    let door = ada.publish_counted("sensors.kitchen.door", "open")?;
    let one = next(&mut temperatures)?.topic;
    let [first, second] = [next(&mut everything)?.topic, next(&mut everything)?.topic];
    step(
        "10. Topics",
        &format!(
            "* is one name: Dave hears {one}; > is all that follow: he hears {first} and {second}"
        ),
        &[
            ("Dave", "subscribe 1 to sensors.*.temp"),
            ("Dave", "subscribe 3 to sensors.>"),
            ("Ada", "publish 13 under sensors.kitchen.temp: \"warm\""),
            ("server", "to Dave: delivery for 1, delivery for 3"),
            ("server", &format!("response 13: {temperature}")),
            ("Ada", "publish 15 under sensors.kitchen.door: \"open\""),
            ("server", "to Dave: delivery for 3"),
            ("server", &format!("response 15: {door}")),
        ],
    )
}

fn slow(ada: &Client, dave: &Client, carol: &Client) -> Result<(), Problem> {
    let mut at_once = dave.subscribe::<u32>("ticks")?;
    let mut late = carol.subscribe::<u32>("ticks")?;
    let before = carol.counters().frames_in;
    for tick in 1..=TICKS {
        ada.publish("ticks", &tick)?;
        if next(&mut at_once)?.value != tick {
            return Err(unexpected("a tick was left out"));
        }
    }
    // All has come to Carol; she has taken none of it.
    let start = Instant::now();
    while carol.counters().frames_in < before + u64::from(TICKS) {
        if start.elapsed() > LONG {
            return Err(unexpected("ticks do not arrive"));
        }
        thread::sleep(Duration::from_millis(5));
    }
    let Some(Err(told @ DeliveryError::Lagged(_))) = late.next() else {
        return Err(unexpected("who was too slow is not told"));
    };
    let rest: Vec<String> = (0..KEPT)
        .map(|_| Ok(next(&mut late)?.value.to_string()))
        .collect::<Result<_, Problem>>()?;
    step(
        "11. Slow subscriber",
        &format!(
            "Ada publishes {TICKS} ticks; Dave takes each at once, Carol later, who keeps {KEPT} at most"
        ),
        &[("for Dave", "every tick"), ("for Carol", &format!("{told}; then {}", rest.join(", ")))],
    )
}

fn group(ada: &Client, dave: &Client, carol: &Client) -> Result<(), Problem> {
    let worker = Options::new().group("cooks");
    let mut daves = dave.with(worker.clone()).subscribe::<String>("meals")?;
    let mut carols = carol.with(worker).subscribe::<String>("meals")?;
    for meal in ["soup", "fish", "rice", "cake"] {
        if ada.publish_counted("meals", meal)? != 1 {
            return Err(unexpected("a meal was not for exactly one"));
        }
    }
    let daves = format!("{}, {}", next(&mut daves)?.value, next(&mut daves)?.value);
    let carols = format!("{}, {}", next(&mut carols)?.value, next(&mut carols)?.value);
    step(
        "12. Group",
        "Dave and Carol share the work: of each meal that Ada asks for one of them hears",
        &[("for Dave", &daves), ("for Carol", &carols)],
    )
}

fn next<T: switchboard::FromPayload>(from: &mut Subscription<T>) -> Result<Delivery<T>, Problem> {
    let ended = || unexpected("a subscription has ended by itself");
    Ok(from.next().ok_or_else(ended)??)
}
