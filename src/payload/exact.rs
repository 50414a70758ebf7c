//! `Exact`: a layer between a type and the CBOR library's deserializer that lets nothing slip.
//!
//! The library reads a stream of items and trusts the type to take all that belongs to it. A tuple
//! that is too short for its array, or a variant that is told by its name alone, leaves items
//! behind, which the next field then takes for its own. This layer looks after the ends of arrays
//! and maps, and reads enums as the text or the map of one entry that they are. Numbers for floats
//! go through `floats`. Texts and bytes are handed over as owned, because the library refuses to
//! lend long ones. All else is forwarded, and whatever is nested gets the layer, too.

use core::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, Error, Expected, IgnoredAny, IntoDeserializer as _,
    MapAccess, SeqAccess, Unexpected, VariantAccess, Visitor,
};

use super::floats::FloatVisitor;

/// The name under which the CBOR library's own types ask for a tag.
const TAG: &str = "@@TAG@@";

/// The layer around a deserializer, a visitor, a seed or the access to a tag.
pub(super) struct Exact<T>(pub(super) T);

macro_rules! forward {
    ($($method:ident$(($($argument:ident: $type:ty),+))? => $inner:ident;)+) => {
        $(#[inline]
        fn $method<V: Visitor<'de>>(
            self,
            $($($argument: $type,)+)?
            visitor: V,
        ) -> Result<V::Value, D::Error> {
            self.0.$inner($($($argument,)+)? Exact(visitor))
        })+
    };
}

macro_rules! forward_numbers {
    ($($method:ident;)+) => {
        $(#[inline]
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
            self.0.$method(NumberVisitor(visitor))
        })+
    };
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Exact<D> {
    type Error = D::Error;

    forward! {
        deserialize_any => deserialize_any;
        deserialize_bool => deserialize_bool;
        deserialize_u8 => deserialize_u8;
        deserialize_char => deserialize_char;
        deserialize_str => deserialize_string;
        deserialize_string => deserialize_string;
        deserialize_bytes => deserialize_byte_buf;
        deserialize_byte_buf => deserialize_byte_buf;
        deserialize_option => deserialize_option;
        deserialize_unit => deserialize_unit;
        deserialize_unit_struct(name: &'static str) => deserialize_unit_struct;
        deserialize_newtype_struct(name: &'static str) => deserialize_newtype_struct;
        deserialize_seq => deserialize_seq;
        deserialize_tuple(len: usize) => deserialize_tuple;
        deserialize_tuple_struct(name: &'static str, len: usize) => deserialize_tuple_struct;
        deserialize_map => deserialize_map;
        deserialize_struct(name: &'static str, fields: &'static [&'static str])
            => deserialize_struct;
        deserialize_identifier => deserialize_identifier;
        deserialize_ignored_any => deserialize_ignored_any;
    }

    forward_numbers! {
        deserialize_i8;
        deserialize_i16;
        deserialize_i32;
        deserialize_i64;
        deserialize_i128;
        deserialize_u16;
        deserialize_u32;
        deserialize_u64;
        deserialize_u128;
    }

    #[inline]
    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.0.deserialize_any(FloatVisitor::<f32, V>::new(visitor))
    }

    #[inline]
    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.0.deserialize_any(FloatVisitor::<f64, V>::new(visitor))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        if name == TAG {
            return self.0.deserialize_enum(name, variants, Exact(visitor));
        }
        self.0.deserialize_any(EnumVisitor(visitor))
    }

    #[inline]
    fn is_human_readable(&self) -> bool {
        self.0.is_human_readable()
    }
}

macro_rules! forward_visits {
    ($($method:ident($type:ty);)+) => {
        $(#[inline]
        fn $method<E: Error>(self, value: $type) -> Result<V::Value, E> {
            self.0.$method(value)
        })+
    };
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Exact<V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.expecting(f)
    }

    forward_visits! {
        visit_bool(bool);
        visit_i8(i8);
        visit_i16(i16);
        visit_i32(i32);
        visit_i64(i64);
        visit_i128(i128);
        visit_u8(u8);
        visit_u16(u16);
        visit_u32(u32);
        visit_u64(u64);
        visit_u128(u128);
        visit_f32(f32);
        visit_f64(f64);
        visit_char(char);
        visit_str(&str);
        visit_borrowed_str(&'de str);
        visit_string(alloc::string::String);
        visit_bytes(&[u8]);
        visit_borrowed_bytes(&'de [u8]);
        visit_byte_buf(alloc::vec::Vec<u8>);
    }

    #[inline]
    fn visit_none<E: Error>(self) -> Result<V::Value, E> {
        self.0.visit_none()
    }

    #[inline]
    fn visit_unit<E: Error>(self) -> Result<V::Value, E> {
        self.0.visit_unit()
    }

    #[inline]
    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<V::Value, D::Error> {
        self.0.visit_some(Exact(deserializer))
    }

    #[inline]
    fn visit_newtype_struct<D: Deserializer<'de>>(self, inner: D) -> Result<V::Value, D::Error> {
        self.0.visit_newtype_struct(Exact(inner))
    }

    #[inline]
    fn visit_seq<A: SeqAccess<'de>>(self, access: A) -> Result<V::Value, A::Error> {
        let mut elements = Fused { access, ended: false };
        let value = self.0.visit_seq(&mut elements)?;
        match elements.next_element::<IgnoredAny>()? {
            None => Ok(value),
            Some(IgnoredAny) => Err(A::Error::custom("the array has more elements than expected")),
        }
    }

    #[inline]
    fn visit_map<A: MapAccess<'de>>(self, access: A) -> Result<V::Value, A::Error> {
        let mut entries = Fused { access, ended: false };
        let value = self.0.visit_map(&mut entries)?;
        entries.end()?;
        Ok(value)
    }

    #[inline]
    fn visit_enum<A: EnumAccess<'de>>(self, access: A) -> Result<V::Value, A::Error> {
        self.0.visit_enum(Exact(access))
    }
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Exact<S> {
    type Value = S::Value;

    #[inline]
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<S::Value, D::Error> {
        self.0.deserialize(Exact(deserializer))
    }
}

/// The elements of an array or the entries of a map, which end once: asked again behind a break,
/// the library reads on into what follows.
struct Fused<A> {
    access: A,
    ended: bool,
}

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for Fused<A> {
    type Error = A::Error;

    #[inline]
    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, A::Error> {
        if self.ended {
            return Ok(None);
        }
        let element = self.access.next_element_seed(Exact(seed))?;
        self.ended = element.is_none();
        Ok(element)
    }

    #[inline]
    fn size_hint(&self) -> Option<usize> {
        self.access.size_hint()
    }
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Fused<A> {
    type Error = A::Error;

    #[inline]
    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, A::Error> {
        if self.ended {
            return Ok(None);
        }
        let key = self.access.next_key_seed(Exact(seed))?;
        self.ended = key.is_none();
        Ok(key)
    }

    #[inline]
    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        self.access.next_value_seed(Exact(seed))
    }

    #[inline]
    fn size_hint(&self) -> Option<usize> {
        self.access.size_hint()
    }
}

impl<'de, A: MapAccess<'de>> Fused<A> {
    #[inline]
    fn end(&mut self) -> Result<(), A::Error> {
        match self.next_key::<IgnoredAny>()? {
            None => Ok(()),
            Some(IgnoredAny) => Err(A::Error::custom("the map has more entries than expected")),
        }
    }
}

/// Only tags come this way: enums of the application are read by [`EnumVisitor`].
impl<'de, A: EnumAccess<'de>> EnumAccess<'de> for Exact<A> {
    type Error = A::Error;
    type Variant = Exact<A::Variant>;

    fn variant_seed<S: DeserializeSeed<'de>>(
        self,
        seed: S,
    ) -> Result<(S::Value, Self::Variant), A::Error> {
        let (value, variant) = self.0.variant_seed(Exact(seed))?;
        Ok((value, Exact(variant)))
    }
}

