//! Numbers for `f32` and `f64` fields: floats of any width and integers, but only when exact.
//!
//! JavaScript writes `21.0` as the integer 21, so integers must do for floats. And serde's own
//! `f32` takes any `f64` and rounds it, which would change a value without a word.

use core::fmt;
use core::marker::PhantomData;

use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, Error, IgnoredAny, VariantAccess as _, Visitor,
};

use super::exact::byte;

/// A float type that a field may have.
pub(super) trait Float: Sized {
    const NAME: &'static str;

    /// `number` as this type, if that loses nothing.
    fn exact(number: f64) -> Option<Self>;

    fn visit<'de, V: Visitor<'de>, E: Error>(self, visitor: V) -> Result<V::Value, E>;
}

impl Float for f64 {
    const NAME: &'static str = "f64";

    fn exact(number: f64) -> Option<Self> {
        Some(number)
    }

    fn visit<'de, V: Visitor<'de>, E: Error>(self, visitor: V) -> Result<V::Value, E> {
        visitor.visit_f64(self)
    }
}

impl Float for f32 {
    const NAME: &'static str = "f32";

    fn exact(number: f64) -> Option<Self> {
        let narrow = number as Self;
        (f64::from(narrow) == number || number.is_nan()).then_some(narrow)
    }

    fn visit<'de, V: Visitor<'de>, E: Error>(self, visitor: V) -> Result<V::Value, E> {
        visitor.visit_f32(self)
    }
}

/// Takes any number and hands it to `visitor` as an `F`.
pub(super) struct FloatVisitor<F, V> {
    visitor: V,
    float: PhantomData<F>,
}

impl<F, V> FloatVisitor<F, V> {
    pub(super) const fn new(visitor: V) -> Self {
        Self { visitor, float: PhantomData }
    }
}

impl<F: Float, V> FloatVisitor<F, V> {
    fn integer<'de, E: Error>(self, negative: bool, magnitude: u128) -> Result<V::Value, E>
    where
        V: Visitor<'de>,
    {
        let number = if negative { -(magnitude as f64) } else { magnitude as f64 };
        let significant = u128::BITS
            .saturating_sub(magnitude.leading_zeros())
            .saturating_sub(magnitude.trailing_zeros());
        if significant > f64::MANTISSA_DIGITS {
            return Err(inexact::<F, E>(number));
        }
        self.visit_f64(number)
    }
}

fn inexact<F: Float, E: Error>(number: f64) -> E {
    E::custom(format_args!("a number near {number:e} is not exact as an {}", F::NAME))
}

impl<'de, F: Float, V: Visitor<'de>> Visitor<'de> for FloatVisitor<F, V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a number that is exact as an {}", F::NAME)
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<V::Value, E> {
        match F::exact(number) {
            Some(float) => float.visit(self.visitor),
            None => Err(inexact::<F, E>(number)),
        }
    }

    fn visit_u8<E: Error>(self, _: u8) -> Result<V::Value, E> {
        Err(byte(&self))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<V::Value, E> {
        self.integer(false, number.into())
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<V::Value, E> {
        self.integer(number < 0, number.unsigned_abs().into())
    }

    fn visit_u128<E: Error>(self, number: u128) -> Result<V::Value, E> {
        self.integer(false, number)
    }

    fn visit_i128<E: Error>(self, number: i128) -> Result<V::Value, E> {
        self.integer(number < 0, number.unsigned_abs())
    }

    /// A tag, as the CBOR library shows it. Tags are skipped here as they are before integers.
    fn visit_enum<A: EnumAccess<'de>>(self, tagged: A) -> Result<V::Value, A::Error> {
        let (IgnoredAny, content) = tagged.variant()?;
        content.newtype_variant_seed(self)
    }
}

impl<'de, F: Float, V: Visitor<'de>> DeserializeSeed<'de> for FloatVisitor<F, V> {
    type Value = V::Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<V::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}
