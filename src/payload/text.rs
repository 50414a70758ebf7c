//! Text from a peer or a library, made fit for logs and answers. Knows nothing else.

use alloc::string::String;
use core::fmt::Write as _;

/// How many bytes the beginning takes, and twice how many characters the end. An escape takes at
/// most 8 bytes, so the whole stays below 1,024.
///
/// Serde's messages quote what they found first and say what they wanted last; both must survive a
/// quoted megabyte.
const HALF: usize = 200;

/// `text` on one line: control characters escaped, the middle cut out of what is long.
pub(super) fn tidy(text: &str) -> String {
    let mut tidied = String::new();
    let mut rest = text.chars();
    for c in rest.by_ref() {
        push(&mut tidied, c);
        if tidied.len() >= HALF {
            break;
        }
    }
    let rest = rest.as_str();
    if rest.len() <= HALF / 2 {
        rest.chars().for_each(|c| push(&mut tidied, c));
        return tidied;
    }
    tidied.push_str("[..]");
    let start = rest.char_indices().rev().take(HALF / 2).last().map_or(rest.len(), |(at, _)| at);
    rest[start..].chars().for_each(|c| push(&mut tidied, c));
    tidied
}

/// Control characters, and those that turn the direction of writing, would rewrite a log's lines.
fn push(tidied: &mut String, c: char) {
    let unseen = matches!(
        c,
        '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}'
    );
    if c.is_control() || unseen {
        // Cannot fail: a `String` takes whatever comes.
        let _ = write!(tidied, "{}", c.escape_default());
    } else {
        tidied.push(c);
    }
}
