//! `git model serve-model`.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::{Env, Repo, Tensor, safetensors};
use crate::train::{points, repo, train};

mod drain;
#[cfg(feature = "onnx")]
mod onnx;
pub mod server;

use server::{Client, PATIENCE, Server};

const INFER: &str = "/v2/models/model/infer";

/// A repository with a model of what houses cost.
pub fn houses_model(env: &Env) -> Repo<'_> {
    let repo = repo(env);
    train(&repo, &["houses.csv", "--epochs", "5"]).ok();
    repo
}

fn tensor(name: &str, datatype: &str, shape: &[u64], data: Value) -> Value {
    json!({ "name": name, "datatype": datatype, "shape": shape, "data": data })
}

/// One house.
fn house() -> Value {
    json!({ "inputs": [tensor("input", "FP64", &[1, 3], json!([2, 30.5, 1]))] })
}

/// What `git model predict` says about rows.
fn predicted(repo: &Repo<'_>, model: &str, data: &str) -> Vec<Vec<f64>> {
    let csv = repo.model(&["predict", model, data]).ok();
    let number = |text: &str| text.parse().expect("a number");
    csv.text().lines().skip(1).map(|line| line.split(',').map(number).collect()).collect()
}

#[test]
fn a_server_tells_what_it_serves() {
    let env = Env::new();
    let repo = houses_model(&env);
    let server = Server::start(&repo.dir, &["model.safetensors", "--name", "house", "--version", "v1.2.0"], 0);
    let line = format!("serving house (version v1.2.0) on http://{}\n", server.address);
    assert_eq!(server.stderr(), line);
    let mut client = server.client();
    let about = json!({ "name": "git-model", "version": env!("CARGO_PKG_VERSION"), "extensions": [] });
    assert_eq!(client.get("/v2").ok(), about);
    assert_eq!(client.get("/v2/health/live").ok(), json!({ "live": true }));
    assert_eq!(client.get("/v2/health/ready").ok(), json!({ "live": true, "ready": true }));
    let about = json!({
        "name": "house",
        "versions": ["v1.2.0"],
        "platform": "git-model",
        "inputs": [{ "name": "input", "datatype": "FP64", "shape": [-1, 3] }],
        "outputs": [{ "name": "predict", "datatype": "FP64", "shape": [-1] }],
    });
    for path in ["/v2/models/house", "/v2/models/house/versions/v1.2.0"] {
        assert_eq!(client.get(path).ok(), about);
        assert_eq!(client.get(&format!("{path}/ready")).ok(), json!({ "name": "house", "ready": true }));
        let answer = client.post(&format!("{path}/infer"), &house()).ok();
        assert_eq!((&answer["model_name"], &answer["model_version"]), (&json!("house"), &json!("v1.2.0")));
    }
    for path in ["/", "/v1", "/v2/models/house/", "/v2/models/h", "/v2/models/house/versions/v1", "/v2/models/h%2F"] {
        client.get(path).error(404);
    }
    client.post("/v2/models/house/versions/v1/infer", &house()).error(404);
    client.post("/v2/models/house", &house()).error(405);
    client.get("/v2/models/house/infer").error(405);
    client.get("/v2/models/%FF").error(400);
}

#[test]
fn predictions_are_those_of_predict() {
    let env = Env::new();
    let repo = houses_model(&env);
    repo.write("rows.csv", b"rooms,area,age\n2,30.5,1\n9,300,7\n");
    let expected = predicted(&repo, "model.safetensors", "rows.csv").concat();
    let server = Server::start(&repo.dir, &["model.safetensors"], 0);
    let mut client = server.client();
    let flat = json!([2, 30.5, 1, 9, 300, 7]);
    let (rooms, area, age) = (json!([2, 9]), json!([[30.5], [300]]), json!([1, 7]));
    for inputs in [
        json!([tensor("input", "FP32", &[2, 3], flat)]),
        json!([tensor("other", "FP64", &[2, 3], json!([[2, 30.5, 1], [9, 300, 7]]))]),
        json!([
            tensor("age", "INT64", &[2], age),
            tensor("rooms", "UINT8", &[2, 1], rooms),
            tensor("area", "FP64", &[2, 1], area)
        ]),
    ] {
        let request = json!({ "id": "a \"b\"", "inputs": inputs, "outputs": [{ "name": "predict" }] });
        let outputs = json!([{ "name": "predict", "shape": [2], "datatype": "FP64", "data": expected }]);
        let answer = json!({ "model_name": "model", "model_version": "1", "id": "a \"b\"", "outputs": outputs });
        assert_eq!(client.post(INFER, &request).ok(), answer);
    }
    let none = client.post(INFER, &json!({ "inputs": [tensor("input", "FP64", &[0, 3], json!([]))] })).ok();
    assert_eq!(none["outputs"], json!([{ "name": "predict", "shape": [0], "datatype": "FP64", "data": [] }]));
    assert_eq!(none.get("id"), None);
}

