//! `git model train`.

use std::fmt::Write;

use serde_json::{Value, json};

use crate::support::{Env, Outcome, Repo, Tensor, is_manifest, random, safetensors};

const FILES: [&str; 3] = ["model.safetensors", "params.json", "metrics.json"];

/// From 0 to 1, the same for the same seed.
fn units(seed: u64) -> impl Iterator<Item = f64> {
    random(seed).map(|word| (word >> 11) as f64 / (1_u64 << 53) as f64)
}

/// Houses whose price is what rooms, area and age make of it, and a little noise.
pub fn houses(rows: usize, seed: u64) -> String {
    let mut units = units(seed);
    let mut next = || units.next().expect("endless");
    let mut text = String::from("rooms,area,age,price\n");
    for _ in 0..rows {
        let (rooms, area, age) = (1.0 + (next() * 6.0).floor(), 30.0 + 120.0 * next(), (80.0 * next()).floor());
        let price = 20_000.0 * rooms + 2500.0 * area - 800.0 * age + 50_000.0 + 4000.0 * (next() - 0.5);
        writeln!(text, "{rooms},{area:.1},{age},{price:.0}").expect("written");
    }
    text
}

/// Points in the plane, and which of three rays from the origin they are nearest to.
pub fn points(rows: usize, classes: usize) -> String {
    let mut units = units(9);
    let mut text = String::from("x,y,class\n");
    for _ in 0..rows {
        let (x, y) = (units.next().expect("x") - 0.5, units.next().expect("y") - 0.5);
        let angle = y.atan2(x) / std::f64::consts::TAU + 0.5;
        writeln!(text, "{x},{y},{}", (angle * classes as f64).floor().min(classes as f64 - 1.0)).expect("written");
    }
    text
}

pub fn repo(env: &Env) -> Repo<'_> {
    let repo = env.repo("repo");
    repo.write("houses.csv", houses(80, 1).as_bytes());
    repo
}

pub fn train(repo: &Repo<'_>, args: &[&str]) -> Outcome {
    repo.model(&[&["train"], args].concat())
}

