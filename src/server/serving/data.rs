//! The `data` of a tensor in a request: numbers in JSON, flat or nested as its shape, read without a tree in between.

use std::fmt;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, SeqAccess, Visitor};

/// What stands where a number should.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Element {
    /// Numbers.
    Number,
    /// `true` and `false`, which count as 1 and 0.
    Truth,
    /// Texts, which no model here takes. They are not kept.
    Text,
}

/// Numbers, row by row, and how they were nested.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Data {
    /// The numbers.
    pub values: Vec<f64>,
    /// What they stand as; `None` if there are none.
    pub element: Option<Element>,
    /// How many elements the arrays of each depth have, from the outermost.
    pub nesting: Vec<u64>,
}

impl Data {
    /// Whether the numbers are given as a tensor of this shape is: flat, or nested in the same way.
    pub fn has_shape(&self, shape: &[u64]) -> bool {
        let count = shape.iter().try_fold(1_u64, |count, &len| count.checked_mul(len));
        count == Some(self.values.len() as u64) && (self.nesting.len() == 1 || self.nesting == shape)
    }
}

impl<'de> Deserialize<'de> for Data {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut reading = Reading::default();
        deserializer.deserialize_any(At { reading: &mut reading, depth: 0 })?;
        let nesting = reading.lens.into_iter().map(Option::unwrap_or_default).collect();
        Ok(Self { values: reading.values, element: reading.element, nesting })
    }
}

#[derive(Default)]
struct Reading {
    values: Vec<f64>,
    element: Option<Element>,
    /// How many elements the arrays of each depth have, if one of them has ended.
    lens: Vec<Option<u64>>,
    /// In how many arrays each number stands.
    leaf_depth: Option<usize>,
}

impl Reading {
    fn leaf<E: Error>(&mut self, depth: usize, element: Element, value: f64) -> Result<(), E> {
        if depth == 0 {
            return Err(E::custom("`data` is no array"));
        }
        if *self.leaf_depth.get_or_insert(depth) != depth || depth != self.lens.len() {
            return Err(uneven());
        }
        if *self.element.get_or_insert(element) != element {
            return Err(E::custom("`data` mixes numbers, texts and truth values"));
        }
        if element != Element::Text {
            self.values.push(value);
        }
        Ok(())
    }

    fn open<E: Error>(&mut self, depth: usize) -> Result<(), E> {
        if self.leaf_depth.is_some_and(|leaf| leaf <= depth) {
            return Err(uneven());
        }
        if self.lens.len() == depth {
            self.lens.push(None);
        }
        Ok(())
    }

    fn close<E: Error>(&mut self, depth: usize, len: u64) -> Result<(), E> {
        match self.lens[depth].replace(len) {
            Some(other) if other != len => Err(uneven()),
            _ => Ok(()),
        }
    }
}

fn uneven<E: Error>() -> E {
    E::custom("`data` is nested unevenly")
}

/// Reads what stands in `depth` arrays.
struct At<'r> {
    reading: &'r mut Reading,
    depth: usize,
}

impl<'de> DeserializeSeed<'de> for At<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for At<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of numbers")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<(), E> {
        self.reading.leaf(self.depth, Element::Truth, f64::from(u8::from(value)))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<(), E> {
        self.reading.leaf(self.depth, Element::Number, value as f64)
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<(), E> {
        self.reading.leaf(self.depth, Element::Number, value as f64)
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<(), E> {
        self.reading.leaf(self.depth, Element::Number, value)
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<(), E> {
        self.reading.leaf(self.depth, Element::Text, 0.0)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<(), A::Error> {
        let Self { reading, depth } = self;
        reading.open(depth)?;
        let mut len = 0;
        while array.next_element_seed(At { reading: &mut *reading, depth: depth + 1 })?.is_some() {
            len += 1;
        }
        reading.close(depth, len)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Result<Data, String> {
        serde_json::from_str(text).map_err(|error| error.to_string())
    }

    fn nested(shape: &[u64], next: &mut impl Iterator<Item = u64>) -> String {
        let Some((&len, inner)) = shape.split_first() else { return next.next().expect("endless").to_string() };
        format!("[{}]", (0..len).map(|_| nested(inner, next)).collect::<Vec<_>>().join(","))
    }

    proptest! {
        #[test]
        fn nested_and_flat_are_the_same(shape in prop::collection::vec(1..4_u64, 1..5)) {
            let count = shape.iter().product::<u64>();
            let (nested, flat) = (nested(&shape, &mut (0..)), nested(&[count], &mut (0..)));
            let (nested, flat) = (read(&nested).expect("even"), read(&flat).expect("even"));
            prop_assert_eq!(&nested.values, &flat.values);
            prop_assert_eq!(&nested.nesting, &shape);
            prop_assert!(nested.has_shape(&shape) && flat.has_shape(&shape));
            let mut longer = shape.clone();
            longer[0] += 1;
            prop_assert!(!nested.has_shape(&longer) && !flat.has_shape(&longer));
        }

        #[test]
        fn any_text_is_read_or_refused(text in "[\\[\\],0-9a-z\" .-]{0,40}") {
            let _ = read(&text);
        }
    }

    #[test]
    fn no_rows_have_many_shapes() {
        assert!(read("[]").expect("empty").has_shape(&[0, 3]));
        assert!(read("[[],[]]").expect("empty").has_shape(&[2, 0]));
        assert!(!read("[[]]").expect("empty").has_shape(&[0, 3]));
        assert!(!read("[1]").expect("one").has_shape(&[u64::MAX, u64::MAX]));
    }

    #[test]
    fn what_is_no_tensor_is_refused() {
        for text in ["[1,[2]]", "[[1],2]", "[[1],[2,3]]", "[[],[1]]", "[[1],[]]", "[[[]],[]]", "[[1,2],[[3],[4]]]"] {
            assert!(read(text).is_err_and(|why| why.contains("unevenly")), "{text}");
        }
        for text in ["[1,true]", "[1,\"1\"]"] {
            assert!(read(text).is_err_and(|why| why.contains("mixes")), "{text}");
        }
        for text in ["1", "true", "\"a\""] {
            assert!(read(text).is_err_and(|why| why.contains("no array")), "{text}");
        }
        for text in ["null", "{}", "[null]", "[NaN]", "[1e999]", "[1", "[{}]"] {
            assert!(read(text).is_err(), "{text}");
        }
        assert!(read(&("[".repeat(100_000) + &"]".repeat(100_000))).is_err());
    }
}
