//! `ServerStatus`: what a server tells of itself on the channel [`STATUS`]. Filled by adapters; knows
//! counters and serde, so that every adapter's server tells the same.

use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::counters::Counters;
use crate::id::ConnectionId;
use crate::wire::VERSIONS;

/// The channel on which a server tells of itself (`docs/protocol.md` section 4.6).
pub const STATUS: &str = "switchboard.status";

/// What a server tells of itself on [`STATUS`]: a map with the fields' names, written as `uptime-ms`,
/// and with `version`, this crate's, and `protocol`, the versions that it speaks.
#[derive(Clone, Debug, Default)]
#[allow(clippy::exhaustive_structs, reason = "adapters fill it")]
pub struct ServerStatus {
    /// The program's name.
    pub program: String,
    /// Its process.
    pub pid: u32,
    /// How long the server has run; told in milliseconds.
    pub uptime: Duration,
    /// Who is connected and let in.
    pub connections: Vec<ConnectionStatus>,
    /// Channels with a handler.
    pub handlers: Vec<String>,
    /// Channels with a listener.
    pub listeners: Vec<String>,
}

/// What a server tells of one of its connections: a map of these and of the counters.
#[derive(Clone, Copy, Debug)]
#[allow(clippy::exhaustive_structs, reason = "adapters fill it")]
pub struct ConnectionStatus {
    /// Its number.
    pub id: ConnectionId,
    /// The client's user, where the system tells.
    pub uid: Option<u32>,
    /// The client's process, where the system tells.
    pub pid: Option<u32>,
    /// What has passed.
    pub counters: Counters,
}

impl Serialize for ServerStatus {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let uptime = u64::try_from(self.uptime.as_millis()).unwrap_or(u64::MAX);
        let mut map = serializer.serialize_map(Some(8))?;
        map.serialize_entry("program", &self.program)?;
        map.serialize_entry("pid", &self.pid)?;
        map.serialize_entry("version", env!("CARGO_PKG_VERSION"))?;
        map.serialize_entry("protocol", &VERSIONS)?;
        map.serialize_entry("uptime-ms", &uptime)?;
        map.serialize_entry("connections", &self.connections)?;
        map.serialize_entry("handlers", &self.handlers)?;
        map.serialize_entry("listeners", &self.listeners)?;
        map.end()
    }
}

impl Serialize for ConnectionStatus {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let counters = &self.counters;
        let mut map = serializer.serialize_map(Some(12))?;
        map.serialize_entry("id", &self.id.number())?;
        map.serialize_entry("uid", &self.uid)?;
        map.serialize_entry("pid", &self.pid)?;
        map.serialize_entry("frames-in", &counters.frames_in)?;
        map.serialize_entry("frames-out", &counters.frames_out)?;
        map.serialize_entry("bytes-in", &counters.bytes_in)?;
        map.serialize_entry("bytes-out", &counters.bytes_out)?;
        map.serialize_entry("open-made", &counters.open_made)?;
        map.serialize_entry("open-served", &counters.open_served)?;
        map.serialize_entry("unsent", &counters.unsent)?;
        map.serialize_entry("dropped", &counters.dropped)?;
        map.serialize_entry("strikes", &counters.strikes)?;
        map.end()
    }
}