#[test]
fn classes_have_probabilities_and_labels() {
    let env = Env::new();
    let repo = repo(&env);
    for (classes, kind) in [(2, "logistic"), (3, "softmax")] {
        repo.write("points.csv", points(60, classes).as_bytes());
        let file = format!("{kind}.safetensors");
        let args = ["points.csv", "--model", kind, "--target", "class", "--hidden", "4", "--epochs", "9", "-o", &file];
        train(&repo, &args).ok();
    }
    repo.write("rows.csv", b"x,y\n0.3,0.1\n-0.4,0.2\n0.1,-0.5\n");
    let server = Server::start(&repo.dir, &["logistic.safetensors", "three=softmax.safetensors"], 0);
    let inputs = json!([tensor("input", "FP64", &[3, 2], json!([[0.3, 0.1], [-0.4, 0.2], [0.1, -0.5]]))]);
    let mut client = server.client();
    for (name, file, columns) in
        [("logistic", "logistic.safetensors", vec![]), ("three", "softmax.safetensors", vec![3])]
    {
        let expected = predicted(&repo, file, "rows.csv");
        let shape = [vec![3], columns.clone()].concat();
        let labels: Vec<_> = expected
            .iter()
            .map(|row| match row[..] {
                [probability] => usize::from(probability > 0.5),
                _ => (0..row.len()).max_by(|&one, &other| row[one].total_cmp(&row[other])).expect("classes"),
            })
            .collect();
        let predict = json!({ "name": "predict", "shape": shape, "datatype": "FP64", "data": expected.concat() });
        let label = json!({ "name": "label", "shape": [3], "datatype": "INT64", "data": labels });
        let infer = format!("/v2/models/{name}/infer");
        assert_eq!(client.post(&infer, &json!({ "inputs": inputs })).ok()["outputs"], json!([predict, label]));
        let wanted = json!([{ "name": "label" }, { "name": "predict" }]);
        let answer = client.post(&infer, &json!({ "inputs": inputs, "outputs": wanted })).ok();
        assert_eq!(answer["outputs"], json!([label, predict]));
        let about = client.get(&format!("/v2/models/{name}")).ok();
        let shape = [vec![-1], columns].concat();
        let predict = json!({ "name": "predict", "datatype": "FP64", "shape": shape });
        let label = json!({ "name": "label", "datatype": "INT64", "shape": [-1] });
        assert_eq!(about["outputs"], json!([predict, label]));
    }
}

