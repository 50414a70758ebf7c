//! `Counters`: what has passed over a connection, and what is open on it. A plain noun.

/// What a connection has counted since it began, and what stands open now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counters {
    /// Frames of the peer that were handled.
    pub frames_in: u64,
    /// Their bytes, lengths included.
    pub bytes_in: u64,
    /// Frames that were handed to the transport whole.
    pub frames_out: u64,
    /// Bytes that were handed to the transport.
    pub bytes_out: u64,
    /// Calls of this side that are open: unanswered by the peer.
    pub open_made: usize,
    /// Calls of the peer that are open: unanswered, or the answer not yet written.
    pub open_served: usize,
    /// Subscriptions of the peer that are live.
    pub subscriptions: usize,
    /// Deliveries to them that wait for their turn.
    pub deliveries_waiting: usize,
    /// Deliveries to them that were dropped, which they are told.
    pub deliveries_dropped: u64,
    /// Bytes that wait to be written.
    pub unsent: u64,
    /// One-way frames of the peer that were dropped here: a bad name or payload, or topics, which nobody
    /// offers.
    pub dropped: u64,
    /// Offences of the peer that cost it a message only.
    pub strikes: u64,
}
