//! Storages and their names, from the pickled tree of a checkpoint.
//!
//! Source: `torch/_utils.py` (`_rebuild_*`) for what a pickled tensor is, `torch/serialization.py` (`persistent_id`) for
//! a storage: `('storage', <type>, <key>, <location>, <number of elements>)`.

use std::collections::{HashMap, HashSet};

use crate::format::pickle::{Node, Object, Pickle, Value};
use crate::format::{Malformed, NAME_BYTES_MAX, usable_name};
use crate::tensor::{self, Dtype, Plain};

/// Deeper parts of a checkpoint have no names.
const DEPTH_MAX: usize = 256;
/// The longest chain of wrappers around a tensor is a parameter of a tensor subclass.
const WRAPPERS_MAX: usize = 4;
/// The names of storages that have none.
const RESERVED: [&str; 2] = ["storage/", "constants/"];
/// Where a pickled module keeps what its `state_dict` shows without these names.
const MODULE_PARTS: [&str; 3] = ["_parameters", "_buffers", "_modules"];

/// The memory of one or more tensors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Storage {
    /// Type of its elements.
    pub dtype: Plain,
    /// How many there are.
    pub elements: u64,
    /// Name and shape of the first tensor that covers all of it in order.
    pub tensor: Option<(String, Vec<u64>)>,
}

impl Storage {
    /// Bytes it takes; `None` if that is beyond 64 bits.
    pub fn byte_len(&self) -> Option<u64> {
        Dtype::Plain(self.dtype).byte_len(self.elements)
    }
}

/// The storages of the pickled object in `bytes`, by key. Names start with `root` and are none of those `taken`.
pub(super) fn storages(
    bytes: &[u8],
    root: &str,
    taken: &mut HashSet<String>,
) -> Result<HashMap<String, Storage>, Malformed> {
    let pickle = Pickle::read(bytes)?;
    let mut storages = HashMap::new();
    for node in pickle.nodes() {
        if let Some((key, dtype, elements)) = storage(&pickle, node) {
            storages.entry(key).or_insert(Storage { dtype, elements, tensor: None });
        }
    }
    Walk { pickle: &pickle, seen: vec![false; pickle.len()], path: root.to_owned(), storages: &mut storages, taken }
        .run();
    Ok(storages.into_iter().map(|(key, storage)| (key.to_owned(), storage)).collect())
}

/// Key, type and number of elements if `node` is a storage.
fn storage<'a>(pickle: &Pickle<'a>, node: &Node<'a>) -> Option<(&'a str, Plain, u64)> {
    let Node::Persistent(id) = *node else { return None };
    let &[Value::Text("storage"), class, Value::Text(key), _, Value::Int(elements), ..] = pickle.sequence(id)? else {
        return None;
    };
    let dtype = match pickle.global(class)?.1.strip_suffix("Storage")? {
        "Double" => Plain::F64,
        "Float" => Plain::F32,
        "Half" => Plain::F16,
        "BFloat16" => Plain::BF16,
        "Long" => Plain::I64,
        "Int" | "QInt32" => Plain::I32,
        "Short" => Plain::I16,
        "Char" | "QInt8" => Plain::I8,
        "Bool" => Plain::BOOL,
        "ComplexFloat" => Plain::C64,
        "ComplexDouble" => Plain::C128,
        // `Untyped` counts bytes; of others the size tells whether this is right.
        _ => Plain::U8,
    };
    Some((key, dtype, u64::try_from(elements).ok()?))
}

/// A type that has no storage class of its own, by its name in `torch`.
fn dtype(name: &str) -> Option<Plain> {
    Some(match name {
        "uint16" => Plain::U16,
        "uint32" => Plain::U32,
        "uint64" => Plain::U64,
        "float8_e4m3fn" => Plain::F8E4M3,
        "float8_e5m2" => Plain::F8E5M2,
        "float8_e4m3fnuz" => Plain::F8E4M3Fnuz,
        "float8_e5m2fnuz" => Plain::F8E5M2Fnuz,
        "float8_e8m0fnu" => Plain::F8E8M0,
        _ => return None,
    })
}

/// A view of a storage.
struct View<'a> {
    key: &'a str,
    /// Given where the storage is untyped.
    dtype: Option<Plain>,
    /// If it is contiguous from the start of the storage on, its shape.
    shape: Option<Vec<u64>>,
}