#[test]
fn what_is_wrong_with_a_request_is_told() {
    let env = Env::new();
    let repo = houses_model(&env);
    let server = Server::start(&repo.dir, &["model.safetensors", "--body-limit", "100000"], 0);
    let mut client = server.client();
    let one = |name: &str| tensor(name, "FP64", &[1], json!([1]));
    for (inputs, expected) in [
        (json!([]), "there is no input `rooms`"),
        (json!([tensor("input", "FP64", &[1, 2], json!([1, 2]))]), "shape [1, 2], not [n, 3]: `rooms`, `area`, `age`"),
        (json!([tensor("input", "FP64", &[3], json!([1, 2, 3]))]), "not [n, 3]"),
        (json!([tensor("input", "FP64", &[2, 3], json!([1, 2, 3]))]), "`data` has 3 elements"),
        (json!([tensor("input", "FP64", &[1 << 40, 3], json!([1]))]), "`data` has 1 elements"),
        (json!([tensor("input", "FP16", &[1, 3], json!([1, 2, 3]))]), "FP16 is not supported"),
        (json!([tensor("input", "BYTES", &[1, 3], json!(["a", "b", "c"]))]), "BYTES is not supported"),
        (json!([tensor("input", "FP64", &[1, 3], json!([1, 2, null]))]), "malformed request"),
        (json!([tensor("input", "FP64", &[1, 3], json!([1e308, 1e308, 1e308]))]), "row 0 is NaN or infinite"),
        (json!([one("rooms"), one("area")]), "there is no input `age`"),
        (json!([one("rooms"), one("area"), one("rooms")]), "several inputs `rooms`"),
        (json!([one("rooms"), one("area"), one("bath")]), "no input `bath`"),
        (json!([one("rooms"), one("area"), one("age"), one("age")]), "4 inputs"),
        (json!([one("rooms"), one("area"), tensor("age", "FP64", &[2], json!([1, 2]))]), "`rooms` has 1 rows"),
        (json!([one("rooms"), one("area"), tensor("age", "FP64", &[1, 2], json!([1, 2]))]), "not [n] or [n, 1]"),
    ] {
        let why = client.post(INFER, &json!({ "inputs": inputs })).error(400);
        assert!(why.contains(expected), "{why}");
    }
    let request = json!({ "inputs": house()["inputs"], "outputs": [{ "name": "label" }] });
    let why = client.post(INFER, &request).error(400);
    assert!(why.contains("no output `label`; the model has `predict`"), "{why}");
    let deep = "[".repeat(40_000);
    for body in ["", "{", "\u{0}", "[]", "NaN", &deep, r#"{"inputs":[{"data":[NaN]}]}"#] {
        let why = client.ask("POST", INFER, body).expect("an answer").error(400);
        assert!(why.contains("malformed request"), "{why}");
    }
    // The body is read first, so the connection is fit for the next request.
    client.ask("POST", "/v2/models/none/infer", &" ".repeat(90_000)).expect("an answer").error(404);
    client.ask("POST", INFER, &" ".repeat(100_001)).expect("an answer").error(413);
    let chunk = format!("186a1\r\n{}\r\n0\r\n\r\n", " ".repeat(100_001));
    let mut stream = TcpStream::connect(server.address).expect("connected");
    stream.set_read_timeout(Some(PATIENCE)).expect("set");
    let head = format!("POST {INFER} HTTP/1.1\r\nHost: h\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n");
    stream.write_all((head + &chunk).as_bytes()).expect("sent");
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("an answer");
    assert!(text.starts_with("HTTP/1.1 413 "), "{text}");
    client.post(INFER, &house()).ok();
}

/// The text between two others in a page.
fn between<'p>(page: &'p str, start: &str, end: &str) -> &'p str {
    page.split_once(start).and_then(|(_, rest)| rest.split_once(end)).unwrap_or_else(|| panic!("{start}")).0
}

#[test]
fn the_page_tells_what_is_answered() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    let page = |name: &str| std::fs::read_to_string(root.join(name)).expect("a page");
    let (training, serving) = (page("training.md"), page("serving.md"));
    let env = Env::new();
    let repo = env.repo("repo");
    repo.write("houses.csv", between(&training, "houses.csv <<'END'\n", "END\n").as_bytes());
    let command = between(&training, "$ git model train ", "\n");
    train(&repo, &command.split(' ').collect::<Vec<_>>()).ok();
    let command = between(&serving, "$ git model serve-model ", "\n");
    let server = Server::start(&repo.dir, &command.split(' ').collect::<Vec<_>>(), 0);
    let mut client = server.client();
    let mut ask = |body: &str| client.ask("POST", "/v2/models/house/infer", body).expect("an answer").ok();
    let answer = ask(between(&serving, "/infer -d '", "'\n"));
    let told: Value =
        serde_json::from_str(&format!("{{\"model_name\"{}", between(&serving, "{\"model_name\"", "\n"))).expect("JSON");
    assert_eq!(answer, told);
    let blocks: Vec<_> =
        serving.split("```json\n").skip(1).map(|rest| ask(rest.split("```").next().expect("JSON"))).collect();
    assert_eq!(blocks.len(), 2);
    for block in blocks {
        assert_eq!(block["outputs"][0]["data"][0], told["outputs"][0]["data"][0]);
    }
}

