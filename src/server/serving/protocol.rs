//! The messages of the Open Inference Protocol v2 over HTTP. Source: kserve/open-inference-protocol,
//! `specification/protocol/inference_rest.md`.

use serde::{Deserialize, Serialize};

use super::data::{Data, Element};

/// The largest whole number up to which f64 has all.
const WHOLE_MAX: f64 = (1_u64 << 53) as f64;

/// A type of elements, by the protocol's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Datatype {
    /// Truth values.
    Bool,
    /// Whole numbers from 0.
    Uint8,
    /// Whole numbers from 0.
    Uint16,
    /// Whole numbers from 0.
    Uint32,
    /// Whole numbers from 0.
    Uint64,
    /// Whole numbers.
    Int8,
    /// Whole numbers.
    Int16,
    /// Whole numbers.
    Int32,
    /// Whole numbers.
    Int64,
    /// Half precision, which has no form in JSON that all agree on.
    Fp16,
    /// Single precision.
    Fp32,
    /// Double precision.
    Fp64,
    /// Texts.
    Bytes,
}

/// What a client asks.
#[derive(Debug, Deserialize)]
pub struct Request {
    /// Given back with the answer.
    pub id: Option<String>,
    /// The inputs.
    pub inputs: Vec<Input>,
    /// The outputs that are asked for; all if there are none.
    #[serde(default)]
    pub outputs: Vec<Wanted>,
}

/// A tensor in a request.
#[derive(Debug, Deserialize)]
pub struct Input {
    /// Its name.
    pub name: String,
    /// Its dimensions.
    pub shape: Vec<u64>,
    /// The type of its elements.
    pub datatype: Datatype,
    /// Its elements.
    pub data: Data,
}

/// An output that is asked for.
#[derive(Debug, Deserialize)]
pub struct Wanted {
    /// Its name.
    pub name: String,
}

/// What a model takes or gives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TensorInfo {
    /// Its name.
    pub name: String,
    /// The type of its elements.
    pub datatype: Datatype,
    /// Its dimensions; -1 where any number will do.
    pub shape: Vec<i64>,
}

/// A tensor in an answer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Output {
    /// Its name.
    pub name: String,
    /// Its dimensions.
    pub shape: Vec<u64>,
    /// The type of its elements.
    pub datatype: Datatype,
    /// Its elements, row by row.
    pub data: Elements,
}

/// Elements of an answer. Numbers must be finite: JSON has no others.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Elements {
    /// FP64.
    Doubles(Vec<f64>),
    /// FP32.
    #[cfg(feature = "onnx")]
    Singles(Vec<f32>),
    /// Whole numbers.
    Integers(Vec<i64>),
    /// BOOL.
    #[cfg(feature = "onnx")]
    Truths(Vec<bool>),
}

/// The answer to a request.
#[derive(Debug, Serialize)]
pub struct Response<'a> {
    /// The model that was asked.
    pub model_name: &'a str,
    /// Its version.
    pub model_version: &'a str,
    /// That of the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The outputs that were asked for.
    pub outputs: Vec<Output>,
}

impl Datatype {
    /// The smallest and the largest whole number; `None` for a type of other elements.
    const fn range(self) -> Option<(f64, f64)> {
        Some(match self {
            Self::Uint8 => (0.0, u8::MAX as f64),
            Self::Uint16 => (0.0, u16::MAX as f64),
            Self::Uint32 => (0.0, u32::MAX as f64),
            Self::Uint64 => (0.0, WHOLE_MAX),
            Self::Int8 => (i8::MIN as f64, i8::MAX as f64),
            Self::Int16 => (i16::MIN as f64, i16::MAX as f64),
            Self::Int32 => (i32::MIN as f64, i32::MAX as f64),
            Self::Int64 => (-WHOLE_MAX, WHOLE_MAX),
            Self::Bool => (0.0, 1.0),
            Self::Fp16 | Self::Fp32 | Self::Fp64 | Self::Bytes => return None,
        })
    }

    /// The protocol's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bool => "BOOL",
            Self::Uint8 => "UINT8",
            Self::Uint16 => "UINT16",
            Self::Uint32 => "UINT32",
            Self::Uint64 => "UINT64",
            Self::Int8 => "INT8",
            Self::Int16 => "INT16",
            Self::Int32 => "INT32",
            Self::Int64 => "INT64",
            Self::Fp16 => "FP16",
            Self::Fp32 => "FP32",
            Self::Fp64 => "FP64",
            Self::Bytes => "BYTES",
        }
    }
}

impl Request {
    /// Reads a request and checks that its tensors are what they say.
    ///
    /// # Errors
    /// What is wrong with it, for the client.
    pub fn parse(body: &[u8]) -> Result<Self, String> {
        let request: Self = serde_json::from_slice(body).map_err(|error| format!("malformed request: {error}"))?;
        request.inputs.iter().try_for_each(Input::check)?;
        Ok(request)
    }
}

