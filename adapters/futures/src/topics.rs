//! How a server's broker reaches a link. Called by the topics, which have their own mutex: whoever has that
//! may take the link's, and never the other way round.

use std::sync::Arc;
use std::time::Instant;

use switchboard::{Command, Line};

use crate::link::Link;

impl Line for Link {
    type Time = Instant;

    fn give(&self, now: Instant, command: Command) -> bool {
        let mut state = self.enter_at(now);
        state.apply(command);
        state.session.connection().is_crowded()
    }

    fn is_crowded(&self) -> bool {
        self.lock().session.connection().is_crowded()
    }

    fn flush(self: &Arc<Self>, now: Instant) {
        self.nudge(&mut self.enter_at(now));
    }
}
