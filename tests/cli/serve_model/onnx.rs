//! ONNX files, made on the spot. Source of the numbers of fields: `onnx.proto` of ONNX 1.17.

use serde_json::json;

use super::server::Server;
use super::tensor;
use crate::support::Env;

const FLOAT: u64 = 1;
const INT64: u64 = 7;
const FLOAT16: u64 = 10;

fn varint(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value > 0x7f {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

fn number(field: u64, value: u64) -> Vec<u8> {
    [varint(field << 3), varint(value)].concat()
}

fn bytes(field: u64, content: impl AsRef<[u8]>) -> Vec<u8> {
    let content = content.as_ref();
    [varint(field << 3 | 2), varint(content.len() as u64), content.to_vec()].concat()
}

/// An input or an output; a dimension is a number, a name, or neither.
fn value(name: &str, kind: u64, dims: &[&str]) -> Vec<u8> {
    let dim = |dim: &&str| match dim.parse() {
        _ if dim.is_empty() => bytes(1, []),
        Ok(len) => bytes(1, number(1, len)),
        Err(_) => bytes(1, bytes(2, dim)),
    };
    let shape = dims.iter().flat_map(dim).collect::<Vec<_>>();
    bytes(1, name).into_iter().chain(bytes(2, bytes(1, [number(1, kind), bytes(2, shape)].concat()))).collect()
}

fn node(kind: &str, inputs: &[&str], output: &str, axis: Option<u64>) -> Vec<u8> {
    let inputs = inputs.iter().flat_map(|input| bytes(1, input)).collect::<Vec<_>>();
    let axis = axis.map(|axis| bytes(5, [bytes(1, "axis"), number(3, axis), number(20, 2)].concat()));
    let keep = axis.is_some() && kind == "ArgMax";
    let keep = keep.then(|| bytes(5, [bytes(1, "keepdims"), number(3, 0), number(20, 2)].concat()));
    [inputs, bytes(2, output), bytes(4, kind), axis.unwrap_or_default(), keep.unwrap_or_default()].concat()
}

fn weights(name: &str, dims: &[u64], values: &[f32]) -> Vec<u8> {
    let dims = dims.iter().flat_map(|&len| number(1, len)).collect::<Vec<_>>();
    let raw = values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<_>>();
    [dims, number(2, FLOAT), bytes(8, name), bytes(9, raw)].concat()
}

fn model(nodes: &[Vec<u8>], weights: &[Vec<u8>], inputs: &[Vec<u8>], outputs: &[Vec<u8>]) -> Vec<u8> {
    let mut graph = bytes(2, "g");
    for (field, parts) in [(1, nodes), (5, weights), (11, inputs), (12, outputs)] {
        parts.iter().for_each(|part| graph.extend(bytes(field, part)));
    }
    [number(1, 8), bytes(7, graph), bytes(8, [bytes(1, ""), number(2, 13)].concat())].concat()
}

/// Two numbers to three scores, and which is the largest.
fn classifier(rows: &str) -> Vec<u8> {
    model(
        &[
            node("MatMul", &["x", "w"], "product", None),
            node("Add", &["product", "b"], "scores", None),
            node("ArgMax", &["scores"], "label", Some(1)),
        ],
        &[weights("w", &[2, 3], &[1.0, 0.0, 1.0, 0.0, 1.0, 1.0]), weights("b", &[3], &[0.0, 0.0, -0.75])],
        &[value("x", FLOAT, &[rows, "2"])],
        &[value("scores", FLOAT, &[rows, "3"]), value("label", INT64, &[rows])],
    )
}

#[test]
fn graphs_are_computed_as_they_say() {
    let env = Env::new();
    let repo = env.repo("repo");
    // Open dimensions with and without a name, and a fixed one.
    for (name, rows) in [("named", "N"), ("nameless", ""), ("two", "2")] {
        repo.write(&format!("{name}.onnx"), &classifier(rows));
    }
    let server = Server::start(&repo.dir, &["named.onnx", "nameless.onnx", "two.onnx"], 0);
    let mut client = server.client();
    for (name, rows) in [("named", -1), ("nameless", -1), ("two", 2)] {
        let about = client.get(&format!("/v2/models/{name}")).ok();
        assert_eq!(about["platform"], "onnx_tract");
        assert_eq!(about["inputs"], json!([{ "name": "x", "datatype": "FP32", "shape": [rows, 2] }]));
        let scores = json!({ "name": "scores", "datatype": "FP32", "shape": [rows, 3] });
        assert_eq!(about["outputs"], json!([scores, { "name": "label", "datatype": "INT64", "shape": [rows] }]));
        let infer = format!("/v2/models/{name}/infer");
        let x = tensor("x", "FP32", &[2, 2], json!([[4, 1], [0.5, -1]]));
        let answer = client.post(&infer, &json!({ "inputs": [x] })).ok();
        let data = json!([4.0, 1.0, 4.25, 0.5, -1.0, -1.25]);
        let scores = json!({ "name": "scores", "datatype": "FP32", "shape": [2, 3], "data": data });
        let label = json!({ "name": "label", "datatype": "INT64", "shape": [2], "data": [2, 0] });
        assert_eq!(answer["outputs"], json!([scores, label]));
        let three = tensor("x", "FP32", &[3, 2], json!([0, 0, 0, 1, 1, 0]));
        let answer = client.post(&infer, &json!({ "inputs": [three], "outputs": [{ "name": "label" }] }));
        if rows == 2 {
            assert!(answer.error(400).contains("has shape [3, 2], not [2, 2]"));
        } else {
            assert_eq!(answer.ok()["outputs"][0]["data"], json!([0, 1, 0]));
        }
    }
    for (input, expected) in [
        (tensor("y", "FP32", &[1, 2], json!([1, 2])), "there is no input `y`"),
        (tensor("x", "FP64", &[1, 2], json!([1, 2])), "input `x` is FP32, not FP64"),
        (tensor("x", "FP32", &[2], json!([1, 2])), "not [-1, 2]"),
        (tensor("x", "FP32", &[0, 2], json!([])), "has no elements"),
        (tensor("x", "FP32", &[1, 2], json!([3e38, 3e38])), "output `scores` has NaN or an infinite number"),
    ] {
        let why = client.post("/v2/models/named/infer", &json!({ "inputs": [input] })).error(400);
        assert!(why.contains(expected), "{why}");
    }
}

#[test]
fn several_inputs_share_their_rows() {
    let env = Env::new();
    let repo = env.repo("repo");
    let inputs = [value("a", INT64, &["", "1"]), value("b", INT64, &["", "2"])];
    let nodes = [node("Concat", &["a", "b"], "y", Some(1))];
    repo.write("m.onnx", &model(&nodes, &[], &inputs, &[value("y", INT64, &["", "3"])]));
    let server = Server::start(&repo.dir, &["m.onnx"], 0);
    let mut client = server.client();
    let (a, b) = (tensor("a", "INT64", &[2, 1], json!([1, 2])), tensor("b", "INT64", &[2, 2], json!([3, 4, 5, 6])));
    let answer = client.post("/v2/models/m/infer", &json!({ "inputs": [b, a] })).ok();
    assert_eq!(answer["outputs"][0]["data"], json!([1, 3, 4, 2, 5, 6]));
    let one = tensor("b", "INT64", &[1, 2], json!([3, 4]));
    let why = client.post("/v2/models/m/infer", &json!({ "inputs": [a, one] })).error(400);
    assert!(why.contains("the inputs do not fit"), "{why}");
    let why = client.post("/v2/models/m/infer", &json!({ "inputs": [a] })).error(400);
    assert!(why.contains("there is no input `b`"), "{why}");
}

#[test]
fn graphs_that_cannot_be_served() {
    let env = Env::new();
    let repo = env.repo("repo");
    let one = |kind: &str, ty| {
        model(&[node(kind, &["x"], "y", None)], &[], &[value("x", ty, &["N"])], &[value("y", ty, &["N"])])
    };
    for (file, expected) in [
        (b"no protocol buffer".to_vec(), "cannot be served"),
        (one("Unheard", FLOAT), "Unheard"),
        (one("Relu", FLOAT16), "`x` has elements of type F16"),
    ] {
        repo.write("m.onnx", &file);
        let outcome = repo.model(&["serve-model", "m.onnx", "--port", "0"]).fails_with(1);
        assert!(outcome.stderr.contains("`m.onnx` cannot be served"), "{}", outcome.stderr);
        assert!(outcome.stderr.contains(expected), "{}", outcome.stderr);
    }
    let outcome = repo.model(&["serve-model", "gone.onnx", "--port", "0"]).fails_with(1);
    assert!(outcome.stderr.contains("`gone.onnx` cannot be served"), "{}", outcome.stderr);
}