/// The tensor that `object` would make, if that is what it makes.
fn view<'a>(pickle: &Pickle<'a>, object: &Object<'a>) -> Option<View<'a>> {
    let (mut callable, mut args) = (object.callable, object.args);
    for _ in 0..WRAPPERS_MAX {
        let (module, name) = pickle.global(callable)?;
        if !matches!(module, "torch._utils" | "torch._tensor") {
            return None;
        }
        let list = pickle.sequence(args)?;
        match (name, list) {
            ("_rebuild_parameter" | "_rebuild_parameter_with_state", &[data, ..]) => {
                let Node::Object(inner) = pickle.node(data)? else { return None };
                (callable, args) = (inner.callable, inner.args);
            }
            ("_rebuild_from_type_v2", &[function, _, inner, ..]) => (callable, args) = (function, inner),
            ("_rebuild_tensor_v3", &[memory, offset, size, stride, _, _, class, ..]) => {
                let dtype = dtype(pickle.global(class)?.1);
                return strided(pickle, memory, offset, size, stride).map(|view| View { dtype, ..view });
            }
            ("_rebuild_tensor" | "_rebuild_tensor_v2" | "_rebuild_qtensor", &[memory, offset, size, stride, ..]) => {
                return strided(pickle, memory, offset, size, stride);
            }
            _ => return None,
        }
    }
    None
}

fn strided<'a>(
    pickle: &Pickle<'a>,
    memory: Value<'a>,
    offset: Value<'a>,
    size: Value<'a>,
    stride: Value<'a>,
) -> Option<View<'a>> {
    let (key, ..) = storage(pickle, pickle.node(memory)?)?;
    let shape = whole_numbers(pickle, size)?;
    let contiguous = offset == Value::Int(0) && is_contiguous(&shape, &whole_numbers(pickle, stride)?);
    Some(View { key, dtype: None, shape: contiguous.then_some(shape) })
}

fn whole_numbers(pickle: &Pickle<'_>, value: Value<'_>) -> Option<Vec<u64>> {
    let number = |value: &Value<'_>| match *value {
        Value::Int(number) => u64::try_from(number).ok(),
        _ => None,
    };
    pickle.sequence(value)?.iter().map(number).collect()
}

/// Whether elements stand in row-major order without gaps; the stride of a dimension of one element means nothing.
fn is_contiguous(shape: &[u64], stride: &[u64]) -> bool {
    if shape.contains(&0) {
        return true;
    }
    let mut step = 1_u64;
    shape.len() == stride.len()
        && shape.iter().zip(stride).rev().all(|(&dim, &stride)| {
            let fits = dim == 1 || stride == step;
            step = step.saturating_mul(dim);
            fits
        })
}

/// A way through the tree, depth first in the order of the pickle, each node once.
struct Walk<'p, 'a> {
    pickle: &'p Pickle<'a>,
    /// Which nodes were visited.
    seen: Vec<bool>,
    /// The name of where we are.
    path: String,
    storages: &'p mut HashMap<&'a str, Storage>,
    taken: &'p mut HashSet<String>,
}

/// What a step adds to the path.
#[derive(Clone, Copy)]
enum Segment<'a> {
    Nothing,
    Key(&'a str),
    Number(i64),
}

type Children<'a> = Vec<(Segment<'a>, Value<'a>)>;

/// A node that is being walked: what is left of it, and the length of its path.
struct Frame<'a> {
    children: std::vec::IntoIter<(Segment<'a>, Value<'a>)>,
    path_len: usize,
}

