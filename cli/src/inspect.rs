//! `switchboard inspect`: the frames of a byte stream that was recorded, one line each. Knows the wire
//! (`switchboard::wire`) and files, nothing of connections: what is allowed when is not looked at.

use std::fmt;
use std::fs::File;
use std::io::{self, BufReader, Read};

use switchboard::wire::{Decoder, Frame};
use switchboard::{Payload, ProtocolError, ScanError};

use crate::item::Item;
use crate::output::{Notation, print_line};
use crate::problem::{Exit, Problem};
use crate::{diag, json};

/// So many characters of a frame are shown.
const SHOWN: usize = 200;
/// The bytes of a frame's length.
const LENGTH: usize = 4;
/// How a payload that cannot be read, or what is left out, stands in the notation.
const ELLIPSIS: &str = "...";

#[derive(clap::Args)]
pub(crate) struct Args {
    /// What one side sent, as raw bytes; `-` or nothing: stdin
    file: Option<String>,
    /// Show long frames whole; --output json always does
    #[arg(long)]
    full: bool,
    /// The longest frame that the receiver takes
    #[arg(long, value_name = "BYTES", default_value_t = 16 << 20)]
    max_frame: u32,
    /// How frames are printed
    #[arg(long, value_enum, value_name = "NOTATION", default_value_t = Notation::Diag)]
    output: Notation,
}

pub(crate) fn run(args: &Args) -> Result<(), Problem> {
    let input: Box<dyn Read> = match args.file.as_deref() {
        None | Some("-") => Box::new(io::stdin().lock()),
        Some(file) => Box::new(open(file).map_err(|error| {
            let what = format!("cannot read {file}: {error}");
            Problem::new(Exit::Usage, what, "give a file of raw bytes, or - for stdin")
        })?),
    };
    let print = match args.output {
        Notation::Json => print_json,
        Notation::Diag => print_diag,
    };
    let mut stream = Stream::new(BufReader::new(input), args.max_frame);
    loop {
        match stream.next() {
            Ok(None) => return Ok(()),
            Ok(Some(found)) => print(&found, args.full)?,
            Err(Trouble::Io(error)) => {
                let what = format!("cannot read on at byte {}: {error}", stream.at);
                return Err(Problem::new(Exit::Lost, what, "check where the bytes come from"));
            }
            Err(trouble) => {
                if args.output == Notation::Json {
                    print_line(&trouble.json(stream.at))?;
                }
                return Err(trouble.problem(stream.at));
            }
        }
    }
}

/// Opens what is there to be read: no folder.
fn open(file: &str) -> io::Result<File> {
    let file = File::open(file)?;
    if file.metadata()?.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    Ok(file)
}

/// Why nothing more can be read.
#[derive(Debug)]
enum Trouble {
    Protocol(ProtocolError),
    /// The stream ends inside a frame, or inside its length.
    Incomplete {
        came: usize,
        of: usize,
    },
    Io(io::Error),
}

impl From<ProtocolError> for Trouble {
    fn from(error: ProtocolError) -> Self {
        Self::Protocol(error)
    }
}

impl Trouble {
    /// Its stable name; that of a broken rule is the protocol's own.
    const fn name(&self) -> &'static str {
        match self {
            Self::Protocol(error) => error.name(),
            Self::Incomplete { .. } => "incomplete",
            Self::Io(_) => "io",
        }
    }

    fn problem(&self, at: usize) -> Problem {
        let todo = "what follows cannot be told; check what was recorded, and who wrote it";
        match self {
            Self::Protocol(_) => {
                Problem::new(Exit::Lost, format!("byte {at}: {}: {self}", self.name()), todo)
            }
            _ => Problem::new(
                Exit::Lost,
                format!("byte {at}: {self}"),
                "record to the end, or see why the sender went",
            ),
        }
    }

    fn json(&self, at: usize) -> String {
        let mut entries = vec![
            ("offset", number(at)),
            ("error", Item::Text(self.name().into())),
            ("message", Item::Text(self.to_string())),
        ];
        if let Self::Incomplete { came, of } = self {
            entries.extend([("came", number(*came)), ("of", number(*of))]);
        }
        object(entries).unwrap_or_default()
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Protocol(error) => f.write_str(meaning(*error)),
            Self::Incomplete { came, of: LENGTH } => {
                write!(f, "the stream ends inside a frame's length: {came} of {LENGTH} bytes")
            }
            Self::Incomplete { came, of } => {
                write!(f, "the stream ends inside a frame: {came} of {of} bytes")
            }
            Self::Io(error) => write!(f, "{error}"),
        }
    }
}

