//! The stack machine.

use std::collections::HashMap;

use super::{MEMO_MAX, Malformed, NODES_MAX, Node, NodeId, Object, Pickle, STACK_MAX, STEPS_MAX, Value, opcode as op};

/// Highest protocol there is.
const PROTOCOL_MAX: u8 = 5;

struct Machine<'a> {
    /// What is left of the program.
    rest: &'a [u8],
    stack: Vec<Value<'a>>,
    /// Heights of the stack where a mark was set.
    marks: Vec<usize>,
    memo: HashMap<u32, Value<'a>>,
    nodes: Vec<Node<'a>>,
}

pub(super) fn run(bytes: &[u8]) -> Result<Pickle<'_>, Malformed> {
    let mut machine =
        Machine { rest: bytes, stack: Vec::new(), marks: Vec::new(), memo: HashMap::new(), nodes: Vec::new() };
    for _ in 0..STEPS_MAX {
        if let Some(root) = machine.step()? {
            return Ok(Pickle { nodes: machine.nodes, root });
        }
        if machine.stack.len() > STACK_MAX || machine.memo.len() > MEMO_MAX || machine.nodes.len() > NODES_MAX {
            return Err(broken("it is too large"));
        }
    }
    Err(broken("it is too long"))
}

fn broken(what: &str) -> Malformed {
    Malformed(format!("the pickle can not be read: {what}"))
}