impl<'a> Walk<'_, 'a> {
    fn run(mut self) {
        let mut frames = Vec::new();
        frames.extend(self.enter(Segment::Nothing, self.pickle.root));
        while let Some(frame) = frames.last_mut() {
            self.path.truncate(frame.path_len);
            match frame.children.next() {
                Some(_) if frames.len() > DEPTH_MAX => {}
                Some((segment, value)) => frames.extend(self.enter(segment, value)),
                None => drop(frames.pop()),
            }
        }
    }

    /// Goes to `value`; a frame if there is something further down.
    fn enter(&mut self, segment: Segment<'a>, value: Value<'a>) -> Option<Frame<'a>> {
        let Value::Node(id) = value else { return None };
        if self.seen[id.index()] {
            return None;
        }
        self.push(segment)?;
        self.seen[id.index()] = true;
        let children = self.visit(value)?;
        Some(Frame { children: children.into_iter(), path_len: self.path.len() })
    }

    /// `None`, and no further, if the path gets too long to be a name.
    fn push(&mut self, segment: Segment<'_>) -> Option<()> {
        let number;
        let text = match segment {
            Segment::Nothing => return Some(()),
            Segment::Key(key) => key,
            Segment::Number(value) => {
                number = value.to_string();
                &number
            }
        };
        if self.path.len() + 1 + text.len() > NAME_BYTES_MAX {
            return None;
        }
        if !self.path.is_empty() {
            self.path.push('.');
        }
        self.path.push_str(text);
        Some(())
    }

    /// Names the storage if this is a tensor, else says where to go on.
    fn visit(&mut self, value: Value<'a>) -> Option<Children<'a>> {
        match self.pickle.node(value)? {
            Node::Sequence(elements) => Some(numbered(elements)),
            Node::Dict(entries) => Some(keyed(entries, &[])),
            Node::Object(object) => match view(self.pickle, object) {
                Some(view) => {
                    self.name(view);
                    None
                }
                None => Some(self.parts(object)),
            },
            Node::Global { .. } | Node::Persistent(_) => None,
        }
    }

    /// The parts of an object: its arguments, contents and attributes, all under its own name.
    fn parts(&self, object: &Object<'a>) -> Children<'a> {
        let mut parts = vec![(Segment::Nothing, object.args)];
        parts.extend(numbered(&object.elements));
        parts.extend(keyed(&object.entries, &[]));
        match self.pickle.node(object.state) {
            Some(Node::Dict(attributes)) => parts.extend(keyed(attributes, &MODULE_PARTS)),
            _ => parts.push((Segment::Nothing, object.state)),
        }
        parts
    }

    fn name(&mut self, view: View<'a>) {
        let Some(storage) = self.storages.get_mut(view.key) else { return };
        if storage.tensor.is_some() {
            return;
        }
        // An untyped storage gets its type from the first tensor that has one, whatever part of it that shows.
        if let (Some(dtype), Plain::U8) = (view.dtype, storage.dtype) {
            let width = dtype.bits() / 8;
            if storage.elements.is_multiple_of(width) {
                (storage.dtype, storage.elements) = (dtype, storage.elements / width);
            }
        }
        let Some(shape) = view.shape else { return };
        if tensor::element_count(&shape) != Some(storage.elements) {
            return;
        }
        // A checkpoint that is a tensor and nothing else has no path to it: the storage's own name, the tensor's shape.
        let is_bare = self.path.is_empty();
        let name = if is_bare { format!("{}{}", RESERVED[0], view.key) } else { self.path.clone() };
        let reserved = !is_bare && RESERVED.iter().any(|reserved| name.starts_with(reserved));
        if usable_name(&name) && !reserved && self.taken.insert(name.clone()) {
            storage.tensor = Some((name, shape));
        }
    }
}

fn numbered<'a>(elements: &[Value<'a>]) -> Children<'a> {
    let children = elements.iter().enumerate().map(|(number, &value)| (Segment::Number(number as i64), value));
    with_parts(children)
}

/// What stands under keys that are text or integers; the names of others would not be theirs alone.
fn keyed<'a>(entries: &[(Value<'a>, Value<'a>)], silent: &[&str]) -> Children<'a> {
    let segment = |key| match key {
        Value::Text(key) if silent.contains(&key) => Some(Segment::Nothing),
        Value::Text(key) => Some(Segment::Key(key)),
        Value::Int(number) => Some(Segment::Number(number)),
        Value::Scalar | Value::Node(_) => None,
    };
    with_parts(entries.iter().filter_map(|&(key, value)| Some((segment(key)?, value))))
}

/// Leaves numbers and texts out, of which a checkpoint may hold millions.
fn with_parts<'a>(children: impl Iterator<Item = (Segment<'a>, Value<'a>)>) -> Children<'a> {
    children.filter(|(_, value)| matches!(value, Value::Node(_))).collect()
}