/// What a broken rule means to whoever looks at bytes.
const fn meaning(error: ProtocolError) -> &'static str {
    match error {
        ProtocolError::FrameEmpty => "a length of 0, and a frame has at least one byte",
        ProtocolError::FrameTooLarge => {
            "a length above --max-frame; or these bytes do not speak switchboard at all"
        }
        ProtocolError::NotSwitchboard => "the hello of another protocol",
        ProtocolError::MalformedFrame => {
            "no frame, or one whose head is not in the one spelling that the protocol allows"
        }
        ProtocolError::UnknownKind => "kinds 19 to 23 and those above 65,535 are no frames",
        _ => "the protocol is broken",
    }
}

/// A frame that was read.
struct Found {
    offset: usize,
    /// As its first four bytes say.
    length: usize,
    kind: &'static str,
    /// The elements before the payload.
    head: Vec<Item>,
    rest: Result<Vec<Item>, Bad>,
}

/// A payload that nobody can use; it costs its message only.
struct Bad {
    what: &'static str,
    error: ScanError,
}

/// Frames, one after the other.
struct Stream<R> {
    input: R,
    decoder: Decoder,
    max_frame: u32,
    /// Where the next frame begins.
    at: usize,
}

impl<R: Read> Stream<R> {
    fn new(input: R, max_frame: u32) -> Self {
        Self { input, decoder: Decoder::new(max_frame), max_frame, at: 0 }
    }

    /// The next frame; `None` at the end. After trouble there is no further one.
    fn next(&mut self) -> Result<Option<Found>, Trouble> {
        // Only as much as belongs to this frame is ever read, so that nothing is behind it.
        let mut length = [0; LENGTH];
        match self.read(LENGTH, Some(&mut length))? {
            0 => return Ok(None),
            LENGTH => {}
            came => return Err(Trouble::Incomplete { came, of: LENGTH }),
        }
        self.decoder.peek()?;
        let length = u32::from_be_bytes(length).min(self.max_frame) as usize;
        let came = self.read(length, None)?;
        let Some(frame) = self.decoder.peek()? else {
            return Err(Trouble::Incomplete { came: LENGTH + came, of: LENGTH + length });
        };
        let found = read(self.at, frame)?;
        self.decoder.skip();
        self.at += LENGTH + length;
        Ok(Some(found))
    }

    /// Reads so many bytes into the decoder, fewer only at the end of the stream; `copy` gets them, too.
    fn read(&mut self, count: usize, mut copy: Option<&mut [u8]>) -> Result<usize, Trouble> {
        let mut came = 0;
        while came < count {
            let space = self.decoder.space();
            let most = space.len().min(count - came);
            let read = match self.input.read(&mut space[..most]) {
                Ok(0) => break,
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(Trouble::Io(error)),
            };
            if let Some(copy) = &mut copy {
                copy[came..came + read].copy_from_slice(&space[..read]);
            }
            self.decoder.filled(read);
            came += read;
        }
        Ok(came)
    }
}

fn read(offset: usize, bytes: &[u8]) -> Result<Found, ProtocolError> {
    let frame = Frame::decode(bytes)?;
    let (rest, what) = rest_of(&frame);
    let (head, behind) = bytes.split_at(bytes.len() - rest.map_or(0, <[u8]>::len));
    let elements = bytes[0] & 0x1f;
    let (heads, rest) = match (&frame, rest) {
        (_, None) => (elements, Ok(vec![])),
        (Frame::Extension { .. }, Some(_)) => (1, array(elements - 1, behind)),
        (_, Some(_)) => (elements - 1, payload(behind)),
    };
    // What was decoded is well-formed.
    let head = array(heads, &head[1..]).map_err(|_| ProtocolError::MalformedFrame)?;
    let rest = rest.map_err(|error| Bad { what, error });
    Ok(Found { offset, length: bytes.len(), kind: frame.kind().name(), head, rest })
}

