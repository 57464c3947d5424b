//! ONNX files as they are served, computed by tract.
//!
//! Types and shapes of inputs and outputs are the graph's. A first dimension that the graph leaves open is the number of
//! rows, the same for all inputs.
//!
//! **Limitations.** What tract does not know it refuses when the file is loaded. Elements of inputs and outputs are numbers
//! or truth values of 32 bits or more or whole ones; half precision and texts are refused. No rows are refused, too: most
//! graphs have no answer to them.

use std::path::Path;

use tract_onnx::prelude::*;
use tract_onnx::tract_hir::infer::{DimFact, Factoid, ShapeFactoid};

use super::predictor::{Inferred, OUTPUT_VALUES_MAX, Predictor};
use super::protocol::{Datatype, Elements, Input, Output, TensorInfo};

/// A graph that is ready to run.
pub struct Graph {
    plan: TypedRunnableModel<TypedModel>,
    inputs: Vec<TensorInfo>,
    outputs: Vec<TensorInfo>,
}

impl Graph {
    /// Reads a file, and weights beside it that it names.
    ///
    /// # Errors
    /// What is wrong with it, or what of it is not known.
    pub fn load(path: &Path) -> Result<Self, String> {
        let told = |error: TractError| format!("{error:#}");
        // Shapes of outputs follow from those of inputs; what exporters note there is often of one batch only.
        let mut model = onnx().with_ignore_output_shapes(true).model_for_path(path).map_err(told)?;
        open_dimensions(&mut model)?;
        let names = |outlets: &[OutletId], is_input: bool| -> Vec<String> {
            let name = |outlet: &OutletId| match model.outlet_label(*outlet) {
                Some(label) if !is_input => label.to_owned(),
                _ => model.node(outlet.node).name.clone(),
            };
            outlets.iter().map(name).collect()
        };
        let input_names = names(model.input_outlets().map_err(told)?, true);
        let output_names = names(model.output_outlets().map_err(told)?, false);
        let model = model.into_typed().map_err(told)?;
        let info = |(name, fact): (String, TractResult<&TypedFact>)| {
            let fact = fact.map_err(told)?;
            let datatype = datatype(fact.datum_type).ok_or_else(|| {
                format!("`{name}` has elements of type {:?}, which is not supported", fact.datum_type)
            })?;
            let shape = fact.shape.iter().map(|dim| dim.to_i64().unwrap_or(-1)).collect();
            Ok(TensorInfo { name, datatype, shape })
        };
        let inputs = input_names.into_iter().enumerate().map(|(at, name)| (name, model.input_fact(at)));
        let inputs = inputs.map(info).collect::<Result<_, String>>()?;
        let outputs = output_names.into_iter().enumerate().map(|(at, name)| (name, model.output_fact(at)));
        let outputs = outputs.map(info).collect::<Result<_, String>>()?;
        let plan = model.into_optimized().and_then(TypedModel::into_runnable).map_err(told)?;
        Ok(Self { plan, inputs, outputs })
    }
}

/// Gives a name to each dimension of an input that the graph leaves open.
fn open_dimensions(model: &mut InferenceModel) -> Result<(), String> {
    let told = |error: TractError| format!("{error:#}");
    let rows = model.symbols.new_with_prefix("rows");
    for at in 0..model.input_outlets().map_err(told)?.len() {
        let mut fact = model.input_fact(at).map_err(told)?.clone();
        if fact.shape.is_open() {
            return Err(format!("input {at} has no fixed number of dimensions, which is not supported"));
        }
        let dims = fact.shape.dims().enumerate().map(|(place, dim)| match dim.concretize() {
            Some(dim) => DimFact::from(dim),
            None if place == 0 => DimFact::from(rows.to_dim()),
            None => DimFact::from(model.symbols.new_with_prefix("dim").to_dim()),
        });
        fact.shape = ShapeFactoid::closed(dims.collect());
        model.set_input_fact(at, fact).map_err(told)?;
    }
    Ok(())
}

const fn datatype(datum: DatumType) -> Option<Datatype> {
    Some(match datum {
        DatumType::Bool => Datatype::Bool,
        DatumType::U8 => Datatype::Uint8,
        DatumType::U16 => Datatype::Uint16,
        DatumType::U32 => Datatype::Uint32,
        DatumType::U64 => Datatype::Uint64,
        DatumType::I8 => Datatype::Int8,
        DatumType::I16 => Datatype::Int16,
        DatumType::I32 => Datatype::Int32,
        DatumType::I64 => Datatype::Int64,
        DatumType::F32 => Datatype::Fp32,
        DatumType::F64 => Datatype::Fp64,
        _ => return None,
    })
}