impl<'de, A: VariantAccess<'de>> VariantAccess<'de> for Exact<A> {
    type Error = A::Error;

    fn unit_variant(self) -> Result<(), A::Error> {
        self.0.unit_variant()
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, A::Error> {
        self.0.newtype_variant_seed(Exact(seed))
    }

    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, A::Error> {
        self.0.tuple_variant(len, Exact(visitor))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, A::Error> {
        self.0.struct_variant(fields, Exact(visitor))
    }
}

/// Takes integers for a type that is no `u8`.
///
/// The library reads a byte string as an array of `u8`, and shows a `u8` for nothing else. Taken
/// for a wider number, each single byte of a `Float64Array` would become one.
struct NumberVisitor<V>(V);

impl<'de, V: Visitor<'de>> Visitor<'de> for NumberVisitor<V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.expecting(f)
    }

    forward_visits! {
        visit_i64(i64);
        visit_i128(i128);
        visit_u64(u64);
        visit_u128(u128);
    }

    fn visit_u8<E: Error>(self, _: u8) -> Result<V::Value, E> {
        Err(byte(&self))
    }
}

/// A byte of a byte string, where a number of its own is expected.
#[cold]
pub(super) fn byte<E: Error>(expected: &dyn Expected) -> E {
    E::invalid_type(Unexpected::Other("a byte of a byte string"), expected)
}

/// Reads an externally tagged enum: a text is a variant without content, a map of one entry is a
/// variant with its content.
struct EnumVisitor<V>(V);

impl<'de, V: Visitor<'de>> Visitor<'de> for EnumVisitor<V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.expecting(f)?;
        f.write_str(" as a text or a map of one entry")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<V::Value, E> {
        self.0.visit_enum(name.into_deserializer())
    }

    fn visit_map<A: MapAccess<'de>>(self, access: A) -> Result<V::Value, A::Error> {
        let mut entries = Fused { access, ended: false };
        let value = self.0.visit_enum(MapAccessDeserializer::new(&mut entries))?;
        entries.end()?;
        Ok(value)
    }

    /// A tag, as the CBOR library shows it: skipped.
    fn visit_enum<A: EnumAccess<'de>>(self, tagged: A) -> Result<V::Value, A::Error> {
        let (IgnoredAny, content) = tagged.variant()?;
        content.newtype_variant_seed(self)
    }
}

impl<'de, V: Visitor<'de>> DeserializeSeed<'de> for EnumVisitor<V> {
    type Value = V::Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<V::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}
