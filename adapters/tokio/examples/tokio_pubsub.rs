//! Publish and subscribe: two rooms tell their temperatures, and one client hears of both. Everything is in
//! one program here; each part would do the same in a process of its own.
//!
//! Run it with `cargo run -p switchboard-tokio --example tokio_pubsub`. It prints
//!
//! ```text
//! rooms.kitchen.temperature is 21.5
//! rooms.cellar.temperature is 12
//! 2 subscriptions hear of the kitchen
//! rooms.kitchen.temperature is 22
//! ```
//!
//! The same on other adapters: `adapters/{async-std,blocking,smol,tokio}/examples`.

use std::error::Error;

use switchboard::{Options, Restart};
use switchboard_tokio::{Client, Server, Subscription};

/// Prints the next value.
async fn show(temperatures: &mut Subscription<f64>) -> Result<(), Box<dyn Error>> {
    let delivery = temperatures.next().await.ok_or("the subscription has ended")??;
    println!("{} is {}", delivery.topic, delivery.value);
    Ok(())
}

async fn program() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let address = folder.path().join("rooms.sock");
    let address = address.to_str().ok_or("a path that is no text")?;
    // A server passes on what its clients publish, without a line of its own.
    let server = Server::builder().bind(address).await?;

    let watcher = Client::connect(address).await?;
    let mut temperatures = watcher.subscribe::<f64>("rooms.*.temperature").await?;

    let rooms = Client::connect(address).await?;
    rooms.publish("rooms.kitchen.temperature", &21.5).await?;
    rooms.publish("rooms.kitchen.door", "open").await?;
    rooms.publish("rooms.cellar.temperature", &12.0).await?;
    show(&mut temperatures).await?;
    show(&mut temperatures).await?;

    // The last value of a topic is kept for those who come later, if its publisher wants that.
    let _second = watcher.subscribe::<f64>("rooms.kitchen.>").await?;
    let keeps = rooms.with(Options::new().retain());
    let heard = keeps.publish_counted("rooms.kitchen.temperature", &22.0).await?;
    println!("{heard} subscriptions hear of the kitchen");

    let late = Client::connect(address).await?.with(Options::new().retained());
    let mut temperatures = late.subscribe::<f64>("rooms.*.temperature").await?;
    show(&mut temperatures).await?;

    server.close(Restart::never()).await;
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    program().await
}
