//! What git asks of the filter, in a repository as a user has it.

use crate::support::{Env, Tensor, noise, safetensors};

fn model(seed: u64) -> Vec<u8> {
    let (a, b) = (noise(30_000, seed), noise(500, 7));
    safetensors(&[
        Tensor { name: "layer.weight", dtype: "BF16", shape: &[300, 100], bytes: &a },
        Tensor { name: "layer.bias", dtype: "BF16", shape: &[500], bytes: &b },
    ])
}

#[test]
fn add_stores_a_manifest_and_checkout_brings_the_bytes_back() {
    let env = Env::new();
    let repo = env.repo("repo");
    let (first, second) = (model(1), model(2));
    repo.write("m.safetensors", &first);
    repo.commit("first");
    repo.write("m.safetensors", &second);
    repo.commit("second");

    let manifest = String::from_utf8(repo.blob("HEAD", "m.safetensors")).expect("text");
    assert!(manifest.starts_with("{\"git-model\":1,\"format\":\"safetensors\""), "{manifest}");
    assert_eq!(manifest.lines().filter(|line| line.contains("\"name\"")).count(), 2);
    let diff = repo.git(&["diff", "--stat", "HEAD~", "HEAD"]).ok();
    assert!(diff.text().contains("1 insertion(+), 1 deletion(-)"), "{}", diff.text());

    repo.git(&["checkout", "-q", "HEAD~"]).ok();
    assert!(repo.read("m.safetensors") == first);
    repo.git(&["checkout", "-q", "main"]).ok();
    assert!(repo.read("m.safetensors") == second);
    repo.assert_clean();
}

#[test]
fn sizes_around_every_limit_come_back() {
    let env = Env::new();
    let repo = env.repo("repo");
    let sizes = [
        0,
        1,
        65_515,
        65_516,
        65_517,
        65_535,
        65_536,
        65_537,
        1 << 20,
        (1 << 20) + 1,
        (4 << 20) - 1,
        4 << 20,
        (4 << 20) + 1,
    ];
    for size in sizes {
        repo.write(&format!("{size}.bin"), &noise(size / 2 + 1, size as u64)[..size]);
    }
    repo.commit("all sizes");
    for size in sizes {
        std::fs::remove_file(repo.path(&format!("{size}.bin"))).expect("removed");
    }
    repo.git(&["checkout", "-q", "."]).ok();
    for size in sizes {
        assert!(repo.read(&format!("{size}.bin")) == noise(size / 2 + 1, size as u64)[..size], "{size}");
    }
    repo.assert_clean();
}