impl Predictor for Graph {
    fn platform(&self) -> &'static str {
        "onnx_tract"
    }

    fn inputs(&self) -> Vec<TensorInfo> {
        self.inputs.clone()
    }

    fn outputs(&self) -> Vec<TensorInfo> {
        self.outputs.clone()
    }

    fn infer(&self, inputs: Vec<Input>) -> Result<Inferred, String> {
        if let Some(input) = inputs.iter().find(|input| self.inputs.iter().all(|known| known.name != input.name)) {
            return Err(format!("there is no input `{}`", input.name));
        }
        let given = self.inputs.iter().map(|known| given(known, &inputs)).collect::<Result<Vec<_>, _>>()?;
        let rows = given.first().and_then(|input| input.shape.first()).copied().unwrap_or(1);
        let tensors = given.into_iter().map(|input| Ok(tensor(input)?.into())).collect::<Result<TVec<_>, String>>()?;
        let values = self.plan.run(tensors).map_err(|error| format!("the inputs do not fit: {error:#}"))?;
        if values.iter().map(|value| value.len() as u64).sum::<u64>() > OUTPUT_VALUES_MAX {
            return Err(format!("at most {OUTPUT_VALUES_MAX} numbers are predicted at a time; ask for fewer rows"));
        }
        let output = |(known, value): (&TensorInfo, &TValue)| {
            let data = elements(value).map_err(|why| format!("output `{}` {why}", known.name))?;
            let shape = value.shape().iter().map(|&len| len as u64).collect();
            Ok(Output { name: known.name.clone(), shape, datatype: known.datatype, data })
        };
        let outputs = self.outputs.iter().zip(&values).map(output).collect::<Result<_, String>>()?;
        Ok(Inferred { rows, outputs })
    }
}

/// The input of this name, if it is what the graph takes.
fn given<'i>(known: &TensorInfo, inputs: &'i [Input]) -> Result<&'i Input, String> {
    let TensorInfo { name, datatype, shape } = known;
    let mut named = inputs.iter().filter(|input| input.name == *name);
    let input = match (named.next(), named.next()) {
        (Some(input), None) => input,
        (None, _) => return Err(format!("there is no input `{name}`, which the model takes")),
        (Some(_), Some(_)) => return Err(format!("there are several inputs `{name}`")),
    };
    if input.datatype != *datatype {
        return Err(format!("input `{name}` is {}, not {}", datatype.name(), input.datatype.name()));
    }
    let fits = |(&known, &len): (&i64, &u64)| known < 0 || u64::try_from(known) == Ok(len);
    if input.shape.len() != shape.len() || !shape.iter().zip(&input.shape).all(fits) {
        return Err(format!("input `{name}` has shape {:?}, not {shape:?}", input.shape));
    }
    if input.data.values.is_empty() {
        return Err(format!("input `{name}` has no elements"));
    }
    Ok(input)
}

fn tensor(input: &Input) -> Result<Tensor, String> {
    fn made<T: Datum + Copy>(input: &Input, convert: impl Fn(f64) -> T) -> TractResult<Tensor> {
        let shape: Vec<usize> = input.shape.iter().map(|&len| len as usize).collect();
        Tensor::from_shape(&shape, &input.data.values.iter().map(|&value| convert(value)).collect::<Vec<_>>())
    }
    // That the numbers are in range was checked when the request was read.
    let made = match input.datatype {
        Datatype::Bool => made(input, |value| value != 0.0),
        Datatype::Uint8 => made(input, |value| value as u8),
        Datatype::Uint16 => made(input, |value| value as u16),
        Datatype::Uint32 => made(input, |value| value as u32),
        Datatype::Uint64 => made(input, |value| value as u64),
        Datatype::Int8 => made(input, |value| value as i8),
        Datatype::Int16 => made(input, |value| value as i16),
        Datatype::Int32 => made(input, |value| value as i32),
        Datatype::Int64 => made(input, |value| value as i64),
        Datatype::Fp32 => made(input, |value| value as f32),
        Datatype::Fp64 => made(input, |value| value),
        Datatype::Fp16 | Datatype::Bytes => return Err(format!("{} is not supported", input.datatype.name())),
    };
    made.map_err(|error| format!("{error:#}"))
}

fn elements(tensor: &Tensor) -> Result<Elements, String> {
    fn all<T: Datum + Copy>(tensor: &Tensor) -> Result<Vec<T>, String> {
        let view = tensor.to_array_view::<T>().map_err(|error| format!("cannot be read: {error:#}"))?;
        Ok(view.iter().copied().collect())
    }
    fn whole<T: Datum + Copy + TryInto<i64>>(tensor: &Tensor) -> Result<Elements, String> {
        let numbers = all::<T>(tensor)?.into_iter().map(|number| number.try_into().ok()).collect::<Option<_>>();
        numbers.map(Elements::Integers).ok_or_else(|| "is too large".into())
    }
    let elements = match tensor.datum_type() {
        DatumType::Bool => Elements::Truths(all(tensor)?),
        DatumType::U8 => whole::<u8>(tensor)?,
        DatumType::U16 => whole::<u16>(tensor)?,
        DatumType::U32 => whole::<u32>(tensor)?,
        DatumType::U64 => whole::<u64>(tensor)?,
        DatumType::I8 => whole::<i8>(tensor)?,
        DatumType::I16 => whole::<i16>(tensor)?,
        DatumType::I32 => whole::<i32>(tensor)?,
        DatumType::I64 => whole::<i64>(tensor)?,
        DatumType::F32 => Elements::Singles(all(tensor)?),
        DatumType::F64 => Elements::Doubles(all(tensor)?),
        other => return Err(format!("has elements of type {other:?}, which is not supported")),
    };
    let is_finite = match &elements {
        Elements::Singles(values) => values.iter().all(|value| value.is_finite()),
        Elements::Doubles(values) => values.iter().all(|value| value.is_finite()),
        Elements::Integers(_) | Elements::Truths(_) => true,
    };
    is_finite.then_some(elements).ok_or_else(|| "has NaN or an infinite number".into())
}
