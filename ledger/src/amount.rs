//! Money: a whole number of millionths of a BCC, so that no rounding can make or lose a coin.

use std::fmt;
use std::str::FromStr;

use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

const DECIMALS: usize = 6;

/// An amount of BCC, counted in 10^-6 BCC ("micros"). Never negative; all arithmetic is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, BorshSerialize, BorshDeserialize)]
pub struct Amount(u64);

/// Why a text is not an amount.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AmountError {
    /// Not digits with at most one point between them.
    #[error("an amount is a decimal number such as 12 or 12.5, without sign or exponent")]
    Malformed,
    /// More than six places after the point.
    #[error("an amount has at most 6 places after the point")]
    TooPrecise,
    /// More than 2^64 - 1 millionths.
    #[error("the amount is too large")]
    TooLarge,
}

impl Amount {
    /// Nothing.
    pub const ZERO: Self = Self(0);
    /// Millionths in one BCC.
    pub const MICROS_PER_BCC: u64 = 1_000_000;

    /// From millionths of a BCC.
    pub const fn from_micros(micros: u64) -> Self {
        Self(micros)
    }

    /// In millionths of a BCC.
    pub const fn micros(self) -> u64 {
        self.0
    }

    /// From whole BCC; `None` when it does not fit.
    pub const fn from_bcc(bcc: u64) -> Option<Self> {
        match bcc.checked_mul(Self::MICROS_PER_BCC) {
            Some(micros) => Some(Self(micros)),
            None => None,
        }
    }

    /// Whether this is nothing.
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// The sum; `None` when it does not fit.
    #[must_use]
    pub const fn checked_add(self, other: Self) -> Option<Self> {
        match self.0.checked_add(other.0) {
            Some(micros) => Some(Self(micros)),
            None => None,
        }
    }

    /// The difference; `None` when it would be negative.
    #[must_use]
    pub const fn checked_sub(self, other: Self) -> Option<Self> {
        match self.0.checked_sub(other.0) {
            Some(micros) => Some(Self(micros)),
            None => None,
        }
    }

    /// The multiple; `None` when it does not fit.
    #[must_use]
    pub const fn checked_mul(self, factor: u64) -> Option<Self> {
        match self.0.checked_mul(factor) {
            Some(micros) => Some(Self(micros)),
            None => None,
        }
    }

    /// `percent` hundredths of the amount, rounded up to the next millionth of a BCC; `None` when it
    /// does not fit.
    #[must_use]
    pub fn percent_rounded_up(self, percent: u8) -> Option<Self> {
        let hundredths = u128::from(self.0) * u128::from(percent);
        u64::try_from(hundredths.div_ceil(100)).ok().map(Self)
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, micros) = (self.0 / Self::MICROS_PER_BCC, self.0 % Self::MICROS_PER_BCC);
        if micros == 0 {
            return f.pad(&whole.to_string());
        }
        let places = format!("{micros:06}");
        f.pad(&format!("{whole}.{}", places.trim_end_matches('0')))
    }
}

impl FromStr for Amount {
    type Err = AmountError;

    fn from_str(text: &str) -> Result<Self, AmountError> {
        let (whole, places) = match text.split_once('.') {
            Some((_, "")) => return Err(AmountError::Malformed),
            Some(parts) => parts,
            None => (text, ""),
        };
        let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || !digits(whole) || !digits(places) {
            return Err(AmountError::Malformed);
        }
        if places.len() > DECIMALS {
            return Err(AmountError::TooPrecise);
        }
        let micros: u64 = format!("{places:0<DECIMALS$}").parse().map_err(|_| AmountError::Malformed)?;
        let whole: u64 = whole.parse().map_err(|_| AmountError::TooLarge)?;
        Self::from_bcc(whole).and_then(|amount| amount.checked_add(Self(micros))).ok_or(AmountError::TooLarge)
    }
}

impl Serialize for Amount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <String as Deserialize>::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn text_that_is_an_amount() {
        for (text, micros, shown) in [
            ("0", 0, "0"),
            ("12", 12_000_000, "12"),
            ("12.5", 12_500_000, "12.5"),
            ("0.000001", 1, "0.000001"),
            ("007.10", 7_100_000, "7.1"),
            ("18446744073709.551615", u64::MAX, "18446744073709.551615"),
        ] {
            let amount: Amount = text.parse().unwrap();
            assert_eq!(amount.micros(), micros, "{text}");
            assert_eq!(amount.to_string(), shown);
        }
    }

    #[test]
    fn text_that_is_not_an_amount() {
        for text in
            ["", ".", ".5", "5.", "-1", "+1", "1e3", "1,5", " 1", "1 ", "0x1", "1.2.3", "NaN", "inf", "١", "1_0"]
        {
            assert_eq!(text.parse::<Amount>(), Err(AmountError::Malformed), "{text:?}");
        }
        assert_eq!("1.0000001".parse::<Amount>(), Err(AmountError::TooPrecise));
        assert_eq!("1.0000000".parse::<Amount>(), Err(AmountError::TooPrecise));
        for text in ["18446744073709.551616", "18446744073710", "99999999999999999999999"] {
            assert_eq!(text.parse::<Amount>(), Err(AmountError::TooLarge), "{text}");
        }
    }

    #[test]
    fn a_share_is_rounded_up() {
        for (micros, percent, share) in
            [(0, 3, 0), (1, 3, 1), (33, 3, 1), (34, 3, 2), (100, 3, 3), (101, 3, 4), (7, 0, 0)]
        {
            let amount = Amount::from_micros(micros);
            assert_eq!(amount.percent_rounded_up(percent), Some(Amount::from_micros(share)), "{micros}");
        }
        assert_eq!(Amount::from_micros(u64::MAX).percent_rounded_up(100), Some(Amount::from_micros(u64::MAX)));
        assert_eq!(Amount::from_micros(u64::MAX).percent_rounded_up(101), None);
    }

    proptest! {
        #[test]
        fn shown_and_parsed_again_is_the_same(micros: u64) {
            let amount = Amount::from_micros(micros);
            prop_assert_eq!(amount.to_string().parse::<Amount>(), Ok(amount));
        }
    }
}
