//! Tensors as a tree of modules, with what each takes.

use std::collections::HashMap;

use super::find::{Model, Tensor};
use crate::tensor::element_count;

/// A module or a tensor.
#[derive(Debug, Default)]
pub struct Node<'a> {
    /// The part of the name that its parent does not have.
    pub name: String,
    /// The tensor, if this is one.
    pub tensor: Option<&'a Tensor>,
    /// What is in the module, in file order.
    pub children: Vec<Node<'a>>,
    /// Tensors in it, or 1.
    pub tensors: u64,
    /// Elements of all of them.
    pub parameters: u64,
    /// Bytes of all of them.
    pub bytes: u64,
}

/// The tree of all tensors. Modules with one child are one with it: `q_proj.weight`.
pub fn tree(model: &Model) -> Node<'_> {
    let mut builder = Builder { nodes: vec![Draft::default()], places: HashMap::new() };
    for tensor in &model.tensors {
        builder.insert(tensor);
    }
    let mut root = builder.finish(0);
    // The root stands for the file and keeps its children.
    root.name.clear();
    root
}

#[derive(Default)]
struct Draft<'a> {
    name: &'a str,
    tensor: Option<&'a Tensor>,
    children: Vec<usize>,
}

struct Builder<'a> {
    nodes: Vec<Draft<'a>>,
    /// Modules by their full names.
    places: HashMap<&'a str, usize>,
}

impl<'a> Builder<'a> {
    fn insert(&mut self, tensor: &'a Tensor) {
        let name = tensor.name.as_str();
        let (mut parent, mut start) = (0, 0);
        for (end, _) in name.match_indices(['.', '/']).filter(|(end, _)| *end > 0) {
            let part = &name[start..end];
            let next = self.nodes.len();
            let at = *self.places.entry(&name[..end]).or_insert(next);
            if at == next {
                self.nodes.push(Draft { name: part, ..Draft::default() });
                self.nodes[parent].children.push(at);
            }
            (parent, start) = (at, end);
        }
        let at = self.nodes.len();
        self.nodes.push(Draft { name: &name[start..], tensor: Some(tensor), children: Vec::new() });
        self.nodes[parent].children.push(at);
    }

    fn finish(&self, at: usize) -> Node<'a> {
        let draft = &self.nodes[at];
        let mut children: Vec<Node<'a>> = draft.children.iter().map(|&child| self.finish(child)).collect();
        if at != 0 && draft.tensor.is_none() && children.len() == 1 {
            let mut only = children.remove(0);
            only.name.insert_str(0, draft.name);
            return only;
        }
        let mut node = Node { name: draft.name.to_owned(), tensor: draft.tensor, children, ..Node::default() };
        match node.tensor {
            Some(tensor) => {
                node.tensors = 1;
                node.parameters = element_count(&tensor.shape).unwrap_or(0);
                node.bytes = tensor.len;
            }
            None => {
                for child in &mut node.children {
                    // The sign that parts them belongs to neither.
                    if at == 0 || child.name.len() > 1 {
                        child.name = child.name.trim_start_matches(['.', '/']).to_owned();
                    }
                    node.tensors += child.tensors;
                    node.parameters += child.parameters;
                    node.bytes += child.bytes;
                }
            }
        }
        node
    }
}
