//! `git model track` and `untrack`: lines of `.gitattributes` that git agrees with.

use crate::support::{Env, Repo, Tensor, noise, safetensors};

/// A repository without attributes.
fn plain<'e>(env: &'e Env, name: &str) -> Repo<'e> {
    let repo = env.repo(name);
    std::fs::remove_file(repo.path(".gitattributes")).expect("removed");
    repo
}

/// The attributes, but for those of parameter files.
fn attributes(repo: &Repo<'_>) -> String {
    let text = String::from_utf8(repo.read(".gitattributes")).expect("text");
    text.split_inclusive('\n').filter(|line| !line.contains(" merge=model-params")).collect()
}

fn is_filtered(repo: &Repo<'_>, path: &str) -> bool {
    repo.git(&["check-attr", "filter", "--", path]).ok().text().ends_with(": filter: model\n")
}

fn weights(elements: usize, seed: u64) -> Vec<u8> {
    safetensors(&[Tensor { name: "w", dtype: "BF16", shape: &[elements], bytes: &noise(elements, seed) }])
}

#[test]
fn a_pattern_is_added_once_and_taken_away() {
    let env = Env::new();
    let repo = plain(&env, "repo");
    let others = "# ours\r\n*.png binary\r\n*.txt text";
    repo.write(".gitattributes", others.as_bytes());
    repo.model(&["track", "*.bin", "*.pt"]).ok();
    let expected =
        format!("{others}\r\n*.bin filter=model merge=model -text\r\n*.pt filter=model merge=model -text\r\n");
    assert_eq!(attributes(&repo), expected);
    let again = repo.model(&["track", "*.bin"]).ok();
    assert!(again.stderr.contains("already"), "{}", again.stderr);
    assert_eq!(attributes(&repo), expected);
    repo.model(&["untrack", "*.bin", "*.pt"]).ok();
    assert_eq!(attributes(&repo), format!("{others}\r\n"));
    let unknown = repo.model(&["untrack", "*.bin"]).ok();
    assert!(unknown.stderr.contains("not tracked"), "{}", unknown.stderr);
}

#[test]
fn parameter_files_are_merged_by_key_as_long_as_there_are_models() {
    let env = Env::new();
    let repo = plain(&env, "repo");
    repo.write(".gitattributes", b"metrics.* merge=union\n");
    repo.model(&["track", "*.bin"]).ok();
    repo.model(&["track", "*.pt"]).ok();
    let expected = "metrics.* merge=union\n*.bin filter=model merge=model -text\nparams.* merge=model-params\n\
                    *.index.json merge=model-params\n*.pt filter=model merge=model -text\n";
    assert_eq!(String::from_utf8(repo.read(".gitattributes")).expect("text"), expected);
    repo.model(&["untrack", "*.bin"]).ok();
    assert!(
        repo.read(".gitattributes")
            .ends_with(b"*.index.json merge=model-params\n*.pt filter=model merge=model -text\n")
    );
    repo.model(&["untrack", "*.pt"]).ok();
    assert_eq!(repo.read(".gitattributes"), b"metrics.* merge=union\n");
}

#[test]
fn nothing_is_left_of_a_file_that_held_our_lines_only() {
    let env = Env::new();
    let repo = plain(&env, "repo");
    repo.model(&["track", "*.bin"]).ok();
    repo.model(&["untrack", "*.bin"]).ok();
    assert!(!repo.path(".gitattributes").exists());
}

#[test]
fn a_committed_file_without_lines_stays_as_git_would_read_its_old_lines() {
    let env = Env::new();
    let repo = plain(&env, "repo");
    repo.model(&["track", "*.bin"]).ok();
    repo.write("m.bin", &weights(5000, 1));
    repo.commit("weights");
    let told = repo.model(&["untrack", "*.bin"]).ok();
    assert!(told.stderr.contains("not tracked any more"), "{}", told.stderr);
    assert_eq!(attributes(&repo), "");
    assert!(!is_filtered(&repo, "m.bin"));
    repo.git(&["add", "--renormalize", "."]).ok();
    repo.commit("whole");
    assert!(repo.blob("HEAD", "m.bin") == weights(5000, 1));
}

#[test]
fn files_of_git_itself_in_a_tracked_folder_stay_as_they_are() {
    let env = Env::new();
    let repo = plain(&env, "repo");
    repo.write("models/.gitattributes", b"*.txt text\n");
    repo.write("models/deep/.gitignore", b"*.tmp\n");
    repo.write("models/m.bin", &weights(5000, 1));
    repo.model(&["track", "models"]).ok();
    let once = attributes(&repo);
    repo.model(&["track", "models/"]).ok();
    assert_eq!(attributes(&repo), once);
    repo.commit("all");
    assert_eq!(repo.blob("HEAD", "models/.gitattributes"), b"*.txt text\n");
    assert_eq!(repo.blob("HEAD", "models/deep/.gitignore"), b"*.tmp\n");
    assert!(repo.blob("HEAD", "models/m.bin").starts_with(b"{\"git-model\""));
    for path in ["models/.gitattributes", "models/deep/.gitignore", "models/.gitmodules"] {
        let all = repo.git(&["check-attr", "-a", "--", path]).ok();
        assert_eq!(all.text(), "", "{path}");
    }

    // Lines of earlier versions lack the exclusion.
    let (before, _) = once.split_once('\n').expect("two lines");
    repo.write(".gitattributes", format!("{before}\n").as_bytes());
    repo.model(&["track", "models"]).ok();
    assert_eq!(attributes(&repo), once);
    repo.model(&["untrack", "models"]).ok();
    assert_eq!(attributes(&repo), "");
    // A folder whose name git would take for a pattern.
    repo.write("a[1]/m.bin", b"x");
    for _ in 0..2 {
        repo.model(&["track", "a[1]"]).ok();
        assert_eq!(attributes(&repo).lines().count(), 2, "{}", attributes(&repo));
        assert!(!is_filtered(&repo, "a[1]/.gitignore"));
        assert!(is_filtered(&repo, "a[1]/m.bin"));
    }
}

