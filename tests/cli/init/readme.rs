//! The README's screen from nothing to a prediction, run as it is written.

use std::net::{SocketAddr, TcpListener};

use serde_json::Value;

use crate::serve_model::server::Client;
use crate::support::{Env, Repo};

const SECTION: &str = "## From nothing to a served model";
/// What a page says for everybody, a test cannot have: the port may be taken, an engine may answer, time is short.
const SETTINGS: [(&str, &str); 2] =
    [("target        = \"auto\"", "target        = \"process\""), ("\"10s\"", "\"500ms\"")];

/// A command, and what it printed when the page was written.
struct Step {
    command: String,
    printed: String,
}

/// The steps of the first console in the section.
fn steps() -> Vec<Step> {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).expect("the page");
    let (_, rest) = page.split_once(SECTION).expect("the section");
    let (_, rest) = rest.split_once("```console\n").expect("a console");
    let (console, _) = rest.split_once("```\n").expect("its end");
    let mut steps: Vec<Step> = Vec::new();
    let mut is_open = false;
    for line in console.lines() {
        match (line.strip_prefix("$ "), steps.last_mut()) {
            (_, Some(step)) if is_open => step.command += &format!("\n{line}"),
            (Some(command), _) => steps.push(Step { command: command.to_owned(), printed: String::new() }),
            (None, step) => step.expect("a command first").printed += &format!("{line}\n"),
        }
        // A quote goes on in the next line.
        is_open = steps.last().is_some_and(|step| step.command.matches('\'').count() % 2 == 1);
    }
    steps
}

/// Ends what was deployed, also when the test fails.
struct Deployed<'e>(Repo<'e>);

impl Drop for Deployed<'_> {
    fn drop(&mut self) {
        let stopped = self.0.model(&["stop", "prod"]);
        if !std::thread::panicking() {
            assert_eq!(stopped.code, Some(0), "{}", stopped.stderr);
        }
    }
}

/// What `curl` with this URL and body would get.
fn asked(command: &str, port: u16) -> Value {
    let rest = command.strip_prefix("curl -s localhost:8080").expect("the request comes last");
    let (path, body) = rest.split_once(" -d '").expect("a body");
    let body = body.strip_suffix('\'').expect("its end");
    let mut client = Client::connect(SocketAddr::from(([127, 0, 0, 1], port))).expect("somebody listens");
    client.ask("POST", path, body).expect("an answer").ok()
}

#[test]
fn a_model_is_served_as_the_page_says() {
    let env = Env::bare();
    let free = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = free.local_addr().expect("an address").port();
    drop(free);
    let mut steps = steps();
    let request = steps.pop().expect("steps");
    let house = Deployed(env.at("house"));
    let mut told = Vec::new();
    for (number, step) in steps.iter().enumerate() {
        let dir = if number < 2 { env.root().to_owned() } else { house.0.dir.clone() };
        let mut shell = env.command("sh", &dir);
        shell.args(["-ec", &step.command]);
        let outcome = env.run(shell).ok();
        told.push((outcome.text().to_owned(), outcome.stderr));
        if number == 0 {
            let mut policy = String::from_utf8(house.0.read(".gitmodel.toml")).expect("text");
            for (from, to) in SETTINGS.into_iter().chain([("8080", &*port.to_string())]) {
                assert!(policy.contains(from), "{from}: {policy}");
                policy = policy.replace(from, to);
            }
            house.0.write(".gitmodel.toml", policy.as_bytes());
        }
    }
    // The page breaks lines within JSON.
    let dense = |text: &str| text.split_whitespace().collect::<String>();
    let printed: Vec<String> = told[0].0.lines().map(dense).collect();
    let followed: Vec<String> = steps[1..].iter().chain([&request]).map(|step| dense(&step.command)).collect();
    assert_eq!(printed, followed, "the page follows what `init` says");
    assert_eq!(told[1].0, steps[1].printed, "the training is that of the page");
    assert_eq!(told[2].1, steps[2].printed, "so is what the hooks say");
    assert!(told.last().is_some_and(|(_, stderr)| stderr.contains(&format!("serves at http://127.0.0.1:{port}"))));

    let wanted: Value = serde_json::from_str(&request.printed).expect("the page shows an answer");
    let answer = asked(&request.command, port);
    assert!(answer["outputs"][0]["data"][0].as_f64().is_some_and(|price| price > 0.0), "{answer}");
    assert_eq!(answer["outputs"], wanted["outputs"]);
    assert_eq!(answer["model_name"], wanted["model_name"]);
}
