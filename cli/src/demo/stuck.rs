//! The step of the demonstration in which one client does not read, and nobody else notices.

use std::sync::mpsc::{self, Receiver, Sender};

use switchboard::{CallError, Options, Rejected};
use switchboard_blocking::{Client, Context, Guard, Peer, Server};

use super::{next, step, unexpected};
use crate::problem::Problem;

/// So many letters make a page. Some pages fill a socket and all that the server keeps unsent.
const PAGE: usize = 64 << 10;
/// More than enough of them.
const MOST_PAGES: u32 = 1000;

/// Bob pauses, the server broadcasts until it takes no more for him, and Ada gets every page.
pub(super) fn show(server: &Server, ada: &Client, bob: Client) -> Result<(), Problem> {
    let (to_ada, ada_reads) = mpsc::channel();
    let (to_bob, bob_reads) = mpsc::channel();
    let _guards = [subscribe(ada, to_ada)?, subscribe(&bob, to_bob)?];
    bob.pause();

    let text = "x".repeat(PAGE);
    let mut page = 0;
    let refused = loop {
        let sent = server
            .broadcast("news", &(page, &text), &Options::new())
            .map_err(|error| unexpected(&error.to_string()))?;
        // Ada has read this page before the next one comes, whatever Bob does.
        reads(&ada_reads, page)?;
        match outcome(&sent, "Ada") {
            Some(Ok(())) => {}
            _ => return Err(unexpected("Ada reads, and no page was taken for her")),
        }
        match outcome(&sent, "Bob") {
            Some(Ok(())) => page += 1,
            Some(Err(CallError::Rejected(Rejected::Full))) => break Rejected::Full,
            _ => return Err(unexpected("a page for Bob was neither taken nor too much")),
        }
        if page == MOST_PAGES {
            return Err(unexpected("the server takes page after page for Bob"));
        }
    };
    bob.resume();
    (0..page).try_for_each(|page| reads(&bob_reads, page))?;
    bob.close("enough news");
    step(
        "13. Stuck peer",
        "Bob stops reading while the server sends pages to all; nobody waits for him",
        &[
            ("for Ada", "Ok, and she reads each page at once"),
            (
                "for Bob",
                &format!("Ok until the pages fill what may wait; then {refused:?}: {refused}"),
            ),
            ("Bob", "reads on, gets every page that was Ok, in order, and leaves"),
        ],
    )
}

/// Tells the number of each page that comes.
fn subscribe(client: &Client, tell: Sender<u32>) -> Result<Guard, Problem> {
    let listener = move |_: Context, (page, _text): (u32, String)| {
        // The step may be over.
        let _ = tell.send(page);
    };
    client.on("news", listener).map_err(|error| unexpected(&error.to_string()))
}

/// The next page that somebody reads is this one.
fn reads(read: &Receiver<u32>, page: u32) -> Result<(), Problem> {
    if next(read)? == page { Ok(()) } else { Err(unexpected("a page was left out")) }
}

/// What became of a broadcast for the client of this name.
fn outcome<'a>(
    sent: &'a [(Peer, Result<(), CallError>)],
    name: &str,
) -> Option<&'a Result<(), CallError>> {
    let of = |peer: &Peer| peer.state::<String>().is_some_and(|state| state == name);
    sent.iter().find(|(peer, _)| of(peer)).map(|(_, sent)| sent)
}
