//! JSON (RFC 8259), and the `NaN` and `Infinity` that Python writes into metrics.
//!
//! **Limitations.** No comments and no trailing commas: what reads these files in training would refuse them.

use jsonc_parser::ast::{Object, Value as Ast};
use jsonc_parser::common::Ranged;
use jsonc_parser::errors::ParseError;
use jsonc_parser::{CollectOptions, CommentCollectionStrategy, ParseOptions, parse_to_ast};

use super::tree::{Content, DEPTH_MAX, Entry, Layout, Map, Node};
use super::value::{Number, Value};

/// The tree of `text`. `None` if it is not JSON, has a key twice in one object, or is nested too deep.
pub fn parse(text: &str) -> Option<Node> {
    node(ast(text).ok()??, 0)
}

/// The syntax tree of `text`; none of an empty one.
///
/// # Errors
/// Text that is not JSON.
pub fn ast(text: &str) -> Result<Option<Ast<'_>>, ParseError> {
    let collect = CollectOptions { comments: CommentCollectionStrategy::Off, tokens: false };
    let options = ParseOptions {
        allow_comments: false,
        allow_loose_object_property_names: false,
        allow_trailing_commas: false,
        allow_missing_commas: false,
        allow_single_quoted_strings: false,
        allow_hexadecimal_numbers: false,
        allow_unary_plus_numbers: false,
        allow_bare_decimal_point_numbers: false,
        allow_non_finite_numbers: true,
        allow_extended_string_escapes: false,
    };
    Ok(parse_to_ast(text, &collect, &options)?.value)
}

fn node(ast: Ast, depth: usize) -> Option<Node> {
    let range = ast.range();
    let content = match ast {
        Ast::Object(object) => Content::Map(map(object, depth)?),
        other => Content::Value(value(other, depth)?),
    };
    Some(Node { span: range.start..range.end, content })
}

fn map(object: Object, depth: usize) -> Option<Map> {
    let entries = object.properties.into_iter().map(|property| {
        let start = property.range.start;
        let node = node(property.value, deeper(depth)?)?;
        let key = property.name.into_string();
        Some(Entry { key, lead: start, start, end: node.span.end, section: false, node })
    });
    Map::new(Layout::Flow, entries.collect::<Option<_>>()?)
}

fn value(ast: Ast, depth: usize) -> Option<Value> {
    Some(match ast {
        Ast::StringLit(text) => Value::Text(text.value.into_owned()),
        Ast::NumberLit(number) => {
            Number::parse(number.value).map_or_else(|| Value::Other(number.value.to_owned()), Value::Number)
        }
        Ast::BooleanLit(literal) => Value::Bool(literal.value),
        Ast::NullKeyword(_) => Value::Null,
        Ast::Array(array) => {
            let depth = deeper(depth)?;
            let items = array.elements.into_iter().map(|item| Some(node(item, depth)?.value()));
            Value::List(items.collect::<Option<_>>()?)
        }
        Ast::Object(object) => Node { span: 0..0, content: Content::Map(map(object, depth)?) }.value(),
    })
}

fn deeper(depth: usize) -> Option<usize> {
    (depth < DEPTH_MAX).then_some(depth + 1)
}