impl<'a> Machine<'a> {
    /// Carries out one opcode; the pickled object if it was the last.
    fn step(&mut self) -> Result<Option<Value<'a>>, Malformed> {
        match self.u8()? {
            op::PROTO => self.protocol()?,
            op::FRAME => drop(self.take(8)?),
            op::STOP => return self.pop().map(Some),
            op::MARK => self.marks.push(self.stack.len()),
            op::POP => self.pop_or_mark()?,
            op::POP_MARK => drop(self.pop_to_mark()?),
            op::DUP => self.stack.push(self.top()?),

            op::NONE | op::NEWTRUE | op::NEWFALSE => self.stack.push(Value::Scalar),
            op::BINFLOAT => self.skip_scalar(8)?,
            op::BININT => self.int(4)?,
            op::BININT1 => self.small_int(1)?,
            op::BININT2 => self.small_int(2)?,
            op::LONG1 => self.sized(1, Self::int)?,
            op::LONG4 => self.sized(4, Self::int)?,
            op::SHORT_BINSTRING | op::SHORT_BINBYTES => self.sized(1, Self::skip_scalar)?,
            op::BINSTRING | op::BINBYTES => self.sized(4, Self::skip_scalar)?,
            op::BINBYTES8 | op::BYTEARRAY8 => self.sized(8, Self::skip_scalar)?,
            op::SHORT_BINUNICODE => self.sized(1, Self::text)?,
            op::BINUNICODE => self.sized(4, Self::text)?,
            op::BINUNICODE8 => self.sized(8, Self::text)?,

            op::EMPTY_TUPLE | op::EMPTY_LIST | op::EMPTY_SET => self.sequence(0)?,
            op::TUPLE1 => self.sequence(1)?,
            op::TUPLE2 => self.sequence(2)?,
            op::TUPLE3 => self.sequence(3)?,
            op::TUPLE | op::LIST | op::FROZENSET => {
                let elements = self.pop_to_mark()?;
                self.push_node(Node::Sequence(elements));
            }
            op::EMPTY_DICT => self.push_node(Node::Dict(Vec::new())),
            op::DICT => {
                let entries = pairs(&self.pop_to_mark()?)?;
                self.push_node(Node::Dict(entries));
            }
            op::APPEND => {
                let element = self.pop()?;
                self.append(vec![element])?;
            }
            op::APPENDS | op::ADDITEMS => {
                let elements = self.pop_to_mark()?;
                self.append(elements)?;
            }
            op::SETITEM => {
                let (value, key) = (self.pop()?, self.pop()?);
                self.set_items(vec![(key, value)])?;
            }
            op::SETITEMS => {
                let entries = pairs(&self.pop_to_mark()?)?;
                self.set_items(entries)?;
            }

            op::GLOBAL => {
                let (module, name) = (self.line()?, self.line()?);
                self.push_node(Node::Global { module, name });
            }
            op::STACK_GLOBAL => match (self.pop()?, self.pop()?) {
                (Value::Text(name), Value::Text(module)) => self.push_node(Node::Global { module, name }),
                _ => return Err(broken("a global has no name")),
            },
            op::BINPERSID => {
                let id = self.pop()?;
                self.push_node(Node::Persistent(id));
            }
            op::REDUCE | op::NEWOBJ => {
                let (args, callable) = (self.pop()?, self.pop()?);
                self.call(callable, args, Vec::new());
            }
            op::NEWOBJ_EX => {
                let (keywords, args, callable) = (self.pop()?, self.pop()?, self.pop()?);
                self.call(callable, args, vec![keywords]);
            }
            op::BUILD => self.build()?,

            op::BINPUT => self.put(1)?,
            op::LONG_BINPUT => self.put(4)?,
            op::MEMOIZE => drop(self.memo.insert(self.memo.len() as u32, self.top()?)),
            op::BINGET => self.get(1)?,
            op::LONG_BINGET => self.get(4)?,
            opcode => return Err(broken(&format!("opcode {opcode:#04x} is not supported"))),
        }
        Ok(None)
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8], Malformed> {
        self.rest.split_off(..len).ok_or_else(|| broken("it is cut short"))
    }

    fn u8(&mut self) -> Result<u8, Malformed> {
        Ok(self.take(1)?[0])
    }

    /// An unsigned number of `width` bytes, at most 8.
    fn unsigned(&mut self, width: usize) -> Result<u64, Malformed> {
        let mut bytes = [0; 8];
        bytes[..width].copy_from_slice(self.take(width)?);
        Ok(u64::from_le_bytes(bytes))
    }

    /// A line of text without its end.
    fn line(&mut self) -> Result<&'a str, Malformed> {
        let end = self.rest.iter().position(|&byte| byte == b'\n').ok_or_else(|| broken("a line has no end"))?;
        let line = self.take(end + 1)?;
        str::from_utf8(&line[..end]).map_err(|_| broken("a global is not text"))
    }

    /// Does `push` with a length that stands before in `width` bytes.
    fn sized(
        &mut self,
        width: usize,
        push: impl FnOnce(&mut Self, usize) -> Result<(), Malformed>,
    ) -> Result<(), Malformed> {
        let len = usize::try_from(self.unsigned(width)?).map_err(|_| broken("it is cut short"))?;
        push(self, len)
    }

    fn skip_scalar(&mut self, len: usize) -> Result<(), Malformed> {
        self.take(len)?;
        self.stack.push(Value::Scalar);
        Ok(())
    }

    /// A signed number of `len` bytes; one that does not fit loses its value.
    fn int(&mut self, len: usize) -> Result<(), Malformed> {
        let bytes = self.take(len)?;
        let negative = bytes.last().is_some_and(|byte| byte >> 7 == 1);
        let mut wide = [if negative { 0xff } else { 0 }; 8];
        let value = match wide.get_mut(..len) {
            Some(low) => {
                low.copy_from_slice(bytes);
                Value::Int(i64::from_le_bytes(wide))
            }
            None => Value::Scalar,
        };
        self.stack.push(value);
        Ok(())
    }

    /// An unsigned number of `width` bytes, less than 8.
    fn small_int(&mut self, width: usize) -> Result<(), Malformed> {
        let value = self.unsigned(width)?;
        self.stack.push(Value::Int(value as i64));
        Ok(())
    }

    /// Text; what is not UTF-8 (Python can write lone surrogates) loses its value.
    fn text(&mut self, len: usize) -> Result<(), Malformed> {
        let text = str::from_utf8(self.take(len)?);
        self.stack.push(text.map_or(Value::Scalar, Value::Text));
        Ok(())
    }

    fn protocol(&mut self) -> Result<(), Malformed> {
        match self.u8()? {
            0..=PROTOCOL_MAX => Ok(()),
            version => Err(broken(&format!("protocol {version} is unknown"))),
        }
    }

    /// How far down the stack may be popped: to the last mark.
    fn floor(&self) -> usize {
        self.marks.last().copied().unwrap_or(0)
    }

    fn top(&self) -> Result<Value<'a>, Malformed> {
        match self.stack.last() {
            Some(&value) if self.stack.len() > self.floor() => Ok(value),
            _ => Err(broken("its stack is empty")),
        }
    }

    fn pop(&mut self) -> Result<Value<'a>, Malformed> {
        let value = self.top()?;
        self.stack.pop();
        Ok(value)
    }

    fn pop_to_mark(&mut self) -> Result<Vec<Value<'a>>, Malformed> {
        let mark = self.marks.pop().ok_or_else(|| broken("a mark is missing"))?;
        Ok(self.stack.split_off(mark))
    }

    /// POP takes a mark away if that is what was pushed last.
    fn pop_or_mark(&mut self) -> Result<(), Malformed> {
        if self.marks.last() == Some(&self.stack.len()) {
            self.marks.pop();
            return Ok(());
        }
        self.pop().map(drop)
    }

    fn push_node(&mut self, node: Node<'a>) {
        self.stack.push(Value::Node(NodeId(self.nodes.len() as u32)));
        self.nodes.push(node);
    }

    fn sequence(&mut self, len: usize) -> Result<(), Malformed> {
        let start = self.stack.len().checked_sub(len).filter(|&start| start >= self.floor());
        let elements = self.stack.split_off(start.ok_or_else(|| broken("its stack is empty"))?);
        self.push_node(Node::Sequence(elements));
        Ok(())
    }

    /// The node on top of the stack, to be changed.
    fn top_node(&mut self) -> Result<&mut Node<'a>, Malformed> {
        match self.top()? {
            Value::Node(id) => Ok(&mut self.nodes[id.index()]),
            _ => Err(broken("a scalar has no parts")),
        }
    }

    fn append(&mut self, new: Vec<Value<'a>>) -> Result<(), Malformed> {
        match self.top_node()? {
            Node::Sequence(elements) => elements.extend(new),
            Node::Object(object) => object.elements.extend(new),
            _ => return Err(broken("it appends to something that is no list")),
        }
        Ok(())
    }

    fn set_items(&mut self, new: Vec<(Value<'a>, Value<'a>)>) -> Result<(), Malformed> {
        match self.top_node()? {
            Node::Dict(entries) => entries.extend(new),
            Node::Object(object) => object.entries.extend(new),
            _ => return Err(broken("it sets items of something that is no dict")),
        }
        Ok(())
    }

    fn call(&mut self, callable: Value<'a>, args: Value<'a>, elements: Vec<Value<'a>>) {
        let node = if self.makes_dict(callable) {
            Node::Dict(Vec::new())
        } else {
            Node::Object(Box::new(Object { callable, args, elements, entries: Vec::new(), state: Value::Scalar }))
        };
        self.push_node(node);
    }

    /// Whether calling it gives an empty dict, as Python 3 pickles the dicts of its library: items are set afterwards.
    fn makes_dict(&self, callable: Value<'a>) -> bool {
        let Value::Node(id) = callable else { return false };
        matches!(
            self.nodes[id.index()],
            Node::Global { module: "collections", name: "OrderedDict" | "defaultdict" | "Counter" }
        )
    }

    fn build(&mut self) -> Result<(), Malformed> {
        let state = self.pop()?;
        // Attributes of dicts and the like (`_metadata` of a state dict) are of no interest.
        if let Node::Object(object) = self.top_node()? {
            object.state = state;
        }
        Ok(())
    }

    fn put(&mut self, width: usize) -> Result<(), Malformed> {
        let key = self.unsigned(width)? as u32;
        self.memo.insert(key, self.top()?);
        Ok(())
    }

    fn get(&mut self, width: usize) -> Result<(), Malformed> {
        let key = self.unsigned(width)? as u32;
        let value = *self.memo.get(&key).ok_or_else(|| broken("its memo lacks an entry"))?;
        self.stack.push(value);
        Ok(())
    }
}

/// Keys and values that stand in turn.
fn pairs<'a>(flat: &[Value<'a>]) -> Result<Vec<(Value<'a>, Value<'a>)>, Malformed> {
    let (pairs, []) = flat.as_chunks::<2>() else { return Err(broken("a key has no value")) };
    Ok(pairs.iter().map(|&[key, value]| (key, value)).collect())
}
