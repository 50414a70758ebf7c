//! Settings and versions: what the two sides of a handshake tell each other
//! (`docs/protocol.md` section 3). Knows the codec only.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use super::LEAST_MAX_FRAME;
use super::codec::{ARRAY, BYTES, Field, MAP, Reader, TEXT, UINT, Writer};
use crate::error::ProtocolError;

/// What one side takes, for the life of the connection. Read from the wire with the values of
/// section 3 in place of what is absent or out of range.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Settings {
    /// Longest frame, in bytes: at least 16 KiB; 16 MiB where absent.
    pub max_frame: u32,
    /// Calls that its peer may have open; 1,024 where absent, 0 is none.
    pub max_calls: u32,
    /// First credit of each stream to it, in bytes: at most 2^31 - 1; 256 KiB where absent.
    pub stream_window: u32,
    /// It sends something this often: 1 s to 24 h; no promise where absent.
    pub keepalive: Option<Duration>,
    /// `hello` only: channels, topics and retained values of other scopes do not exist for it.
    pub scope: String,
    /// The typed interfaces that it serves: name and version.
    pub interfaces: BTreeMap<String, String>,
}

const MAX_WINDOW: u32 = i32::MAX as u32;
const MAX_SCOPE: usize = 255;
const LONGEST_KEEPALIVE_MS: u64 = 24 * 60 * 60 * 1000;

impl Default for Settings {
    fn default() -> Self {
        Self {
            max_frame: 16 << 20,
            max_calls: 1024,
            stream_window: 256 << 10,
            keepalive: None,
            scope: String::new(),
            interfaces: BTreeMap::new(),
        }
    }
}

impl Settings {
    fn keepalive_ms(&self) -> u64 {
        self.keepalive.map_or(0, |every| u64::try_from(every.as_millis()).unwrap_or(u64::MAX))
    }

    fn read_entry(&mut self, key: u64, reader: &mut Reader<'_>) -> Result<(), ProtocolError> {
        match key {
            0 => self.max_frame = narrow(reader.uint()?).max(LEAST_MAX_FRAME),
            1 => self.max_calls = narrow(reader.uint()?),
            2 => self.stream_window = narrow(reader.uint()?).min(MAX_WINDOW),
            3 => {
                let ms = reader.uint()?;
                let every = Duration::from_millis(ms.clamp(1000, LONGEST_KEEPALIVE_MS));
                self.keepalive = (ms > 0).then_some(every);
            }
            4 => {
                let scope = reader.text()?;
                if scope.len() > MAX_SCOPE {
                    return Err(ProtocolError::MalformedFrame);
                }
                self.scope = scope.into();
            }
            5 => self.interfaces = read_interfaces(reader)?,
            _ => skip_value(reader)?,
        }
        Ok(())
    }
}

fn narrow(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

fn skip_value(reader: &mut Reader<'_>) -> Result<(), ProtocolError> {
    match reader.peek_major() {
        Some(UINT) => reader.uint().map(drop),
        Some(TEXT) => reader.text().map(drop),
        Some(BYTES) => reader.byte_string().map(drop),
        Some(MAP) => read_interfaces(reader).map(drop),
        _ => reader.bool().map(drop),
    }
}

fn read_interfaces(reader: &mut Reader<'_>) -> Result<BTreeMap<String, String>, ProtocolError> {
    let mut interfaces = BTreeMap::new();
    let mut last: Option<&str> = None;
    for _ in 0..reader.map()? {
        let name = reader.text()?;
        if last.is_some_and(|last| (last.len(), last) >= (name.len(), name)) {
            return Err(ProtocolError::MalformedFrame);
        }
        last = Some(name);
        interfaces.insert(name.into(), reader.text()?.into());
    }
    Ok(interfaces)
}

impl Field<'_> for Settings {
    fn read(reader: &mut Reader<'_>) -> Result<Self, ProtocolError> {
        let mut settings = Self::default();
        let mut last = None;
        for _ in 0..reader.map()? {
            let key = reader.uint()?;
            if last.is_some_and(|last| last >= key) {
                return Err(ProtocolError::MalformedFrame);
            }
            last = Some(key);
            settings.read_entry(key, reader)?;
        }
        Ok(settings)
    }

    fn write(&self, out: &mut Writer<'_>) {
        let absent = Self::default();
        let numbers = [
            (u64::from(self.max_frame), u64::from(absent.max_frame)),
            (u64::from(self.max_calls), u64::from(absent.max_calls)),
            (u64::from(self.stream_window), u64::from(absent.stream_window)),
            (self.keepalive_ms(), absent.keepalive_ms()),
        ];
        let count = numbers.iter().filter(|(value, absent)| value != absent).count()
            + usize::from(!self.scope.is_empty())
            + usize::from(!self.interfaces.is_empty());
        out.head(MAP, count as u64);
        for (key, (value, absent)) in (0..).zip(numbers) {
            if value != absent {
                out.byte(key);
                out.head(UINT, value);
            }
        }
        if !self.scope.is_empty() {
            out.byte(4);
            out.text(&self.scope);
        }
        if !self.interfaces.is_empty() {
            out.byte(5);
            out.head(MAP, self.interfaces.len() as u64);
            let mut sorted: Vec<_> = self.interfaces.iter().collect();
            sorted.sort_by_key(|(name, _)| (name.len(), *name));
            for (name, version) in sorted {
                out.text(name);
                out.text(version);
            }
        }
    }
}

/// A list of protocol versions, in any order: at least one.
impl Field<'_> for Vec<u16> {
    fn read(reader: &mut Reader<'_>) -> Result<Self, ProtocolError> {
        let count = reader.array()?;
        if count == 0 {
            return Err(ProtocolError::MalformedFrame);
        }
        let mut versions = Self::new();
        for _ in 0..count {
            versions.push(u16::read(reader)?);
        }
        Ok(versions)
    }

    fn write(&self, out: &mut Writer<'_>) {
        out.head(ARRAY, self.len() as u64);
        for version in self {
            version.write(out);
        }
    }
}
