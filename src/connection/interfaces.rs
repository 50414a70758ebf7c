//! Whether the interfaces that the peer offers are those that this side calls (`docs/protocol.md`
//! section 3.2). Called by the handshake only.

use alloc::collections::BTreeMap;
use alloc::string::String;

use crate::close_reason::CloseReason;

/// The first interface that is offered in a version that does not fit.
pub(crate) fn mismatch(
    needs: &BTreeMap<String, String>,
    offers: &BTreeMap<String, String>,
) -> Option<CloseReason> {
    let (name, needed) = needs
        .iter()
        .find(|(name, needed)| offers.get(*name).is_some_and(|offered| !fits(needed, offered)))?;
    let offered = offers.get(name)?;
    Some(CloseReason::Interface {
        name: name.clone(),
        needed: needed.clone(),
        offered: offered.clone(),
    })
}

/// Cargo's caret rule: not lower, and the same up to the need's first number that is not 0, or up to
/// its last one if all are 0.
fn fits(needed: &str, offered: &str) -> bool {
    let (Some((need, count)), Some((offer, _))) = (numbers(needed), numbers(offered)) else {
        return false;
    };
    let fixed = need.iter().position(|number| *number != 0).map_or(count, |first| first + 1);
    offer >= need && offer[..fixed] == need[..fixed]
}

/// Up to three numbers, and how many of them there are.
fn numbers(version: &str) -> Option<([u64; 3], usize)> {
    let mut numbers = [0; 3];
    let mut count = 0;
    for part in version.split('.') {
        // `parse` alone would take a sign.
        if !part.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        *numbers.get_mut(count)? = part.parse().ok()?;
        count += 1;
    }
    Some((numbers, count))
}

#[cfg(test)]
mod tests {
    use super::fits;

    #[test]
    fn versions_fit_by_cargos_caret_rule() {
        for (needed, good, bad) in [
            (
                "1.4.2",
                &["1.4.2", "1.4.3", "1.5", "1.99.0"][..],
                &["1.4.1", "1.4", "2.0.0", "0.9"][..],
            ),
            ("0.4.2", &["0.4.2", "0.4.9"], &["0.4.1", "0.5.0", "0.5", "1.4.2"]),
            ("0.0.2", &["0.0.2"], &["0.0.1", "0.0.3", "0.1.0"]),
            ("0", &["0", "0.0.1", "0.9.9"], &["1", "1.0.0"]),
            ("0.0", &["0.0", "0.0.9"], &["0.1", "1.0"]),
            ("1", &["1", "1.0.0", "1.2.3"], &["0.9", "2"]),
        ] {
            for offered in good {
                assert!(fits(needed, offered), "{offered} for {needed}");
            }
            for offered in bad {
                assert!(!fits(needed, offered), "{offered} for {needed}");
            }
        }
    }

    #[test]
    fn what_is_no_version_fits_nothing() {
        for text in ["", "x", "1.", ".1", "1.2.3.4", "+1", "-1", "1.2-rc", "99999999999999999999"] {
            assert!(!fits(text, "1.0.0"), "{text} as need");
            assert!(!fits("1.0.0", text), "{text} as offer");
            assert!(!fits(text, text), "{text} as both");
        }
    }
}
