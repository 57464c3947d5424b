//! `git model merge`: whole models into one.

use crate::support::{Env, Repo, Tensor, safetensors};

const FILE: &str = "m.safetensors";

/// A model of f32 weights that are all `value`, and a counter.
fn uniform(value: f32, counter: u8) -> Vec<u8> {
    let weights: Vec<u8> = (0..12).flat_map(|_| value.to_le_bytes()).collect();
    let counter = u64::from(counter).to_le_bytes();
    safetensors(&[
        Tensor { name: "layer.weight", dtype: "F32", shape: &[3, 4], bytes: &weights },
        Tensor { name: "steps", dtype: "I64", shape: &[1], bytes: &counter },
    ])
}

/// `base` (1), and branches `a` (2) and `b` (4), with `a` checked out.
fn three(env: &Env) -> Repo<'_> {
    let repo = env.repo("repo");
    for (branch, value) in [("base", 1.0), ("b", 4.0), ("a", 2.0)] {
        let start = if branch == "base" { "HEAD" } else { "base" };
        if branch == "base" {
            repo.git(&["checkout", "-q", "-b", "base"]).ok();
        } else {
            repo.git(&["checkout", "-q", "-b", branch, start]).ok();
        }
        repo.write(FILE, &uniform(value, 1));
        repo.commit(branch);
    }
    repo
}

#[test]
fn revisions_and_files() {
    let env = Env::new();
    let repo = three(&env);
    repo.write("other.safetensors", &uniform(9.0, 1));
    repo.model(&["merge", "a", "b:m.safetensors", "other.safetensors", "--method", "linear", "-o", "soup.safetensors"])
        .ok();
    repo.assert_holds("soup.safetensors", &uniform(5.0, 1));
    repo.model(&["merge", "a", "b", "--base", "base", "--method", "task_arithmetic", "-o", "sum.safetensors"]).ok();
    repo.assert_holds("sum.safetensors", &uniform(5.0, 1));
    let weighted = "linear weight=3,1";
    repo.model(&["merge", "a", "b", "--method", weighted, "-o", "soup.safetensors", "--force"]).ok();
    repo.assert_holds("soup.safetensors", &uniform(2.5, 1));
}

#[test]
fn without_an_output_the_file_of_the_first_is_written() {
    let env = Env::new();
    let repo = three(&env);
    let dry = repo.model(&["merge", "a", "b", "--method", "linear", "--dry-run"]).ok();
    assert!(dry.stderr.contains("2 models by linear: 1 tensor computed, 1 as in the first"), "{}", dry.stderr);
    repo.assert_holds(FILE, &uniform(2.0, 1));
    repo.model(&["merge", "a", "b", "--method", "linear"]).ok();
    repo.assert_holds(FILE, &uniform(3.0, 1));
    let again = repo.model(&["merge", "a", "b", "--method", "linear"]).fails_with(1);
    assert!(again.stderr.contains("`m.safetensors` has changes that git does not have"), "{}", again.stderr);
}

#[test]
fn what_cannot_be_merged() {
    let env = Env::new();
    let repo = three(&env);
    repo.write("other.safetensors", &safetensors(&[Tensor { name: "w", dtype: "F32", shape: &[1], bytes: &[0; 4] }]));
    let cases: [(&[&str], i32, &str); 6] = [
        (&["a", "other.safetensors", "--method", "linear", "-o", "x"], 1, "not alike"),
        (&["a", "b", "--method", "ties", "-o", "x"], 1, "--base MODEL"),
        (&["a", "b", "--method", "tees", "-o", "x"], 2, "methods are: linear"),
        (&["a", "b", "--method", "linear density=1", "-o", "x"], 2, "no parameter `density`"),
        (&["a", "nothing", "--method", "linear", "-o", "x"], 1, "nothing"),
        (&["a", "b", "--method", "linear weight=1,-1", "-o", "x"], 1, "add up to zero"),
    ];
    for (args, code, expected) in cases {
        let merge = repo.model(&[&["merge"], args].concat()).fails_with(code);
        assert!(merge.stderr.contains(expected), "{args:?}: {}", merge.stderr);
        assert!(!repo.path("x").exists());
    }
}
