//! `--timeout`, and how a time is written there: `500ms`, `2s`, `1m`, or plain seconds, `1.5`.

use std::time::Duration;

/// The option of commands that wait for a server.
#[derive(clap::Args)]
pub(crate) struct Patience {
    /// Time for connecting and all that follows: 500ms, 2s, 1m, or seconds (1.5)
    #[arg(long, value_name = "TIME", value_parser = parse)]
    pub(crate) timeout: Option<Duration>,
}

/// Reads a time above 0.
fn parse(text: &str) -> Result<Duration, String> {
    let (number, unit) = match text.find(|c: char| !(c.is_ascii_digit() || c == '.')) {
        Some(at) => text.split_at(at),
        None => (text, "s"),
    };
    let seconds = match unit {
        "ms" => 0.001,
        "s" => 1.0,
        "m" => 60.0,
        _ => return Err("write a time as 500ms, 2s, 1m or 1.5 (seconds)".into()),
    };
    let number: f64 = number.parse().map_err(|_| format!("{number:?} is no number"))?;
    match Duration::try_from_secs_f64(number * seconds) {
        Ok(Duration::ZERO) => Err("it must be above 0".into()),
        Ok(time) => Ok(time),
        Err(_) => Err("it is too long".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_unit_is_read() {
        for (text, ms) in [
            ("500ms", 500),
            ("2s", 2000),
            ("1m", 60_000),
            ("1.5", 1500),
            (".5s", 500),
            ("0.5m", 30_000),
            ("30", 30_000),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_millis(ms)), "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in ["", "0", "0s", "0.0ms", "-1", "1h", "s", ".", "1.2.3", "1 s", "inf", "NaN"] {
            assert!(parse(text).is_err(), "{text}");
        }
        assert!(parse(&"9".repeat(30)).is_err());
        assert!(parse("0.0000000000001").is_err());
    }
}
