//! TOML, read by `toml_edit`.

use toml_edit::{Document, Item, Table, Value};

use super::{LoadError, Tree};

pub fn load(text: &str) -> Result<Tree, LoadError> {
    let document = Document::parse(text).map_err(|error| {
        let why = format!("no TOML: {}", error.message().replace('\n', ", "));
        match error.span() {
            Some(span) => LoadError::at(text, span.start, why),
            None => LoadError::new(None, why),
        }
    })?;
    Ok(table(document.as_table()))
}

fn table(table: &Table) -> Tree {
    Tree::Map(table.iter().map(|(key, item)| (key.to_owned(), self::item(item))).collect())
}

fn item(item: &Item) -> Tree {
    match item {
        Item::None => Tree::Null,
        Item::Value(value) => self::value(value),
        Item::Table(inner) => table(inner),
        Item::ArrayOfTables(tables) => Tree::List(tables.iter().map(table).collect()),
    }
}

fn value(value: &Value) -> Tree {
    match value {
        Value::String(text) => Tree::Text(text.value().clone()),
        Value::Integer(number) => Tree::Number(*number.value() as f64),
        Value::Float(number) => Tree::Number(*number.value()),
        Value::Boolean(flag) => Tree::Bool(*flag.value()),
        Value::Datetime(time) => Tree::Text(time.value().to_string()),
        Value::Array(items) => Tree::List(items.iter().map(self::value).collect()),
        Value::InlineTable(members) => {
            Tree::Map(members.iter().map(|(key, value)| (key.to_owned(), self::value(value))).collect())
        }
    }
}