#[test]
fn weird_patterns_match_what_they_name() {
    let env = Env::new();
    let repo = plain(&env, "repo");
    let cases = [
        ("a b*.bin", "a b1.bin", "ab.bin"),
        ("\"quoted\".bin", "\"quoted\".bin", "quoted.bin"),
        ("#sharp", "#sharp", "sharp"),
        (" blank", " blank", "blank"),
        ("tab\there", "tab\there", "tabhere"),
        ("größe*.pt", "größe1.pt", "grosse1.pt"),
        ("[ab].pt", "a.pt", "c.pt"),
        ("\\!bang", "!bang", "bang"),
        ("./top.h5", "top.h5", "in/top.h5"),
        ("deep/**/x.gguf", "deep/1/2/x.gguf", "x.gguf"),
        ("models/", "models/a/b", "models"),
        ("back\\\\slash", "back\\slash", "backslash"),
    ];
    for (pattern, matched, other) in cases {
        assert!(!is_filtered(&repo, matched), "{pattern}");
        repo.model(&["track", "--", pattern]).ok();
        assert!(is_filtered(&repo, matched), "{pattern}: {}", attributes(&repo));
        assert!(!is_filtered(&repo, other), "{pattern}: {}", attributes(&repo));
        let before = attributes(&repo);
        repo.model(&["track", "--", pattern]).ok();
        assert_eq!(attributes(&repo), before, "{pattern}");
    }
    for (pattern, ..) in cases {
        repo.model(&["untrack", "--", pattern]).ok();
    }
    assert!(!repo.path(".gitattributes").exists());
}

#[test]
fn a_file_is_meant_by_its_own_name() {
    let env = Env::new();
    let repo = plain(&env, "repo");
    repo.write("model[1]*.bin", &noise(10, 1));
    repo.model(&["track", "model[1]*.bin"]).ok();
    assert!(is_filtered(&repo, "model[1]*.bin"));
    assert!(!is_filtered(&repo, "model1.bin"));
    assert!(!is_filtered(&repo, "model[1]2.bin"));
}

#[test]
fn patterns_that_cannot_work_are_refused() {
    let env = Env::new();
    let repo = plain(&env, "repo");
    for pattern in ["!x", "../x", "", "[attr]m", ".", "*", "**"] {
        let refused = repo.model(&["track", "--", pattern]).fails_with(2);
        assert!(refused.stderr.contains("hint: "), "{pattern}: {}", refused.stderr);
        assert!(!repo.path(".gitattributes").exists(), "{pattern}");
    }
    std::os::unix::fs::symlink("elsewhere", repo.path(".gitattributes")).expect("a link");
    let refused = repo.model(&["track", "*.bin"]).fails_with(1);
    assert!(refused.stderr.contains("symbolic link"), "{}", refused.stderr);
}

#[test]
fn macros_and_other_lines_are_honoured() {
    let env = Env::new();
    let repo = plain(&env, "repo");
    let text = b"[attr]weights filter=model merge=model -text\n*.pt weights\n*.onnx binary\n";
    repo.write(".gitattributes", text);
    let known = repo.model(&["track", "*.pt"]).ok();
    assert!(known.stderr.contains("already"), "{}", known.stderr);
    assert!(attributes(&repo).as_bytes() == text);
    // `binary` says that there is nothing to see in a diff; in a manifest there is.
    repo.model(&["track", "*.onnx"]).ok();
    assert!(attributes(&repo).ends_with("*.onnx filter=model merge=model -text !diff\n"));
    let still = repo.model(&["untrack", "*.pt"]).ok();
    assert!(still.stderr.contains("still tracked"), "{}", still.stderr);
    repo.write("sub/.gitattributes", b"*.onnx -filter\n");
    repo.write(".git/info/attributes", b"*.gguf -filter\n");
    let overruled = repo.model(&["track", "*.gguf"]).ok();
    assert!(overruled.stderr.contains("overrules"), "{}", overruled.stderr);
}

#[test]
fn the_attributes_of_the_current_folder_are_meant() {
    let env = Env::new();
    let repo = plain(&env, "repo");
    std::fs::create_dir(repo.path("sub")).expect("a folder");
    env.at("repo/sub").model(&["track", "*.bin"]).ok();
    assert!(is_filtered(&repo, "sub/x.bin"));
    assert!(!is_filtered(&repo, "x.bin"));
}

