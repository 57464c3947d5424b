//! JSON (RFC 8259) with Python's `NaN`, `Infinity` and `-Infinity`.

use std::collections::HashSet;

use jsonc_parser::ast::Value as Ast;
use jsonc_parser::common::Ranged;

use super::{LoadError, Tree};
use crate::params::json::ast;
use crate::params::tree::DEPTH_MAX;

pub fn load(text: &str) -> Result<Tree, LoadError> {
    let found = ast(text).map_err(|error| {
        let why = error.kind().to_string().trim_end_matches('.').to_lowercase();
        LoadError::new(error.line_display(), format!("no JSON: {why}"))
    })?;
    let found = found.ok_or_else(|| LoadError::new(None, "no JSON: there is no value"))?;
    tree(text, found, 0)
}

fn tree(text: &str, ast: Ast, depth: usize) -> Result<Tree, LoadError> {
    if depth > DEPTH_MAX {
        return Err(LoadError::at(text, ast.range().start, format!("nested more than {DEPTH_MAX} deep")));
    }
    Ok(match ast {
        Ast::StringLit(literal) => Tree::Text(literal.value.into_owned()),
        Ast::NumberLit(number) => Tree::Number(
            parse(number.value)
                .ok_or_else(|| LoadError::at(text, number.range.start, format!("`{}` is no number", number.value)))?,
        ),
        Ast::BooleanLit(literal) => Tree::Bool(literal.value),
        Ast::NullKeyword(_) => Tree::Null,
        Ast::Array(array) => {
            let items = array.elements.into_iter().map(|item| tree(text, item, depth + 1));
            Tree::List(items.collect::<Result<_, _>>()?)
        }
        Ast::Object(object) => {
            let mut keys = HashSet::new();
            let mut members = Vec::new();
            for property in object.properties {
                let start = property.range.start;
                let key = property.name.into_string();
                if !keys.insert(key.clone()) {
                    return Err(LoadError::at(text, start, format!("the key `{key}` stands there twice")));
                }
                members.push((key, tree(text, property.value, depth + 1)?));
            }
            Tree::Map(members)
        }
    })
}

fn parse(written: &str) -> Option<f64> {
    match written {
        "NaN" => Some(f64::NAN),
        "Infinity" => Some(f64::INFINITY),
        "-Infinity" => Some(f64::NEG_INFINITY),
        _ => written.parse().ok(),
    }
}