impl Input {
    fn check(&self) -> Result<(), String> {
        let Self { name, shape, datatype, data } = self;
        if matches!(datatype, Datatype::Fp16 | Datatype::Bytes) {
            return Err(format!("input `{name}`: {} is not supported", datatype.name()));
        }
        if data.element == Some(Element::Text) {
            return Err(format!("input `{name}`: `data` has texts, and {} are numbers", datatype.name()));
        }
        if data.element == Some(Element::Truth) && *datatype != Datatype::Bool {
            return Err(format!("input `{name}`: `data` has truth values, and {} are numbers", datatype.name()));
        }
        if !data.has_shape(shape) {
            return Err(if data.nesting.len() > 1 {
                format!("input `{name}`: `shape` is {shape:?}, and `data` is nested as {:?}", data.nesting)
            } else {
                format!("input `{name}`: `shape` is {shape:?}, and `data` has {} elements", data.values.len())
            });
        }
        let is_sound = |value: f64| match datatype.range() {
            Some((min, max)) => (min..=max).contains(&value) && value.fract() == 0.0,
            None if *datatype == Datatype::Fp32 => (value as f32).is_finite(),
            None => value.is_finite(),
        };
        match data.values.iter().find(|&&value| !is_sound(value)) {
            Some(value) => Err(format!("input `{name}`: {value} is no {} that is supported", datatype.name())),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(input: &str) -> Result<Request, String> {
        Request::parse(format!(r#"{{"inputs":[{input}]}}"#).as_bytes())
    }

    fn input(datatype: &str, shape: &str, data: &str) -> Result<Request, String> {
        parse(&format!(r#"{{"name":"x","shape":{shape},"datatype":"{datatype}","data":{data}}}"#))
    }

    #[test]
    fn requests_of_every_form() {
        let text = br#"{"id":"42","parameters":{"a":[1]},"outputs":[{"name":"y","parameters":{}}],"inputs":
            [{"data":[[1,2.5],[3,4]],"parameters":null,"datatype":"FP32","name":"x","shape":[2,2]}]}"#;
        let request = Request::parse(text).expect("well formed");
        assert_eq!(request.id.as_deref(), Some("42"));
        assert_eq!(request.inputs[0].data.values, [1.0, 2.5, 3.0, 4.0]);
        assert_eq!(request.outputs[0].name, "y");
        for (datatype, data) in [("BOOL", "[true,false]"), ("BOOL", "[1,0]"), ("INT8", "[-128,127]")] {
            assert!(input(datatype, "[2]", data).is_ok(), "{datatype} {data}");
        }
        for datatype in "UINT8 UINT16 UINT32 UINT64 INT8 INT16 INT32 INT64 FP32 FP64".split(' ') {
            let request = input(datatype, "[1]", "[7.0]").expect("a number");
            assert_eq!(request.inputs[0].datatype.name(), datatype);
        }
    }

    #[test]
    fn tensors_that_are_not_what_they_say() {
        for (datatype, shape, data, expected) in [
            ("FP16", "[1]", "[1]", "FP16 is not supported"),
            ("BYTES", "[1]", "[\"a\"]", "BYTES is not supported"),
            ("FP32", "[1]", "[\"a\"]", "has texts"),
            ("FP32", "[1]", "[true]", "has truth values"),
            ("FP32", "[1]", "[1e39]", "is no FP32"),
            ("UINT8", "[1]", "[-1]", "is no UINT8"),
            ("UINT8", "[1]", "[256]", "is no UINT8"),
            ("INT32", "[1]", "[1.5]", "is no INT32"),
            ("INT64", "[1]", "[9007199254740994]", "is no INT64"),
            ("BOOL", "[1]", "[2]", "is no BOOL"),
            ("FP32", "[3]", "[1,2]", "`data` has 2 elements"),
            ("FP32", "[4294967296,4294967296]", "[1]", "`data` has 1 elements"),
            ("FP32", "[1,2]", "[[1],[2]]", "nested as [2, 1]"),
            ("FP32", "[-1]", "[1]", "malformed request"),
            ("FP8", "[1]", "[1]", "unknown variant `FP8`"),
        ] {
            let why = input(datatype, shape, data).map(drop).expect_err(data);
            assert!(why.contains(expected), "{why}");
        }
        for text in ["", "[]", "{}", "{\"inputs\":{}}", "{\"id\":1,\"inputs\":[]}", "{\"inputs\":[{}]}", "\u{1}"] {
            let why = Request::parse(text.as_bytes()).map(drop).expect_err(text);
            assert!(why.starts_with("malformed request"), "{why}");
        }
    }
}
