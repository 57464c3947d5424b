//! Golden inputs: requests of the Open Inference Protocol together with the answers they must get.
//!
//! A list of `{"inputs": […], "outputs": […], "tolerance": 1e-6}`. Inputs are sent as they stand. Each output that is named
//! must come back with the same shape and with values that differ by no more than the tolerance, as a part of the
//! larger of 1 and the value.

use std::net::SocketAddr;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use super::http;

/// What rounding to f32 may make of a number.
const TOLERANCE: f64 = 1e-6;
/// How long an answer may take.
const ANSWER: Duration = Duration::from_secs(30);

/// A request with its answer.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    inputs: Vec<Value>,
    outputs: Vec<Output>,
    #[serde(default = "tolerance")]
    tolerance: f64,
}

#[derive(Debug, Clone, Deserialize)]
struct Output {
    name: String,
    #[serde(default)]
    shape: Option<Vec<u64>>,
    data: Value,
}

const fn tolerance() -> f64 {
    TOLERANCE
}

/// Reads a file of golden inputs.
///
/// # Errors
/// What is wrong with it.
pub fn parse(text: &[u8]) -> Result<Vec<Case>, String> {
    let cases: Vec<Case> = serde_json::from_slice(text).map_err(|error| error.to_string())?;
    match cases.iter().position(|case| case.outputs.is_empty()) {
        Some(empty) => Err(format!("case {} names no output", empty + 1)),
        None => Ok(cases),
    }
}

/// Sends a request to a server, and compares.
///
/// # Errors
/// How the answer differs.
pub fn replay(address: SocketAddr, model: &str, case: &Case) -> Result<(), String> {
    let body = json!({ "inputs": case.inputs }).to_string();
    let path = format!("/v2/models/{}/infer", model.replace('/', "%2F"));
    let (status, answer) = http::post(address, &path, body, ANSWER)?;
    let answer: Value = serde_json::from_slice(&answer).map_err(|_| format!("status {status}, and no JSON"))?;
    if status != 200 {
        return Err(format!("status {status}: {}", answer["error"].as_str().unwrap_or_default()));
    }
    compare(case, &answer)
}

fn compare(case: &Case, answer: &Value) -> Result<(), String> {
    let outputs = answer["outputs"].as_array().ok_or("the answer has no outputs")?;
    for wanted in &case.outputs {
        let name = &wanted.name;
        let got = outputs.iter().find(|output| output["name"] == name.as_str());
        let got = got.ok_or_else(|| format!("the answer has no output `{name}`"))?;
        if let Some(shape) = &wanted.shape
            && got["shape"] != json!(shape)
        {
            return Err(format!("`{name}` has the shape {}, not {shape:?}", got["shape"]));
        }
        let (mut wanted_values, mut values) = (Vec::new(), Vec::new());
        flatten(&wanted.data, &mut wanted_values);
        flatten(&got["data"], &mut values);
        if wanted_values.len() != values.len() {
            return Err(format!("`{name}` has {} values, not {}", values.len(), wanted_values.len()));
        }
        let pairs = wanted_values.iter().zip(&values).enumerate();
        for (at, (wanted, value)) in pairs {
            if !is_close(wanted, value, case.tolerance) {
                return Err(format!("`{name}` [{at}] is {value}, not {wanted}"));
            }
        }
    }
    Ok(())
}

fn is_close(wanted: &Value, value: &Value, tolerance: f64) -> bool {
    match (wanted.as_f64(), value.as_f64()) {
        (Some(wanted), Some(value)) => (wanted - value).abs() <= tolerance * wanted.abs().max(1.0),
        _ => wanted == value,
    }
}

/// Nested lists as one, row by row.
fn flatten<'v>(data: &'v Value, values: &mut Vec<&'v Value>) {
    match data {
        Value::Array(items) => items.iter().for_each(|item| flatten(item, values)),
        value => values.push(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn case(outputs: &str) -> Case {
        parse(format!("[{{\"inputs\": [], \"outputs\": {outputs}}}]").as_bytes()).expect("a case").remove(0)
    }

    #[test]
    fn answers_are_compared_by_numbers() {
        let answer = json!({"outputs": [{"name": "predict", "shape": [2, 1], "data": [100.0, 2.5]}]});
        for (outputs, wrong) in [
            (r#"[{"name": "predict", "data": [[100.00001], [2.5]]}]"#, None),
            (r#"[{"name": "predict", "shape": [2, 1], "data": [100, 2.5]}]"#, None),
            (r#"[{"name": "predict", "shape": [2], "data": [100, 2.5]}]"#, Some("has the shape [2,1], not [2]")),
            (r#"[{"name": "predict", "data": [100.1, 2.5]}]"#, Some("`predict` [0] is 100.0, not 100.1")),
            (r#"[{"name": "predict", "data": [100]}]"#, Some("has 2 values, not 1")),
            (r#"[{"name": "label", "data": [1]}]"#, Some("no output `label`")),
            (r#"[{"name": "predict", "data": ["100", 2.5]}]"#, Some("not \"100\"")),
        ] {
            let compared = compare(&case(outputs), &answer);
            match wrong {
                None => assert_eq!(compared, Ok(()), "{outputs}"),
                Some(wrong) => {
                    assert!(compared.as_ref().is_err_and(|why| why.contains(wrong)), "{outputs}: {compared:?}")
                }
            }
        }
    }

    #[test]
    fn a_case_that_asks_nothing_is_a_mistake() {
        assert!(parse(b"[{\"inputs\": [], \"outputs\": []}]").is_err_and(|why| why.contains("names no output")));
        assert!(parse(b"{}").is_err());
        assert!(parse(b"[{\"inputs\": [], \"output\": []}]").is_err());
    }
}
