//! Amounts as the tests count them: whole millionths, parsed here and not by the code under test.

/// Millionths of a BCC.
pub type Micros = u64;

/// Parses a decimal amount of an answer, such as `12.5`.
pub fn micros(text: &str) -> Micros {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    assert!(fraction.len() <= 6, "{text}: more than six places");
    let parse = |digits: &str| -> Micros {
        assert!(digits.bytes().all(|byte| byte.is_ascii_digit()), "{text} is no amount");
        digits.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
    };
    parse(whole) * 1_000_000 + parse(&format!("{fraction:0<6}"))
}

#[cfg(test)]
mod tests {
    use super::micros;

    #[test]
    fn amounts_are_read_exactly() {
        assert_eq!(micros("0"), 0);
        assert_eq!(micros("12.5"), 12_500_000);
        assert_eq!(micros("0.000001"), 1);
        assert_eq!(micros("1000"), 1_000_000_000);
    }

    #[test]
    #[should_panic(expected = "no amount")]
    fn signs_are_refused() {
        micros("-1");
    }
}
