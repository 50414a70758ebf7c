//! `Stop`: how a server ends its connections. Called by adapters; knows connections.

use switchboard::{Connection, Instant, Restart};

/// How a server ends: its connections, and those of clients who come while it does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stop {
    /// It says goodbye, and when to come back.
    Close(Restart),
    /// It falls without a word. Above all it does not ask its clients to stay away: those that
    /// come back shall.
    Abort,
}

impl Stop {
    /// Ends a connection so.
    pub fn end(&self, connection: &mut Connection, now: Instant) {
        match self {
            Self::Close(how) => connection.close(now, how.text(), how.reconnect_after()),
            Self::Abort => connection.abort("the server was dropped"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use switchboard::{CloseReason, Config, ConnectionId, Event, Hello, Next, Pump};

    use super::*;

    const NOW: Instant = Instant::ZERO;

    /// What a client is told that comes to a server that ends so.
    fn told(stop: &Stop) -> Option<CloseReason> {
        let config = Arc::new(Config::default());
        let client = Connection::client(Arc::clone(&config), &Hello::new(), NOW).unwrap();
        let mut client = Pump::new(client);
        let mut server = Connection::server(config, ConnectionId::new(1).unwrap(), NOW);
        stop.end(&mut server, NOW);
        let mut server = Pump::new(server);
        while !matches!(server.next(NOW), Next::Io { .. } | Next::Done(_)) {}
        let mut chunks = [&[][..]; 4];
        let lent = server.chunks(&mut chunks);
        let words = chunks[..lent].concat();
        client.space()[..words.len()].copy_from_slice(&words);
        client.filled(NOW, words.len());
        if words.is_empty() {
            return None;
        }
        loop {
            match client.next(NOW) {
                Next::Event(Event::Closed(reason)) => return Some(reason),
                Next::Io { .. } | Next::Done(_) => return None,
                _ => {}
            }
        }
    }

    #[test]
    fn who_comes_while_a_server_closes_is_told_when_to_come_back_and_nothing_if_it_falls() {
        let after = Some(Duration::from_secs(2));
        let closes = told(&Stop::Close(Restart::after(Duration::from_secs(2))));
        assert!(
            matches!(closes, Some(CloseReason::Refused { reconnect_after, .. }) if reconnect_after == after)
        );
        assert_eq!(told(&Stop::Abort), None);
    }
}