/// One item, looked at by itself as whoever takes the payload does.
fn payload(bytes: &[u8]) -> Result<Vec<Item>, ScanError> {
    Ok(vec![Item::read(&Payload::from_cbor(bytes.to_vec())?)?])
}

/// So many items, one after the other.
fn array(count: u8, bytes: &[u8]) -> Result<Vec<Item>, ScanError> {
    let items = payload(&[&[0x80 | count], bytes].concat())?;
    Ok(items.into_iter().flat_map(elements_of).collect())
}

fn elements_of(item: Item) -> Vec<Item> {
    if let Item::Array(elements) = item { elements } else { vec![item] }
}

/// What is not of the head, and what it is called.
const fn rest_of<'a>(frame: &Frame<'a>) -> (Option<&'a [u8]>, &'static str) {
    match frame {
        Frame::Hello { payload, .. }
        | Frame::Welcome { payload, .. }
        | Frame::Reject { payload, .. }
        | Frame::Message { payload, .. }
        | Frame::Request { payload, .. }
        | Frame::Response { payload, .. }
        | Frame::Failure { payload, .. }
        | Frame::Item { payload, .. }
        | Frame::Publish { payload, .. }
        | Frame::Delivery { payload, .. } => (Some(payload), "bad payload"),
        Frame::Extension { rest, .. } => (Some(rest), "unreadable extension"),
        _ => (None, ""),
    }
}

impl Found {
    /// The frame in diagnostic notation; an ellipsis stands for what cannot be read.
    fn notation(&self) -> String {
        let items = self.head.iter().chain(self.rest.iter().flatten());
        let mut shown: Vec<String> = items.map(diag::print).collect();
        if self.rest.is_err() {
            shown.push(ELLIPSIS.into());
        }
        format!("[{}]", shown.join(", "))
    }
}

fn print_diag(found: &Found, full: bool) -> Result<(), Problem> {
    let mut notation = found.notation();
    if let Some((cut, _)) = notation.char_indices().nth(SHOWN).filter(|_| !full) {
        let all = notation.chars().count();
        notation.truncate(cut);
        notation.push_str(&format!("{ELLIPSIS} ({all} characters; --full shows all)"));
    }
    if let Err(Bad { what, error }) = &found.rest {
        notation.push_str(&format!(" {what}: {error}"));
    }
    print_line(&format!("{:>8} {:>8}  {:<11} {notation}", found.offset, found.length, found.kind))
}

fn print_json(found: &Found, _full: bool) -> Result<(), Problem> {
    let line = |last: Vec<(&str, Item)>| {
        let mut entries = vec![
            ("offset", number(found.offset)),
            ("length", number(found.length)),
            ("kind", Item::Text(found.kind.into())),
        ];
        entries.extend(last);
        object(entries)
    };
    let in_notation = || line(vec![("diag", Item::Text(found.notation()))]);
    print_line(&match &found.rest {
        Ok(rest) => {
            let frame = Item::Array([&found.head[..], rest].concat());
            line(vec![("frame", frame)]).or_else(|_| in_notation())?
        }
        Err(Bad { what, error }) => line(vec![
            ("diag", Item::Text(found.notation())),
            ("bad", Item::Text(format!("{what}: {error}"))),
        ])?,
    })
}

fn object(entries: Vec<(&str, Item)>) -> Result<String, json::Unwritable> {
    let entries = entries.into_iter().map(|(key, value)| (Item::Text(key.into()), value));
    json::print(&Item::Map(entries.collect()))
}

fn number(count: usize) -> Item {
    Item::Unsigned(count as u64)
}