#[test]
fn manifests_keep_their_line_ends_and_differ_as_text() {
    let env = Env::new();
    let repo = plain(&env, "repo");
    for setting in [["core.autocrlf", "true"], ["core.eol", "crlf"]] {
        repo.git(&["config", setting[0], setting[1]]).ok();
    }
    repo.write(".gitattributes", b"* text=auto\n*.safetensors binary\n");
    repo.model(&["track", "*.safetensors"]).ok();
    let versions = [weights(5000, 1), weights(5000, 2)];
    for bytes in &versions {
        repo.write("m.safetensors", bytes);
        repo.commit("version");
    }
    assert!(!repo.blob("HEAD", "m.safetensors").contains(&b'\r'));
    repo.git(&["checkout", "-q", "HEAD~"]).ok();
    assert!(repo.read("m.safetensors") == versions[0]);
    repo.assert_clean();
    let diff = repo.git(&["diff", "HEAD", "main"]).ok();
    assert!(diff.text().contains("\n+{\"name\":\"w\",\"dtype\":\"BF16\""), "{}", diff.text());
    repo.write("m.safetensors", &versions[1]);
    let diff = repo.git(&["diff"]).ok();
    assert!(diff.text().contains("\n-{\"name\":\"w\",\"dtype\":\"BF16\""), "{}", diff.text());
}

#[test]
fn weight_files_are_found_by_their_content() {
    let env = Env::new();
    let repo = plain(&env, "repo");
    repo.write("a/model.safetensors", &weights(5000, 1));
    repo.write("a b.safetensors", &weights(4000, 2));
    repo.write("tiny.pt", &weights(3, 3));
    repo.write("mixed.dat", &weights(5000, 4));
    repo.write("other.dat", &[7; 5000]);
    repo.write("no ending", &weights(5000, 5));
    repo.write("ignored.gguf", &weights(5000, 6));
    repo.write("notes.txt", &[b'x'; 5000]);
    repo.write(".gitignore", b"*.gguf\n");
    let proposed = repo.model(&["track"]).ok();
    let rows: Vec<Vec<&str>> = proposed
        .text()
        .lines()
        .map(|line| line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect())
        .collect();
    assert_eq!(rows[0], ["'/no ending'", "1 file", "10.1 kB", "safetensors"]);
    assert_eq!(rows[1], ["/mixed.dat", "1 file", "10.1 kB", "safetensors"]);
    assert_eq!(rows[2], ["'*.safetensors'", "2 files", "18.1 kB", "safetensors"]);
    assert_eq!(rows.len(), 3, "{}", proposed.text());
    assert!(proposed.stderr.contains("git model track --yes"), "{}", proposed.stderr);
    assert!(!repo.path(".gitattributes").exists());
    repo.model(&["track", "--yes"]).ok();
    for (path, expected) in [("a/model.safetensors", true), ("no ending", true), ("other.dat", false)] {
        assert_eq!(is_filtered(&repo, path), expected, "{path}");
    }
    let nothing = repo.model(&["track"]).ok();
    assert_eq!(nothing.text(), "");
    assert!(nothing.stderr.contains("no weight files"), "{}", nothing.stderr);
}

#[test]
fn what_is_committed_raw_is_pointed_out_and_converted() {
    let env = Env::new();
    let repo = plain(&env, "repo");
    let bytes = weights(5000, 1);
    repo.write("dir/it's raw.bin", &bytes);
    repo.write("dir/empty.bin", b"");
    repo.commit("before tracking");
    let told = env.at("repo/dir").model(&["track", "*.bin"]).ok();
    let (_, command) = told.stderr.split_once("convert with: ").expect("a command");
    let mut shell = env.command("/bin/sh", &repo.path("dir"));
    shell.args(["-c", command]);
    env.run(shell).ok();
    // The attributes go into the same commit.
    let staged = repo.git(&["status", "--porcelain"]).ok();
    assert_eq!(staged.text(), "A  dir/.gitattributes\nM  \"dir/it's raw.bin\"\n");
    assert!(told.stderr.contains("one commit"), "{}", told.stderr);
    assert!(!told.stderr.contains("tracked; commit"), "{}", told.stderr);
    repo.git(&["commit", "-q", "-m", "converted"]).ok();
    assert!(repo.blob("HEAD", "dir/it's raw.bin").starts_with(b"{\"git-model\""));
    assert!(repo.read("dir/it's raw.bin") == bytes);
    let told = repo.model(&["track", "*.bin"]).ok();
    assert!(!told.stderr.contains("convert"), "{}", told.stderr);
}

#[test]
fn a_missing_installation_is_said() {
    let env = Env::bare();
    let repo = plain(&env, "repo");
    let told = repo.model(&["track", "*.bin"]).ok();
    assert!(told.stderr.contains("git model install"), "{}", told.stderr);
    let outside = env.at("home").model(&["track", "*.bin"]).fails_with(1);
    assert!(outside.stderr.contains("git init"), "{}", outside.stderr);
}
