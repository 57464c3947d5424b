//! `git model predict`.

use serde_json::Value;

use crate::support::{Env, Tensor, safetensors};
use crate::train::{houses, number, object, points, repo, train};

#[test]
fn predictions_as_csv_and_npy() {
    let env = Env::new();
    let repo = repo(&env);
    train(&repo, &["houses.csv", "--epochs", "5"]).ok();
    let csv = repo.model(&["predict", "model.safetensors", "houses.csv"]).ok();
    repo.model(&["predict", "model.safetensors", "houses.csv", "-o", "p.csv"]).ok();
    assert_eq!(repo.read("p.csv"), csv.stdout);
    let outcome = repo.model(&["predict", "model.safetensors", "houses.csv", "-o", "p.npy"]).ok();
    assert!(outcome.stderr.contains("wrote `p.npy` (80 rows)"), "{}", outcome.stderr);
    let npy = repo.read("p.npy");
    assert_eq!(npy.len(), 128 + 8 * 80);
    let numbers = npy[128..].chunks(8).map(|bytes| f64::from_le_bytes(bytes.try_into().expect("8 bytes")));
    assert!(csv.text().lines().skip(1).map(|line| line.parse::<f64>().expect("a number")).eq(numbers));

    let again = repo.model(&["predict", "model.safetensors", "houses.csv", "-o", "p.npy"]).fails_with(1);
    assert!(again.stderr.contains("`p.npy` is there already"), "{}", again.stderr);
    repo.model(&["predict", "model.safetensors", "houses.csv", "-o", "p.npy", "--force"]).ok();
    let other = repo.model(&["predict", "model.safetensors", "houses.csv", "-o", "p.txt"]).fails_with(2);
    assert!(other.stderr.contains("`p.txt` is neither .csv nor .npy"), "{}", other.stderr);
}

#[test]
fn what_cannot_be_predicted() {
    let env = Env::new();
    let repo = repo(&env);
    train(&repo, &["houses.csv", "--epochs", "5"]).ok();
    let predict = |data: &str, text: &str| {
        repo.write(data, text.as_bytes());
        repo.model(&["predict", "model.safetensors", data])
    };
    let outcome = predict("d.csv", "name,age,rooms,area\nhut,1,2,30\nhall,nan,9,300\n").ok();
    assert!(outcome.text().ends_with("\nNaN\n"), "{}", outcome.text());
    assert!(outcome.stderr.contains("warning: the prediction is NaN or infinite in 1 row"), "{}", outcome.stderr);
    // Without names, the columns in their order.
    let named = predict("d.csv", "rooms,area,age\n2,30,1\n").ok();
    assert_eq!(predict("d.csv", "2,30,1\n").ok().stdout, named.stdout);
    let outcome = predict("d.csv", "rooms,age\n2,30\n").fails_with(1);
    assert!(outcome.stderr.contains("area"), "{}", outcome.stderr);
    let outcome = predict("d.csv", "2,30\n").fails_with(1);
    assert!(
        outcome.stderr.contains("`d.csv` has 2 columns, and the model looks at 3: `rooms`, `area`, `age`"),
        "{}",
        outcome.stderr
    );
    let other = safetensors(&[Tensor { name: "linear.weight", dtype: "F32", shape: &[1, 3], bytes: &[0; 12] }]);
    repo.write("other.safetensors", &other);
    let outcome = repo.model(&["predict", "other.safetensors", "houses.csv"]).fails_with(1);
    assert!(
        outcome.stderr.contains("`other.safetensors` cannot predict: its metadata have no usable `model`"),
        "{}",
        outcome.stderr
    );
    let outcome = repo.model(&["predict", "gone.safetensors", "houses.csv"]).fails_with(1);
    assert!(outcome.stderr.contains("gone.safetensors"), "{}", outcome.stderr);
}

#[test]
fn metrics_are_those_that_eval_computes_and_say_which_weights_they_are_of() {
    let env = Env::new();
    let repo = env.repo("repo");
    repo.write("houses.csv", houses(80, 1).as_bytes());
    repo.write("two.csv", points(200, 2).as_bytes());
    repo.write("three.csv", points(200, 3).as_bytes());
    let cases = [
        ("houses.csv", "linear", "price", &["mse", "rmse", "mae", "r2"][..]),
        ("two.csv", "logistic", "class", &["accuracy", "f1"]),
        ("three.csv", "softmax", "class", &["accuracy", "f1_macro"]),
    ];
    for (data, model, target, names) in cases {
        train(&repo, &[data, "--model", model, "--validation", "0", "--epochs", "9", "--hidden", "3"]).ok();
        let digest = |metrics: &Value| metrics["git-model"]["weights"]["model.safetensors"].clone();
        let trained = object(&repo, "metrics.json");
        repo.model(&["predict", "model.safetensors", data, "-o", "p.csv", "--force"]).ok();
        let again = ["-o", "again.json", "--model", "model.safetensors"];
        repo.model(&[&["eval", "p.csv", data, "--target-column", target][..], &again].concat()).ok();
        let evaluated = object(&repo, "again.json");
        for name in names {
            let (one, other) = (number(&trained, &format!("/train/{name}")), number(&evaluated, &format!("/{name}")));
            assert!((one - other).abs() <= 1e-9 * one.abs(), "{data} {name}: {one} {other}");
        }
        assert!(digest(&trained).as_str().is_some_and(|digest| digest.starts_with("sha256:")), "{trained}");
        assert_eq!(digest(&trained), digest(&evaluated));
    }
}