pub fn object(repo: &Repo<'_>, name: &str) -> Value {
    serde_json::from_slice(&repo.read(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

pub fn number(value: &Value, pointer: &str) -> f64 {
    value.pointer(pointer).and_then(Value::as_f64).unwrap_or_else(|| panic!("{pointer} in {value}"))
}

/// Fails with this message, and leaves the folder as it was.
#[track_caller]
fn refuses(repo: &Repo<'_>, args: &[&str], code: i32, expected: &[&str]) {
    let listed = || {
        let mut files: Vec<_> = std::fs::read_dir(&repo.dir)
            .expect("a folder")
            .map(|entry| entry.expect("an entry").path())
            .filter(|path| path.is_file())
            .map(|path| (std::fs::read(&path).expect("readable"), path))
            .collect();
        files.sort();
        files
    };
    let before = listed();
    let outcome = train(repo, args).fails_with(code);
    for expected in expected {
        assert!(outcome.stderr.contains(expected), "{args:?}: {}", outcome.stderr);
    }
    assert!(before == listed(), "{args:?} has written something");
}

#[test]
fn a_table_becomes_a_model_that_predicts() {
    let env = Env::new();
    let repo = repo(&env);
    let outcome = train(&repo, &["houses.csv", "--target", "price"]).ok();
    assert!(outcome.text().starts_with("      train (64 rows)  validation (16 rows)\nmse"), "{}", outcome.text());
    assert!(outcome.stderr.contains("100 epochs (200 steps); wrote `model.safetensors`"), "{}", outcome.stderr);
    let metrics = object(&repo, "metrics.json");
    assert!(number(&metrics, "/validation/r2") > 0.999 && number(&metrics, "/train/rmse") < 2000.0, "{metrics}");
    assert_eq!((number(&metrics, "/epochs"), number(&metrics, "/steps")), (100.0, 200.0));
    let params = object(&repo, "params.json");
    let settings = params["train"].as_object().expect("settings");
    let expected = json!({
        "target": "price", "model": "linear", "hidden": 0, "optimizer": "sgd", "lr": 0.01, "momentum": 0.9,
        "weight_decay": 0.0, "epochs": 100, "batch_size": 32, "seed": 0, "validation": 0.2, "early_stopping": 0,
        "standardize": true, "data": "houses.csv",
    });
    assert_eq!(&Value::Object(settings.clone()), &expected);

    repo.commit("a model");
    assert!(is_manifest(&repo.blob("HEAD", "model.safetensors")));
    let manifest = String::from_utf8(repo.blob("HEAD", "model.safetensors")).expect("text");
    for tensor in ["input.mean", "input.std", "linear.bias", "linear.weight"] {
        assert!(manifest.contains(tensor), "{manifest}");
    }
    let predicted = repo.model(&["predict", "HEAD:model.safetensors", "houses.csv"]).ok();
    let houses = houses(80, 1);
    let mut squares = 0.0;
    for (at, (predicted, house)) in predicted.text().lines().zip(houses.lines()).enumerate() {
        if at == 0 {
            assert_eq!(predicted, "prediction");
            continue;
        }
        let price: f64 = house.rsplit(',').next().expect("a price").parse().expect("a number");
        squares += (predicted.parse::<f64>().expect("a number") - price).powi(2);
    }
    let mse = (number(&metrics, "/train/mse") * 64.0 + number(&metrics, "/validation/mse") * 16.0) / 80.0;
    assert!((squares / 80.0 - mse).abs() < 1e-6 * mse, "{} {mse}", squares / 80.0);
    assert_eq!(predicted.text().lines().count(), 81);
}

#[test]
fn the_seed_decides_every_byte() {
    let env = Env::new();
    let repo = repo(&env);
    let trained = |args: &[&str]| {
        train(&repo, &[&["houses.csv", "--epochs", "3", "--hidden", "4"], args].concat()).ok();
        repo.read("model.safetensors")
    };
    let first = trained(&[]);
    assert_eq!(first, trained(&["--seed", "0"]));
    assert_ne!(first, trained(&["--seed", "1"]));
    assert_ne!(first, trained(&["--activation", "tanh"]));
    assert_ne!(first, trained(&["--batch-size", "7"]));
}

#[test]
fn classes_with_every_optimizer_and_a_hidden_layer() {
    let env = Env::new();
    let repo = env.repo("repo");
    repo.write("two.csv", points(300, 2).as_bytes());
    repo.write("three.csv", points(300, 3).as_bytes());
    let cases: [(&str, &str, &[&str]); 4] = [
        ("two.csv", "logistic", &["--optimizer", "adam", "--lr", "0.05"]),
        ("two.csv", "logistic", &["--hidden", "8", "--activation", "tanh", "--lr", "0.1"]),
        ("three.csv", "softmax", &["--lr", "0.1"]),
        ("three.csv", "softmax", &["--hidden", "16", "--optimizer", "adam", "--lr", "0.02", "--early-stopping", "20"]),
    ];
    for (data, model, args) in cases {
        train(&repo, &[&[data, "--model", model, "--metrics", "m.json"], args].concat()).ok();
        let metrics = object(&repo, "m.json");
        assert!(number(&metrics, "/validation/accuracy") > 0.9, "{data} {args:?}: {metrics}");
        assert!(number(&metrics, "/train/loss") < 0.35, "{data} {args:?}: {metrics}");
        let predicted = repo.model(&["predict", "model.safetensors", data]).ok();
        let names = if model == "softmax" { "probability_0,probability_1,probability_2" } else { "probability" };
        assert_eq!(predicted.text().lines().next(), Some(names));
        for line in predicted.text().lines().skip(1) {
            let numbers: Vec<f64> = line.split(',').map(|field| field.parse().expect("a number")).collect();
            let sum: f64 = numbers.iter().sum();
            assert!(numbers.iter().all(|number| (0.0..=1.0).contains(number)), "{line}");
            assert!(model == "logistic" || (sum - 1.0).abs() < 1e-9, "{line}");
        }
    }
}

#[test]
fn settings_come_from_a_file_and_go_back_there() {
    let env = Env::new();
    let repo = repo(&env);
    let text = r#"{
  "name": "houses",
  "train": { "data": "houses.csv", "epochs": 7, "lr": 0.05, "momentum": 0.5, "validation": 0 },
  "after": [1, 2.50, null]
}"#;
    repo.write("p.json", text.as_bytes());
    repo.write("metrics.json", br#"{ "test": { "mse": 3.5 }, "validation": { "mse": 1 }, "train": 1 }"#);
    train(&repo, &["--params", "p.json", "--epochs", "5", "--optimizer", "adam"]).ok();
    let params = object(&repo, "p.json");
    let keys: Vec<_> = params.as_object().expect("an object").keys().collect();
    assert_eq!(keys, ["name", "train", "after"]);
    assert_eq!(params["after"], json!([1, 2.5, null]));
    let settings = &params["train"];
    assert_eq!(
        (&settings["epochs"], &settings["lr"], &settings["optimizer"]),
        (&json!(5), &json!(0.05), &json!("adam"))
    );
    assert_eq!(
        (&settings["momentum"], &settings["beta1"], &settings["target"]),
        (&Value::Null, &json!(0.9), &json!("price"))
    );
    let metrics = object(&repo, "metrics.json");
    assert_eq!((number(&metrics, "/test/mse"), metrics.get("validation")), (3.5, None));
    assert!(number(&metrics, "/train/mse") > 0.0);
    assert!(!repo.path("params.json").exists());

    // What was written down gives the same again.
    let (model, params) = (repo.read("model.safetensors"), repo.read("p.json"));
    train(&repo, &["--params", "p.json"]).ok();
    assert!(repo.read("model.safetensors") == model && repo.read("p.json") == params);

    // A file that was not named is left alone.
    repo.write("params.json", b"{}");
    train(&repo, &["houses.csv", "--epochs", "1"]).ok();
    assert_eq!(repo.read("params.json"), b"{}");
}

#[test]
fn what_cannot_be_followed() {
    let env = Env::new();
    let repo = repo(&env);
    let cases: [(&str, &[&str]); 6] = [
        (
            r#"{ "train": { "learning-rate": 1 } }"#,
            &["`p.json`: `learning-rate` is no setting of `train`; the nearest is"],
        ),
        (r#"{ "train": { "epoch": 1 } }"#, &["`p.json`: `epoch` is no setting of `train`; the nearest is `epochs`"]),
        (r#"{ "train": { "lr": "fast" } }"#, &["`p.json`: `lr` cannot be used", "hint: `git model train --help`"]),
        (r#"{ "train": 3 }"#, &["`p.json` has a `train` that is no table of settings"]),
        (r#"{ "train": { "lr": NaN } }"#, &["`p.json` has more than JSON"]),
        (r#"[1]"#, &["`p.json`: it is a list, not an object"]),
    ];
    for (text, expected) in cases {
        repo.write("p.json", text.as_bytes());
        refuses(&repo, &["houses.csv", "--params", "p.json"], 1, expected);
    }
    std::fs::remove_file(repo.path("p.json")).expect("removed");
    refuses(&repo, &[], 2, &["there is nothing to train on", "hint: name a file"]);
    refuses(&repo, &["houses.csv", "--lr=-1"], 2, &["`lr` must be above 0"]);
    refuses(&repo, &["houses.csv", "--lr=nan"], 2, &["`lr` must be above 0"]);
    refuses(&repo, &["houses.csv", "--eps", "1"], 2, &["`eps` belongs to adam"]);
    refuses(&repo, &["houses.csv", "--model", "forest"], 2, &["linear, logistic, softmax"]);
    refuses(
        &repo,
        &["houses.csv", "-o", "deep/down/m.safetensors"],
        1,
        &["cannot write `deep/down/m.safetensors`: there is no folder `deep/down`"],
    );
    refuses(&repo, &["houses.csv", "-o", "houses.csv/m.safetensors"], 1, &["cannot write `houses.csv/m.safetensors`"]);
    refuses(&repo, &["houses.csv", "--metrics", "."], 1, &["cannot read `.`: it is no regular file"]);
    repo.write("metrics.json", b"{ \"train\": ");
    refuses(&repo, &["houses.csv"], 1, &["`metrics.json`: line 1"]);
}

#[test]
fn what_cannot_be_learned_from() {
    let env = Env::new();
    let repo = env.repo("repo");
    let cases: [(&str, &[&str], &[&str]); 12] = [
        (
            "a,b\n1,2\n3,4\n",
            &["--target", "c"],
            &["`d.csv`: there is no column `c`; the columns are `a`, `b`", "--target COLUMN"],
        ),
        ("a,b\n1,2\n3,many\n", &[], &["`d.csv`: line 3, column 2 (`b`)"]),
        ("a,b\n1,2\n3\n", &[], &["`d.csv`"]),
        ("a,b\n1,2\n", &[], &["`d.csv`: there is only 1 row; at least 2 are needed to train"]),
        ("a,b\n", &[], &["`d.csv`: there is no row"]),
        ("", &[], &["`d.csv`"]),
        ("b\n1\n2\n", &[], &["`d.csv`: there is no column beside the target `b`"]),
        ("a,a\n1,2\n3,4\n", &[], &["`a`"]),
        ("a,b\n1,2\nnan,4\n", &[], &["`d.csv`: row 2, column `a` is NaN", "leave such rows out"]),
        ("a,b\n1,2\n1,inf\n", &[], &["`d.csv`: row 2, column `b` is inf"]),
        (
            "a,b\n1,0\n2,2\n",
            &["--model", "logistic"],
            &["row 2, column `b` is 2, which is no class", "number the classes from 0"],
        ),
        ("a,b\n1,1\n2,2\n", &["--model", "softmax"], &["no row has class 0 in column `b`"]),
    ];
    for (text, args, expected) in cases {
        repo.write("d.csv", text.as_bytes());
        refuses(&repo, &[&["d.csv"], args].concat(), 1, expected);
    }
    refuses(&repo, &["gone.csv"], 1, &["cannot read `gone.csv`"]);
    refuses(&repo, &["d.txt"], 1, &["d.txt"]);
}

#[test]
fn a_column_that_never_changes_is_told_and_does_no_harm() {
    let env = Env::new();
    let repo = env.repo("repo");
    let rows: Vec<String> = (0..20).map(|x| format!("{x},0.1,{}\n", 2 * x + 1)).collect();
    repo.write("d.csv", format!("x,same,y\n{}", rows.concat()).as_bytes());
    let outcome = train(&repo, &["d.csv", "--validation", "0", "--epochs", "300"]).ok();
    assert!(
        outcome.stderr.contains("warning: column `same` has the same value in all training rows"),
        "{}",
        outcome.stderr
    );
    assert!(number(&object(&repo, "metrics.json"), "/train/r2") > 0.999_99);
}

#[test]
fn a_loss_that_explodes_stops_and_writes_nothing() {
    let env = Env::new();
    let repo = repo(&env);
    let args = ["houses.csv", "--no-standardize", "--lr", "0.1"];
    refuses(&repo, &args, 1, &["the loss became NaN or infinite in epoch", "hint: try a lower `--lr`"]);
    train(&repo, &["houses.csv"]).ok();
    refuses(&repo, &args, 1, &["the loss became NaN or infinite in epoch"]);
}

#[test]
fn another_model_is_not_written_over() {
    let env = Env::new();
    let repo = repo(&env);
    let other = safetensors(&[Tensor { name: "w", dtype: "F32", shape: &[1], bytes: &[0; 4] }]);
    repo.write("model.safetensors", &other);
    refuses(&repo, &["houses.csv"], 1, &["`model.safetensors` is there already", "--force"]);
    train(&repo, &["houses.csv", "--epochs", "1", "--force"]).ok();
    // One of its own it writes again.
    let before = repo.read("model.safetensors");
    train(&repo, &["houses.csv", "--epochs", "2"]).ok();
    assert_ne!(before, repo.read("model.safetensors"));
    // So it does when git has put the manifest there.
    repo.commit("trained");
    let manifest = repo.blob("HEAD", "model.safetensors");
    repo.write("model.safetensors", &manifest);
    train(&repo, &["houses.csv", "--epochs", "2"]).ok();
}

#[test]
fn validation_may_have_a_file_of_its_own() {
    let env = Env::new();
    let repo = repo(&env);
    let fresh = houses(30, 2);
    // The same columns in another order.
    let turned = fresh.lines().map(|line| line.rsplit(',').collect::<Vec<_>>().join(",") + "\n").collect::<String>();
    repo.write("fresh.csv", fresh.as_bytes());
    repo.write("turned.csv", turned.as_bytes());
    let validated = |file: &str| {
        let outcome = train(&repo, &["houses.csv", "--target", "price", "--validation-data", file]).ok();
        assert!(outcome.text().contains("train (80 rows)  validation (30 rows)"), "{}", outcome.text());
        object(&repo, "metrics.json")
    };
    let (one, other) = (validated("fresh.csv"), validated("turned.csv"));
    assert!(number(&one, "/validation/r2") > 0.99, "{one}");
    assert_eq!(one, other);
    repo.write("less.csv", b"rooms,price\n1,2\n2,3\n");
    let args = ["houses.csv", "--validation-data", "less.csv"];
    refuses(&repo, &args, 1, &["`less.csv`"]);
    refuses(
        &repo,
        &["houses.csv", "--validation-data", "fresh.csv", "--validation", "0.5"],
        2,
        &["cannot be used with"],
    );
}

#[test]
fn early_stopping_keeps_the_best() {
    let env = Env::new();
    let repo = repo(&env);
    let args = ["houses.csv", "--epochs", "5000", "--early-stopping", "5", "--lr", "0.05", "--verbose"];
    let outcome = train(&repo, &args).ok();
    assert!(outcome.stderr.contains("the best was"), "{}", outcome.stderr);
    assert!(
        outcome.stderr.contains("epoch 1: loss ") && outcome.stderr.contains(" on validation"),
        "{}",
        outcome.stderr
    );
    assert!(number(&object(&repo, "metrics.json"), "/epochs") < 5000.0);
}

#[test]
fn columns_may_be_chosen() {
    let env = Env::new();
    let repo = env.repo("repo");
    let with_street: String = houses(40, 3)
        .lines()
        .enumerate()
        .map(|(at, line)| if at == 0 { format!("street,{line}\n") } else { format!("Mill Lane,{line}\n") })
        .collect();
    repo.write("d.csv", with_street.as_bytes());
    refuses(&repo, &["d.csv"], 1, &["`d.csv`: line 2, column 1 (`street`)"]);
    train(&repo, &["d.csv", "--features", "area,rooms"]).ok();
    let params = object(&repo, "params.json");
    assert_eq!(
        (&params["train"]["features"], &params["train"]["target"]),
        (&json!(["area", "rooms"]), &json!("price"))
    );
    repo.model(&["predict", "model.safetensors", "d.csv"]).ok();
    refuses(&repo, &["d.csv", "--features", "area,garden"], 1, &["garden"]);
}

#[test]
fn files_appear_together() {
    let env = Env::new();
    let repo = repo(&env);
    std::fs::create_dir(repo.path("out")).expect("a folder");
    train(&repo, &["houses.csv", "-o", "out/model.safetensors", "--metrics", "out/metrics.json"]).ok();
    let mut names: Vec<_> = std::fs::read_dir(repo.path("out"))
        .expect("a folder")
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("a name"))
        .collect();
    names.sort();
    let mut expected = FILES;
    expected.sort_unstable();
    assert_eq!(names, expected);
}
