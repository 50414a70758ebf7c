//! `Item`: what a payload says, as a value. `json` and `diag` print it. Knows payloads only.
//!
//! Nothing of the value is lost, only its spelling: widths, and strings and containers in pieces.
//! The CBOR library's own value would not do here: it reads undefined as null and refuses the
//! other simple values, and a tool that looks at payloads must tell them apart.

use switchboard::{Payload, PayloadLimits, ScanError};

#[cfg(test)]
pub(crate) mod tests;

/// One CBOR item (RFC 8949 section 3).
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Item {
    Unsigned(u64),
    /// -1 minus this number.
    Negative(u64),
    Bytes(Vec<u8>),
    Text(String),
    Array(Vec<Self>),
    /// In the order in which they came, a key that came twice included.
    Map(Vec<(Self, Self)>),
    Tag(u64, Box<Self>),
    Bool(bool),
    Null,
    Undefined,
    /// The simple values without a name.
    Simple(u8),
    Float(f64),
}

/// The tags of integers beyond 64 bits: their content is a big-endian byte string.
const BIG_UNSIGNED: u64 = 2;
const BIG_NEGATIVE: u64 = 3;

/// A whole number: -1 minus `magnitude` if it is negative.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Integer {
    pub(crate) negative: bool,
    pub(crate) magnitude: u128,
}

impl Item {
    /// Reads a payload after a check, so that its nesting is bounded.
    pub(crate) fn read(payload: &Payload) -> Result<Self, ScanError> {
        payload.check(&PayloadLimits::default())?;
        Reader { cbor: payload.as_cbor(), at: 0 }.item()
    }

    /// The integer that this is, up to 128 bits, whichever way it is spelled.
    pub(crate) fn integer(&self) -> Option<Integer> {
        match self {
            Self::Unsigned(n) => Some(Integer { negative: false, magnitude: (*n).into() }),
            Self::Negative(n) => Some(Integer { negative: true, magnitude: (*n).into() }),
            Self::Tag(tag @ (BIG_UNSIGNED | BIG_NEGATIVE), content) => {
                let Self::Bytes(bytes) = &**content else { return None };
                let start = bytes.iter().position(|byte| *byte != 0).unwrap_or(bytes.len());
                let bytes = &bytes[start..];
                let mut wide = [0; 16];
                wide[16_usize.checked_sub(bytes.len())?..].copy_from_slice(bytes);
                let magnitude = u128::from_be_bytes(wide);
                Some(Integer { negative: *tag == BIG_NEGATIVE, magnitude })
            }
            _ => None,
        }
    }
}

impl From<u32> for Item {
    fn from(number: u32) -> Self {
        Self::Unsigned(number.into())
    }
}

impl Integer {
    /// In decimal digits; `None` for -2^128, which is a bit too far.
    pub(crate) fn text(self) -> Option<String> {
        if self.negative {
            Some(format!("-{}", self.magnitude.checked_add(1)?))
        } else {
            Some(self.magnitude.to_string())
        }
    }
}

/// Goes over bytes that have passed the scan. It reports what cannot be all the same.
struct Reader<'a> {
    cbor: &'a [u8],
    at: usize,
}

/// The first byte of an item in its two parts, and the number behind it.
struct Head {
    major: u8,
    info: u8,
    number: u64,
}

/// The `info` of strings and containers whose end is told by a break.
const INDEFINITE: u8 = 31;
const BREAK: u8 = 0xff;

impl<'a> Reader<'a> {
    fn take(&mut self, length: u64) -> Result<&'a [u8], ScanError> {
        let truncated = ScanError::Truncated { at: self.at };
        let length = usize::try_from(length).map_err(|_| truncated)?;
        let rest = self.cbor.get(self.at..).ok_or(truncated)?;
        let taken = rest.get(..length).ok_or(truncated)?;
        self.at += length;
        Ok(taken)
    }

    fn head(&mut self) -> Result<Head, ScanError> {
        let at = self.at;
        let first = self.take(1)?[0];
        let (major, info) = (first >> 5, first & 31);
        let width = match info {
            0..=23 | INDEFINITE => 0,
            24..=27 => 1 << (info - 24),
            _ => return Err(ScanError::Reserved { at }),
        };
        let number = match width {
            0 => info.into(),
            _ => self.take(width)?.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)),
        };
        Ok(Head { major, info, number })
    }

    fn item(&mut self) -> Result<Item, ScanError> {
        let at = self.at;
        let head = self.head()?;
        Ok(match head.major {
            0 => Item::Unsigned(head.number),
            1 => Item::Negative(head.number),
            2 => Item::Bytes(self.string(&head)?),
            3 => {
                let text = String::from_utf8(self.string(&head)?);
                Item::Text(text.map_err(|_| ScanError::BadText { at })?)
            }
            4 => Item::Array(self.series(&head, Self::item)?),
            5 => Item::Map(self.series(&head, |reader| Ok((reader.item()?, reader.item()?)))?),
            6 => Item::Tag(head.number, Box::new(self.item()?)),
            _ => simple_or_float(&head, at)?,
        })
    }

    /// The bytes of a string in one piece, or in several up to a break.
    fn string(&mut self, head: &Head) -> Result<Vec<u8>, ScanError> {
        if head.info != INDEFINITE {
            return Ok(self.take(head.number)?.to_vec());
        }
        let mut whole = Vec::new();
        while !self.at_break()? {
            let piece = self.head()?;
            whole.extend_from_slice(self.take(piece.number)?);
        }
        Ok(whole)
    }

    /// So many elements as announced, or up to a break.
    fn series<T>(
        &mut self,
        head: &Head,
        element: impl Fn(&mut Self) -> Result<T, ScanError>,
    ) -> Result<Vec<T>, ScanError> {
        if head.info != INDEFINITE {
            return (0..head.number).map(|_| element(self)).collect();
        }
        let mut elements = Vec::new();
        while !self.at_break()? {
            elements.push(element(self)?);
        }
        Ok(elements)
    }

    /// Whether a break comes next; it is taken.
    fn at_break(&mut self) -> Result<bool, ScanError> {
        let next = self.take(1)?[0];
        if next != BREAK {
            self.at -= 1;
        }
        Ok(next == BREAK)
    }
}

fn simple_or_float(head: &Head, at: usize) -> Result<Item, ScanError> {
    // The numbers were read from exactly as many bytes, so nothing is cut off.
    Ok(match head.info {
        20 => Item::Bool(false),
        21 => Item::Bool(true),
        22 => Item::Null,
        23 => Item::Undefined,
        0..=24 => Item::Simple(head.number as u8),
        25 => Item::Float(half(head.number as u16)),
        26 => Item::Float(f32::from_bits(head.number as u32).into()),
        27 => Item::Float(f64::from_bits(head.number)),
        _ => return Err(ScanError::UnexpectedBreak { at }),
    })
}

/// A float of 16 bits (RFC 8949 appendix D).
fn half(bits: u16) -> f64 {
    let fraction = f64::from(bits & 0x3ff);
    let size = match bits >> 10 & 0x1f {
        0 => fraction * 2_f64.powi(-24),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        exponent => (fraction + 1024.0) * 2_f64.powi(i32::from(exponent) - 25),
    };
    if bits >> 15 == 0 { size } else { -size }
}
