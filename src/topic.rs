//! What a topic and a pattern look like (`docs/protocol.md` section 5.1). Called by connections, the hub
//! and whoever wants to know before asking; knows nothing else.

/// Most bytes of a topic or pattern.
const LONGEST: usize = 255;
/// Most tokens, which the dots part.
const MOST_TOKENS: usize = 16;

/// Whether values can be published under this name: 1 to 16 tokens joined by `.`, 255 bytes at most. No
/// token is empty or has a control character, a space, `*` or `>`; a first `$` is the protocol's.
///
/// ```
/// assert!(switchboard::is_topic("rooms.7.temperature"));
/// assert!(!switchboard::is_topic("rooms.*"));
/// ```
#[must_use]
pub fn is_topic(name: &str) -> bool {
    is_name(name) && name.split('.').all(is_token)
}

/// Whether this can be subscribed to: a topic in which a token may also be `*` (exactly one token, any)
/// and the last one `>` (one token or more).
///
/// ```
/// assert!(switchboard::is_pattern("rooms.*.temperature"));
/// assert!(switchboard::is_pattern("rooms.>"));
/// assert!(!switchboard::is_pattern("rooms.>.temperature"));
/// ```
#[must_use]
pub fn is_pattern(name: &str) -> bool {
    let begin = name.strip_suffix(">").filter(|begin| begin.is_empty() || begin.ends_with('.'));
    let rest = begin.map_or(name, |begin| begin.strip_suffix('.').unwrap_or("*"));
    is_name(name) && rest.split('.').all(|token| token == "*" || is_token(token))
}

/// What holds for the whole of either.
fn is_name(name: &str) -> bool {
    let tokens = 1 + name.bytes().filter(|byte| *byte == b'.').count();
    name.len() <= LONGEST && tokens <= MOST_TOKENS && !name.starts_with('$')
}

/// The characters that are refused are all of one byte, which no other character contains.
fn is_token(token: &str) -> bool {
    let refused = |byte: u8| matches!(byte, 0..=b' ' | 0x7f | b'*' | b'>');
    !token.is_empty() && !token.bytes().any(refused)
}

#[cfg(test)]
mod tests {
    use super::{is_pattern, is_topic};
    use alloc::string::String;

    #[test]
    fn a_topic_is_tokens_without_wildcards_blanks_and_control_characters() {
        for good in ["a", "a.b", "ü.ß", "a$", "a.$b", "-._", "\u{80}", "1.2.3"] {
            assert!(is_topic(good) && is_pattern(good), "{good:?}");
        }
        for bad in ["", ".", "a.", ".a", "a..b", "$", "$a", " ", "a b", "a\0", "\u{1f}", "\u{7f}"] {
            assert!(!is_topic(bad) && !is_pattern(bad), "{bad:?}");
        }
    }

    #[test]
    fn only_a_pattern_has_wildcards_and_only_as_whole_tokens() {
        for good in ["*", ">", "a.*", "*.a", "*.*", "a.>", "*.>", "a.*.b.>"] {
            assert!(!is_topic(good) && is_pattern(good), "{good:?}");
        }
        for bad in ["a*", "*a", "**", ">.a", "a.>.b", "a>", ">>", ".>", "a..>", "$.>", "> ", "a.*>"]
        {
            assert!(!is_topic(bad) && !is_pattern(bad), "{bad:?}");
        }
    }

    #[test]
    fn names_have_at_most_255_bytes_and_16_tokens() {
        let of = |bytes: usize| "x".repeat(bytes);
        let tokens = |count: usize| ["x"].repeat(count).join(".");
        let many: [(String, bool); 6] = [
            (of(254), true),
            (of(255), true),
            (of(256), false),
            (tokens(15), true),
            (tokens(16), true),
            (tokens(17), false),
        ];
        for (name, good) in many {
            assert_eq!((is_topic(&name), is_pattern(&name)), (good, good), "{name}");
        }
        assert!(is_pattern(&(tokens(15) + ".>")) && !is_pattern(&(tokens(16) + ".>")));
    }
}
