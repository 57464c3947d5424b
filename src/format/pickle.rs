//! Pickles, read as data: a small stack machine that builds a tree and never imports, calls or makes anything.
//!
//! A pickle is a program. Where Python would import a name, the tree has a [`Node::Global`]; where it would call
//! something, a [`Node::Object`] that says what would have been called with what. That is all PyTorch's reader here
//! needs to find the tensors of a checkpoint, and there is nothing a hostile pickle could make it do.
//!
//! Source: CPython's `Lib/pickletools.py`, protocols 2 to 5.
//!
//! The tree is an arena: nodes point at each other by index, so that neither shared nor cyclic nodes nor deep ones need
//! recursion to build or drop. Steps, nodes, stack and memo are capped; every value comes from a step, so their number
//! is capped with the steps.
//!
//! **Limitations.** Protocols 0 and 1, extension codes and out-of-band buffers are refused: `torch.save` writes none of
//! them. Booleans, floats, bytes and integers over 64 bits are there but without their value.

use super::Malformed;

mod machine;
mod opcode;

/// Opcodes carried out before a pickle is given up: enough for some 200,000 tensors.
const STEPS_MAX: usize = 1 << 23;
const NODES_MAX: usize = 1 << 21;
const STACK_MAX: usize = 1 << 21;
const MEMO_MAX: usize = 1 << 21;

/// Index of a node in its pickle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct NodeId(u32);

/// What may stand anywhere in the tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Value<'a> {
    /// None, a boolean, a float, bytes or a large integer.
    Scalar,
    /// An integer.
    Int(i64),
    /// Text.
    Text(&'a str),
    /// Something with parts.
    Node(NodeId),
}

/// What has parts.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Node<'a> {
    /// A tuple, list or set.
    Sequence(Vec<Value<'a>>),
    /// A dict, ordered dict or default dict: keys and values in their order.
    Dict(Vec<(Value<'a>, Value<'a>)>),
    /// A name that would have been imported.
    Global { module: &'a str, name: &'a str },
    /// An object outside of the pickle, by its id.
    Persistent(Value<'a>),
    /// The result of a call.
    Object(Box<Object<'a>>),
}

/// A call that was not made, and what was then done to its result.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Object<'a> {
    /// The function or class.
    pub callable: Value<'a>,
    /// The arguments.
    pub args: Value<'a>,
    /// What was appended or added.
    pub elements: Vec<Value<'a>>,
    /// What was set by key.
    pub entries: Vec<(Value<'a>, Value<'a>)>,
    /// What was given to `__setstate__`, by default the attributes.
    pub state: Value<'a>,
}

/// A pickle that was read.
#[derive(Debug)]
pub(super) struct Pickle<'a> {
    nodes: Vec<Node<'a>>,
    /// The object that was pickled.
    pub root: Value<'a>,
}

impl<'a> Pickle<'a> {
    /// Reads the pickle at the start of `bytes`.
    pub fn read(bytes: &'a [u8]) -> Result<Self, Malformed> {
        machine::run(bytes)
    }

    /// All nodes in the order of their making.
    pub fn nodes(&self) -> impl Iterator<Item = &Node<'a>> {
        self.nodes.iter()
    }

    /// How many nodes there are.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// The node behind `value`, if it has one.
    pub fn node(&self, value: Value<'_>) -> Option<&Node<'a>> {
        match value {
            Value::Node(id) => self.nodes.get(id.index()),
            _ => None,
        }
    }

    /// The elements of a tuple or list.
    pub fn sequence(&self, value: Value<'_>) -> Option<&[Value<'a>]> {
        match self.node(value)? {
            Node::Sequence(elements) => Some(elements),
            _ => None,
        }
    }

    /// Module and name of a global.
    pub fn global(&self, value: Value<'_>) -> Option<(&'a str, &'a str)> {
        match *self.node(value)? {
            Node::Global { module, name } => Some((module, name)),
            _ => None,
        }
    }
}

impl NodeId {
    /// As an index into something kept for each node.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

#[cfg(test)]
pub(super) mod tests;
