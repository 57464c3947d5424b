//! Content that git sends under a path without it being the file there.

use crate::support::{Env, in_both_modes, is_manifest, model, noise};

#[test]
fn of_a_file_and_of_standard_input() {
    in_both_modes(|env| {
        let repo = env.repo("repo").versions(1);
        let known = repo.git(&["rev-parse", "HEAD:m.safetensors"]).ok();
        repo.write("elsewhere.txt", &model(1));
        let of_file = repo.git(&["hash-object", "--path=m.safetensors", "elsewhere.txt"]).ok();
        assert_eq!(of_file.text(), known.text());
        let of_input = repo.git_reading(&model(1), &["hash-object", "--stdin", "--path=new.safetensors"]).ok();
        assert_eq!(of_input.text(), known.text());
        let raw = repo.git(&["hash-object", "--no-filters", "m.safetensors"]).ok();
        assert_ne!(raw.text(), known.text());
    });
}

#[test]
fn written_objects_can_be_checked_out() {
    in_both_modes(|env| {
        let repo = env.repo("repo").versions(1);
        let blob = repo.git_reading(&model(2), &["hash-object", "-w", "--stdin", "--path=m.safetensors"]).ok();
        assert!(is_manifest(&repo.git(&["cat-file", "blob", blob.text().trim()]).ok().stdout));
        let entry = format!("100644,{},new.safetensors", blob.text().trim());
        repo.git(&["update-index", "--add", "--cacheinfo", &entry]).ok();
        repo.git(&["checkout", "-q", "--", "new.safetensors"]).ok();
        repo.assert_holds("new.safetensors", &model(2));
        repo.assert_holds("m.safetensors", &model(1));
    });
}

#[test]
fn a_large_file_beside_other_content_under_its_name() {
    let env = Env::new();
    let repo = env.repo("repo");
    let bytes = noise(3 << 20, 1);
    repo.write("m.bin", &bytes);
    repo.commit("file");
    // Same length and a single other byte: whatever is remembered of the file must not answer for it.
    for at in [0, 4096, 1_000_001, bytes.len() / 2, bytes.len() - 1] {
        let mut other = bytes.clone();
        other[at] ^= 1;
        let hash = repo.git_reading(&other, &["hash-object", "-w", "--stdin", "--path=m.bin"]).ok();
        let manifest = repo.git(&["cat-file", "--filters", "--path=m.bin", hash.text().trim()]).ok().stdout;
        assert!(manifest == other, "changed at {at}");
    }
    for len in [0, 1, bytes.len() - 1] {
        let hash = repo.git_reading(&bytes[..len], &["hash-object", "-w", "--stdin", "--path=m.bin"]).ok();
        let back = repo.git(&["cat-file", "--filters", "--path=m.bin", hash.text().trim()]).ok().stdout;
        assert!(back == bytes[..len], "cut to {len}");
    }
    let longer = [&bytes[..], b"more"].concat();
    let hash = repo.git_reading(&longer, &["hash-object", "-w", "--stdin", "--path=m.bin"]).ok();
    assert!(repo.git(&["cat-file", "--filters", "--path=m.bin", hash.text().trim()]).ok().stdout == longer);
    repo.assert_holds("m.bin", &bytes);
    repo.assert_clean();
}

#[test]
fn a_large_file_changed_within_the_same_second() {
    let env = Env::new();
    let repo = env.repo("repo");
    let mut bytes = noise(3 << 20, 1);
    for at in [5, 2_000_001, 3_500_003] {
        repo.write("m.bin", &bytes);
        repo.git(&["add", "-A"]).ok();
        repo.git(&["status"]).ok();
        bytes[at] ^= 1;
        repo.write("m.bin", &bytes);
        repo.git(&["add", "-A"]).ok();
        let back = repo.git(&["cat-file", "--filters", ":m.bin"]).ok().stdout;
        assert!(back == bytes, "changed at {at}");
    }
}
