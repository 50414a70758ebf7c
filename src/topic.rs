//! The names of pub/sub: what is a topic, what is a pattern, and which of them fit
//! (`docs/protocol.md` section 5.1). Called by the connection, the hub and the broker; knows text only.

/// Most tokens of a topic or a pattern.
const MOST_TOKENS: usize = 16;
/// Most bytes of a topic or a pattern.
const LONGEST: usize = 255;

/// Whether this is a topic: 1 to 16 tokens joined by `.`, 255 bytes at most, none of them empty or
/// with a control character, a space, `*` or `>`; the first character is no `$`.
///
/// ```
/// use switchboard::is_topic;
///
/// assert!(is_topic("sensors.kitchen.temperature"));
/// assert!(!is_topic("sensors..temperature") && !is_topic("sensors.*") && !is_topic("$sys"));
/// ```
#[must_use]
pub fn is_topic(text: &str) -> bool {
    is_name(text) && text.split('.').all(is_token)
}

/// Whether this is a pattern: a topic in which a token may be `*`, which stands for exactly one, and
/// the last one `>`, which stands for one or more.
///
/// ```
/// use switchboard::is_pattern;
///
/// assert!(is_pattern("sensors.*.temperature") && is_pattern("sensors.>") && is_pattern(">"));
/// assert!(!is_pattern("sensors.>.temperature") && !is_pattern("sens*") && !is_pattern(""));
/// ```
#[must_use]
pub fn is_pattern(text: &str) -> bool {
    let front = match text.strip_suffix('>') {
        Some("") => return true,
        Some(front) => match front.strip_suffix('.') {
            Some(front) => front,
            None => return false,
        },
        None => text,
    };
    is_name(text) && front.split('.').all(|token| token == "*" || is_token(token))
}

/// Whether a topic is one of those that a pattern stands for. Both must be what they are said to be.
pub(crate) fn fits(pattern: &str, topic: &str) -> bool {
    let (mut wanted, mut tokens) = (pattern.split('.'), topic.split('.'));
    loop {
        match (wanted.next(), tokens.next()) {
            (Some(">"), Some(_)) | (None, None) => return true,
            (Some(one), Some(token)) if one == "*" || one == token => {}
            _ => return false,
        }
    }
}

/// What is asked of topics and patterns alike, before anybody looks at their tokens.
fn is_name(text: &str) -> bool {
    let dots = text.bytes().filter(|byte| *byte == b'.');
    text.len() <= LONGEST && !text.starts_with('$') && dots.count() < MOST_TOKENS
}

fn is_token(token: &str) -> bool {
    !token.is_empty() && token.bytes().all(|byte| !matches!(byte, 0..=b' ' | 0x7f | b'*' | b'>'))
}
