//! A check of JSON that builds nothing and refuses what no value can hold.
//!
//! Skipping over JSON, as raw values do, accepts what building a value does not: unlimited nesting, numbers beyond
//! the range of a double, and escapes of half a surrogate pair. What follows the value is not looked at.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// Tells whether a key means something to the JSON library itself.
pub(crate) fn is_reserved(key: &str) -> bool {
    key.starts_with("$serde_json::private::")
}

/// Reads JSON that every reader downstream can build.
#[derive(Clone, Copy)]
pub(crate) struct Check {
    /// How deep arrays and objects may still nest, and may nest in all.
    pub levels_left: usize,
    pub depth_limit: usize,
    /// Whether the next thing is the key of a field.
    pub is_key: bool,
}

impl Check {
    fn deeper<E: Error>(self) -> Result<Self, E> {
        let levels_left = self.levels_left.checked_sub(1);
        let too_deep = || E::custom(format!("the JSON nests more than {} levels deep", self.depth_limit));
        Ok(Self { levels_left: levels_left.ok_or_else(too_deep)?, ..self })
    }
}

impl<'de> DeserializeSeed<'de> for Check {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Check {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        match self.is_key && is_reserved(text) {
            true => Err(E::custom("a key has a reserved name")),
            false => Ok(()),
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let inner = self.deeper()?;
        while items.next_element_seed(inner)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<(), A::Error> {
        let inner = self.deeper()?;
        while fields.next_key_seed(Self { is_key: true, ..inner })?.is_some() {
            fields.next_value_seed(inner)?;
        }
        Ok(())
    }
}