#[test]
fn requests_are_counted() {
    let env = Env::new();
    let repo = houses_model(&env);
    let server = Server::start(&repo.dir, &["model.safetensors", "--version", "v1"], 0);
    let mut client = server.client();
    let rows = json!([1, 2, 3, 4, 5, 6]);
    client.post(INFER, &house()).ok();
    client.post(INFER, &json!({ "inputs": [tensor("input", "FP64", &[2, 3], rows)] })).ok();
    client.post(INFER, &json!({})).error(400);
    client.post("/v2/models/none/infer", &house()).error(404);
    client.get("/v2/health/ready").ok();
    let metrics = client.get("/metrics");
    assert_eq!(metrics.status, 200);
    for line in [
        "git_model_info{model=\"model\",version=\"v1\"} 1",
        "git_model_requests_total{code=\"200\",model=\"model\"} 2",
        "git_model_requests_total{code=\"400\",model=\"model\"} 1",
        "git_model_requests_total{code=\"404\",model=\"\"} 1",
        "git_model_rows_total{model=\"model\"} 3",
        "git_model_in_flight 0",
        "git_model_request_duration_seconds_count{model=\"model\"} 3",
        "# TYPE git_model_request_duration_seconds histogram",
    ] {
        assert!(metrics.text.lines().any(|found| found == line), "{line}\n{}", metrics.text);
    }
}

#[test]
fn a_name_may_have_a_slash() {
    let env = Env::new();
    let repo = houses_model(&env);
    std::fs::rename(repo.path("model.safetensors"), repo.path("weights.safetensors")).expect("renamed");
    let server = Server::start(&repo.dir, &["team/house=weights.safetensors"], 0);
    server.client().post("/v2/models/team%2Fhouse/infer", &house()).ok();
}

#[test]
fn what_cannot_be_served() {
    let env = Env::new();
    let repo = houses_model(&env);
    let fails = |args: &[&str], code: i32, expected: &[&str]| {
        let outcome = repo.model(&[&["serve-model", "--port", "0"], args].concat()).fails_with(code);
        for expected in expected {
            assert!(outcome.stderr.contains(expected), "{args:?}: {}", outcome.stderr);
        }
    };
    fails(&["gone.safetensors"], 1, &["cannot read `gone.safetensors`"]);
    fails(&["houses.csv"], 1, &["`houses.csv` is no model"]);
    repo.write("other.safetensors", &safetensors(&[Tensor { name: "w", dtype: "F32", shape: &[1], bytes: &[0; 4] }]));
    fails(&["other.safetensors"], 1, &["`other.safetensors` cannot predict", "git model train"]);
    repo.commit("a model");
    repo.write("manifest.safetensors", &repo.blob("HEAD", "model.safetensors"));
    fails(&["manifest.safetensors"], 1, &["it holds a manifest"]);
    fails(&["model.safetensors", "./model.safetensors"], 1, &["two models are named `model`", "NAME=FILE"]);
    fails(&["model.safetensors", "x=other.safetensors", "--name", "a"], 2, &["`--name` is for one model"]);
    fails(&["model.safetensors", "--name", "a\nb"], 1, &["cannot be the name"]);
    fails(&["model.safetensors", "--version", ""], 1, &["`` cannot be the name or the version"]);
    fails(&["model.safetensors", "--drain-timeout", "soon"], 2, &["`500ms`, `30s` or `2m`"]);
    fails(&["model.safetensors", "--ready-file", "none/ready"], 1, &["cannot write `none/ready`"]);
    #[cfg(not(feature = "onnx"))]
    fails(&["model.onnx"], 1, &["built without ONNX", "--features onnx"]);
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address");
    let port = address.port().to_string();
    let outcome = repo.model(&["serve-model", "model.safetensors", "--port", &port]).fails_with(1);
    assert!(outcome.stderr.contains(&format!("cannot listen on {address}")), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("`--port 0`"), "{}", outcome.stderr);
}

#[test]
fn a_link_and_a_session_of_its_own() {
    let env = Env::new();
    let repo = houses_model(&env);
    std::os::unix::fs::symlink("model.safetensors", repo.path("link.safetensors")).expect("a link");
    let mut server = Server::start(&repo.dir, &["link.safetensors", "--new-session"], 0);
    let sid = rustix::process::getsid(server.pid()).expect("a session");
    assert_eq!(Some(sid), server.pid());
    Client::connect(server.address).expect("connected").post("/v2/models/link/infer", &house()).ok();
    server.signal(Signal::TERM);
    assert_eq!(server.wait().0.code(), Some(0));
}

#[test]
fn what_people_must_be_told_is_not_told_to_a_server() {
    let env = Env::new();
    let repo = env.repo("house");
    repo.write(".git/model/deploy/unseen", b"it has failed\n");
    let served = repo.model(&["serve-model", "nowhere.safetensors"]).fails_with(1);
    assert!(!served.stderr.contains("it has failed"), "{}", served.stderr);
    let told = repo.model(&["ls-files"]).ok();
    assert!(told.stderr.contains("it has failed"), "{}", told.stderr);
}
