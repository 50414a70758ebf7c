//! Text that others made, fit to be shown: nothing in it moves a cursor, rewrites a line or turns
//! the direction of writing. Knows nothing else.

/// What a terminal does not show as a character of its own.
fn is_unseen(c: char) -> bool {
    let turns = matches!(
        c,
        '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}'
    );
    c.is_control() || turns
}

/// `text` on one line, for people.
pub(crate) fn plain(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if is_unseen(c) { shown.extend(c.escape_default()) } else { shown.push(c) }
    }
    shown
}

/// `text` as a string of JSON, and of CBOR's diagnostic notation, which has taken over its rules.
pub(crate) fn push_quoted(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            // All of them have at most four digits.
            _ if is_unseen(c) => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            _ => out.push(c),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_escaped_for_people() {
        assert_eq!(plain("\u{1b}[2J a\nb \u{9b}1m \u{202e}x ü€"), {
            r"\u{1b}[2J a\nb \u{9b}1m \u{202e}x ü€"
        });
    }

    #[test]
    fn quoted_text_is_json_and_shows_nothing_unseen() {
        let hostile: String = (0..0x3000).filter_map(char::from_u32).collect();
        let mut quoted = String::new();
        push_quoted(&mut quoted, &hostile);
        assert!(!quoted.chars().any(is_unseen));
        assert_eq!(serde_json::from_str::<String>(&quoted).unwrap(), hostile);
    }
}
