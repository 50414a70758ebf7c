//! A parent that starts itself as a child; both call each other over the child's standard input and
//! output. So an editor talks to its plugins: no address, no socket file, and both end together.
//!
//! Run it with `cargo run -p switchboard-blocking --example child_over_stdio`. It prints
//!
//! ```text
//! child: this goes to standard error, not between the frames
//! parent: the child asks for a text
//! parent: the child counts 9 words in it, and ends with exit status: 0
//! ```

use std::env;
use std::error::Error;
use std::process::Command;
use std::sync::mpsc;

use switchboard::Restart;
use switchboard_blocking::{Client, Context, Server, Stream};

const TEXT: &str = "So long, and thanks for all the fish, friends";

fn main() -> Result<(), Box<dyn Error>> {
    if env::args().nth(1).as_deref() == Some("child") { child() } else { parent() }
}

fn parent() -> Result<(), Box<dyn Error>> {
    let (result, results) = mpsc::channel();
    let parent = Server::builder()
        .handle("work", move |cx: Context, (): ()| {
            println!("parent: the child asks for a text");
            // The child waits for this handler, and is called all the same.
            let words: u32 = cx.peer().request("count", TEXT)?;
            result.send(words)?;
            Ok(())
        })
        .start()?;
    let (stream, mut child) = Stream::spawn(Command::new(env::current_exe()?).arg("child"))?;
    parent.attach(stream)?;

    let status = child.wait()?;
    let words = results.try_recv()?;
    println!("parent: the child counts {words} words in it, and ends with {status}");
    parent.close(Restart::never());
    Ok(())
}

fn child() -> Result<(), Box<dyn Error>> {
    let parent = Client::builder()
        .handle("count", |_: Context, text: String| Ok(text.split_whitespace().count()))
        .connect("stdio")?;
    println!("child: this goes to standard error, not between the frames");
    parent.request::<()>("work", &())?;
    parent.close("done");
    Ok(())
}
