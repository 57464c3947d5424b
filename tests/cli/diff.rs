//! `git model diff`.

use crate::support::{Env, Repo, Tensor, noise, random, safetensors};

fn f32s(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

/// Element type, shape and bytes.
type Parts<'a> = (&'a str, &'a [usize], Vec<u8>);

/// A model of two layers; `with` replaces tensors by name, or takes them away, or adds some.
fn weights(with: &[(&str, Option<Parts<'_>>)]) -> Vec<u8> {
    let mut tensors: Vec<(&str, &str, &[usize], Vec<u8>)> = vec![
        ("layers.0.w", "F32", &[2, 3], f32s(&[1.0, 2.0, 2.0, 0.0, 4.0, 0.0])),
        ("layers.0.b", "F32", &[2], f32s(&[1.0, -1.0])),
        ("layers.1.w", "F32", &[2, 3], f32s(&[3.0; 6])),
        ("embed.weight", "F32", &[2, 2], f32s(&[3.0, 0.0, 0.0, 4.0])),
        ("head.weight", "F32", &[4], f32s(&[1.0, 2.0, 3.0, 4.0])),
    ];
    for (name, tensor) in with {
        let place = tensors.iter().position(|(other, ..)| other == name);
        match (place, tensor) {
            (Some(at), Some((dtype, shape, bytes))) => tensors[at] = (name, dtype, shape, bytes.clone()),
            (Some(at), None) => drop(tensors.remove(at)),
            (None, Some((dtype, shape, bytes))) => tensors.push((name, dtype, shape, bytes.clone())),
            (None, None) => {}
        }
    }
    let tensors: Vec<Tensor<'_>> =
        tensors.iter().map(|(name, dtype, shape, bytes)| Tensor { name, dtype, shape, bytes }).collect();
    safetensors(&tensors)
}

/// One element of `layers.0.w` has moved by 3, and `layers.0.b` has turned around.
fn trained() -> Vec<u8> {
    weights(&[
        ("layers.0.w", Some(("F32", &[2, 3], f32s(&[1.0, 2.0, 2.0, 0.0, 4.0, 3.0])))),
        ("layers.0.b", Some(("F32", &[2], f32s(&[-1.0, 1.0])))),
    ])
}

fn repo(env: &Env) -> Repo<'_> {
    let repo = env.repo("repo");
    repo.write("m.safetensors", &weights(&[]));
    repo.commit("one");
    repo
}

#[track_caller]
fn diff(repo: &Repo<'_>, args: &[&str]) -> String {
    repo.model(&[&["diff"], args].concat()).ok().text().to_owned()
}

const TRAINED: &str = "\
m.safetensors: 2 of 5 tensors changed
~ layers.0.b  F32  [2]    ‖Δ‖/‖W‖ 2.0e0   cos -1       max|Δ| 2.0e0 @[0]    changed 100 %  nan 0→0
~ layers.0.w  F32  [2,3]  ‖Δ‖/‖W‖ 6.0e-1  cos .857492  max|Δ| 3.0e0 @[1,2]  changed 17 %   nan 0→0
";

#[test]
fn every_pair_of_versions() {
    let env = Env::new();
    let repo = repo(&env);
    repo.write("m.safetensors", &trained());
    assert_eq!(diff(&repo, &[]), TRAINED);
    assert_eq!(diff(&repo, &["--cached"]), "");
    repo.git(&["add", "-A"]).ok();
    assert_eq!(diff(&repo, &[]), "");
    assert_eq!(diff(&repo, &["--cached"]), TRAINED);
    assert_eq!(diff(&repo, &["--staged", "HEAD", "--", "m.safetensors"]), TRAINED);
    repo.git(&["commit", "-q", "-m", "two"]).ok();
    repo.git(&["tag", "v2"]).ok();
    for args in [
        &["HEAD~", "HEAD"][..],
        &["HEAD~..v2"],
        &["HEAD~...HEAD"],
        &["HEAD~.."],
        &["HEAD~"],
        &["HEAD~", "m.safetensors"],
        &["HEAD~", "v2", "--", "*.safetensors"],
    ] {
        assert_eq!(diff(&repo, args), TRAINED, "{args:?}");
    }
    assert_eq!(diff(&repo, &["HEAD~", "HEAD", "--", "other"]), "");
    assert_eq!(
        diff(&repo, &["HEAD~:m.safetensors", "HEAD:m.safetensors"]),
        TRAINED.replace("m.safetensors:", "the two files:")
    );
    // From a folder, with the work tree's file changed back.
    repo.write("m.safetensors", &weights(&[]));
    std::fs::create_dir(repo.path("sub")).expect("a folder");
    let out = env.at("repo/sub").model(&["diff", "--stat"]).ok();
    assert_eq!(out.text(), "m.safetensors: 2 of 5 tensors changed\n   layers.0  2 of 2\n");
    assert_eq!(env.at("repo/sub").model(&["diff", "--", "."]).ok().text(), "");
}

#[test]
fn every_kind_of_change() {
    let env = Env::new();
    let repo = repo(&env);
    let bf16 = |values: &[f32]| -> Vec<u8> {
        values.iter().flat_map(|value| ((value.to_bits() >> 16) as u16).to_le_bytes()).collect()
    };
    repo.write(
        "m.safetensors",
        &weights(&[
            ("layers.0.w", None),
            ("layers.2.w", Some(("F32", &[2, 3], f32s(&[1.0, 2.0, 2.0, 0.0, 4.0, 0.0])))),
            ("layers.0.b", None),
            ("layers.1.w", Some(("BF16", &[2, 3], bf16(&[3.0; 6])))),
            ("embed.weight", Some(("F32", &[3, 2], f32s(&[3.0, 0.0, 0.0, 5.0, 1.0, 1.0])))),
            ("head.weight", Some(("F32", &[2, 2], f32s(&[1.0, 2.0, 3.0, 4.0])))),
            ("new.weight", Some(("F32", &[1], f32s(&[7.0])))),
        ]),
    );
    repo.commit("two");
    let expected = "\
m.safetensors: 3 of 3 tensors changed, 1 added, 1 removed, 1 renamed
~ embed.weight             F32         [2,2] → [3,2]  ‖Δ‖/‖W‖ 2.0e-1  cos .994691  max|Δ| 1.0e0 @[1,1]  changed 25 %  nan 0→0  1 row appended
~ layers.1.w               F32 → BF16  [2,3]          ‖Δ‖/‖W‖ 0       cos 1        max|Δ| 0             changed 0 %   nan 0→0  cast
~ head.weight              F32         [4] → [2,2]    shape, the same bytes
R layers.0.w → layers.2.w  F32         [2,3]
+ new.weight               F32         [1]            4 B
− layers.0.b               F32         [2]            8 B
";
    assert_eq!(diff(&repo, &["HEAD~"]), expected);
    let names = diff(&repo, &["--name-only", "HEAD~"]);
    let names: Vec<&str> = names.lines().collect();
    assert_eq!(names.len(), 6);
    assert_eq!(names[0], "m.safetensors\tlayers.1.w");
}

#[test]
fn what_is_no_number() {
    let env = Env::new();
    let repo = repo(&env);
    let nan = |payload: u32| f32::from_bits(0x7fc0_0000 | payload);
    repo.write("m.safetensors", &weights(&[("head.weight", Some(("F32", &[4], f32s(&[nan(1), 0.0, 3.0, 4.0]))))]));
    repo.commit("two");
    repo.write(
        "m.safetensors",
        &weights(&[("head.weight", Some(("F32", &[4], f32s(&[nan(2), -0.0, f32::INFINITY, 4.0]))))]),
    );
    let text = diff(&repo, &[]);
    assert!(text.contains("nan 1→1  inf 0→1  ±0 1  nan payload 1"), "{text}");
    assert!(text.contains("changed 25 %"), "{text}");
}

#[test]
fn json_has_every_number() {
    let env = Env::new();
    let repo = repo(&env);
    repo.write("m.safetensors", &trained());
    repo.commit("two");
    let json: serde_json::Value = serde_json::from_str(&diff(&repo, &["--json", "HEAD~", "HEAD"])).expect("JSON");
    // Two tensors of both versions, 24 and 8 bytes each, and nothing else was read.
    assert_eq!(json["read"], serde_json::json!({ "tensors": 2, "bytes": 64 }));
    let file = &json["files"][0];
    assert_eq!((&file["path"], &file["changed"], &file["unchanged"]), (&"m.safetensors".into(), &2.into(), &3.into()));
    let tensor = &file["tensors"][0];
    assert_eq!((&tensor["name"], &tensor["change"]), (&"layers.0.w".into(), &"values".into()));
    assert_eq!(tensor["old"]["shape"], serde_json::json!([2, 3]));
    let numbers = &tensor["numbers"];
    assert_eq!((&numbers["relative"], &numbers["max_abs"]), (&0.6.into(), &3.0.into()));
    assert_eq!((&numbers["max_at"], &numbers["changed"]), (&serde_json::json!([1, 2]), &1.into()));
    assert_eq!(json["files"][0]["modules"][0]["name"], "layers.0");
}

#[test]
fn files_that_come_go_and_turn_into_something_else() {
    let env = Env::new();
    let repo = repo(&env);
    repo.write("other.safetensors", &trained());
    repo.write("raw.safetensors", b"no model");
    repo.commit("more");
    assert_eq!(
        diff(&repo, &["--stat", "HEAD~", "HEAD"]).lines().next(),
        Some("other.safetensors: new, safetensors of 5 tensors, 432 B")
    );
    repo.git(&["mv", "m.safetensors", "moved.safetensors"]).ok();
    repo.remove("other.safetensors");
    assert_eq!(
        diff(&repo, &["--stat"]).lines().next(),
        Some("other.safetensors: deleted, was safetensors of 5 tensors, 432 B")
    );
    repo.git(&["rm", "-q", "other.safetensors"]).ok();
    repo.commit("moved");
    let stat = diff(&repo, &["--stat", "HEAD~", "HEAD"]);
    assert!(stat.contains("m.safetensors → moved.safetensors: the same content\n"), "{stat}");
    // The attributes no longer name it: git gets the bytes as they are.
    repo.write(".gitattributes", b"");
    repo.write("moved.safetensors", b"only text now");
    repo.write("raw.safetensors", b"still no model");
    repo.commit("text");
    assert_eq!(
        diff(&repo, &["HEAD~", "HEAD"]),
        "moved.safetensors: no model any more: safetensors of 5 tensors, 432 B → a plain file, 13 B\n\
         raw.safetensors: no model any more: opaque, 8 B → a plain file, 14 B\n"
    );
    let back = diff(&repo, &["HEAD", "HEAD~", "--", "moved.safetensors"]);
    assert_eq!(back, "moved.safetensors: a model now: a plain file, 13 B → safetensors of 5 tensors, 432 B\n");
}

#[test]
fn exit_codes_as_gits() {
    let env = Env::new();
    let repo = repo(&env);
    repo.model(&["diff", "--exit-code"]).ok();
    repo.write("m.safetensors", &trained());
    repo.model(&["diff"]).ok();
    let outcome = repo.model(&["diff", "--exit-code", "--stat"]).fails_with(1);
    assert_eq!(outcome.stderr, "");
    let outcome = repo.model(&["diff", "--exit-code", "nonsense"]).fails_with(128);
    assert!(outcome.stderr.starts_with("error: no such revision or file: `nonsense`\nhint: "), "{}", outcome.stderr);
    repo.model(&["diff", "nonsense"]).fails_with(1);
    repo.model(&["diff", "HEAD", "HEAD", "HEAD"]).fails_with(1);
    // A file that a revision does not have is no pattern.
    for word in ["HEAD:typo.safetensors", "nonsense:m.safetensors", ":typo.safetensors"] {
        repo.model(&["diff", "--exit-code", word, word]).fails_with(128);
    }
    repo.model(&["diff", "--exit-code", ":(glob)*.safetensors"]).fails_with(1);
}

/// What a checkout would fetch, whoever looks into it gets too.
#[test]
fn a_clone_without_a_work_tree_has_the_weights() {
    let env = Env::new();
    let repo = repo(&env);
    repo.write("m.safetensors", &trained());
    repo.commit("two");
    let looks: [&[&str]; 3] =
        [&["diff", "HEAD~", "HEAD"], &["verify"], &["cat", "HEAD:m.safetensors", "embed.weight", "--raw"]];
    for (at, look) in looks.iter().enumerate() {
        let name = format!("clone{at}");
        env.git(&["clone", "-q", "--no-checkout", "repo", &name]);
        env.at(&name).model(look).ok();
    }
}

#[test]
fn missing_objects_are_named_and_the_rest_is_shown() {
    let env = Env::new();
    let repo = repo(&env);
    let before: Vec<_> = std::fs::read_dir(repo.path(".git/model/packs")).expect("packs").collect();
    repo.write("m.safetensors", &trained());
    repo.commit("two");
    for pack in before {
        std::fs::remove_file(pack.expect("a pack").path()).expect("removed");
    }
    let outcome = repo.model(&["diff", "HEAD~", "HEAD"]).fails_with(1);
    assert!(outcome.text().starts_with("m.safetensors: 2 of 5 tensors changed\n"), "{}", outcome.text());
    assert_eq!(outcome.text().matches("is not in the store").count(), 2, "{}", outcome.text());
    assert!(outcome.stderr.contains("hint: fetch the missing objects"), "{}", outcome.stderr);
    repo.model(&["diff", "--stat", "HEAD~", "HEAD"]).ok();
}

#[test]
fn only_metadata() {
    let env = Env::new();
    let repo = repo(&env);
    let spaced = weights(&[]);
    let at = spaced.iter().position(|&byte| byte == b'}').expect("JSON");
    let mut spaced = spaced;
    // A comma's worth of blank where the header had its padding keeps the length.
    let len = u64::from_le_bytes(spaced[..8].try_into().expect("8 bytes")) + 8;
    spaced[..8].copy_from_slice(&len.to_le_bytes());
    spaced.splice(at + 1..at + 1, *b"        ");
    repo.write("m.safetensors", &spaced);
    assert_eq!(diff(&repo, &[]), "m.safetensors: metadata changed\n");
}

#[test]
fn narrow_terminals_and_colours() {
    let env = Env::new();
    let repo = repo(&env);
    repo.write("m.safetensors", &trained());
    let mut command = repo.model_command(&["diff", "--color=always"]);
    command.env("GIT_PAGER_IN_USE", "1").env("COLUMNS", "60");
    let text = env.run(command).ok().text().to_owned();
    assert!(text.contains("\x1b[1mm.safetensors\x1b[m"), "{text:?}");
    assert!(text.contains("\x1b[33m~ layers.0.w\x1b[m\n    F32  [2,3]"), "{text:?}");
    let plain = console::strip_ansi_codes(&text);
    assert!(plain.lines().all(|line| console::measure_text_width(line) <= 60), "{plain}");
    let mut command = repo.model_command(&["diff"]);
    command.env("GIT_PAGER_IN_USE", "1").env("COLUMNS", "200").env("NO_COLOR", "1");
    assert_eq!(env.run(command).ok().text(), TRAINED);
}

#[test]
fn a_tensor_of_several_blocks() {
    let env = Env::new();
    let repo = env.repo("repo");
    let shape = [1200, 1000];
    let big = |bytes: Vec<u8>| safetensors(&[Tensor { name: "w", dtype: "BF16", shape: &shape, bytes: &bytes }]);
    let mut bytes = noise(1_200_000, 1);
    repo.write("m.safetensors", &big(bytes.clone()));
    repo.commit("one");
    // In the last block, a value far from all others.
    let at = 2 * (1199 * 1000 + 7);
    bytes[at..at + 2].copy_from_slice(&0x4100_u16.to_le_bytes());
    repo.write("m.safetensors", &big(bytes));
    repo.commit("two");
    let json: serde_json::Value = serde_json::from_str(&diff(&repo, &["--json", "HEAD~"])).expect("JSON");
    let numbers = &json["files"][0]["tensors"][0]["numbers"];
    assert_eq!((&numbers["changed"], &numbers["max_at"]), (&1.into(), &serde_json::json!([1199, 7])));
    // Blocks that both versions share are read once: 2.4 MB, and the last block of 302,848 bytes again.
    assert_eq!(json["read"]["bytes"], 2_400_000 + 2_400_000 - 2 * (1 << 20));
}

#[test]
fn an_adapter_shows_its_rank() {
    const DIM: usize = 1024;
    const RANK: usize = 16;
    let env = Env::new();
    let repo = env.repo("repo");
    let mut words = random(5);
    // Sums of four uniform numbers: near enough to gaussian ones, with a standard deviation of 1.
    let mut gauss = move |count: usize| -> Vec<f32> {
        let sum = |word: u64| (0..4).map(|part| (word >> (16 * part) & 0xffff) as f32 / 65536.0 - 0.5).sum::<f32>();
        words.by_ref().take(count).map(|word| sum(word) * 3.0_f32.sqrt()).collect()
    };
    let bf16 = |values: &[f32]| -> Vec<u8> {
        let round = |bits: u32| (bits.wrapping_add(0x7fff + (bits >> 16 & 1)) >> 16) as u16;
        values.iter().flat_map(|value| round(value.to_bits()).to_le_bytes()).collect()
    };
    let weights: Vec<f32> = gauss(DIM * DIM).iter().map(|value| value * 0.02).collect();
    let (a, b, noise) = (gauss(DIM * RANK), gauss(RANK * DIM), gauss(DIM * DIM));
    // Both updates have about a hundredth of the weights' norm.
    let mut adapted = weights.clone();
    for (row, line) in adapted.chunks_mut(DIM).enumerate() {
        for (rank, factor) in a[row * RANK..][..RANK].iter().enumerate() {
            line.iter_mut().zip(&b[rank * DIM..][..DIM]).for_each(|(value, b)| *value += 5e-5 * factor * b);
        }
    }
    let tuned: Vec<f32> = weights.iter().zip(&noise).map(|(value, noise)| value + 2e-4 * noise).collect();
    let file = |lora: &[f32], full: &[f32]| {
        let (lora, full) = (bf16(lora), bf16(full));
        let tensor = |name, bytes| Tensor { name, dtype: "BF16", shape: &[DIM, DIM], bytes };
        safetensors(&[tensor("adapted", &lora), tensor("tuned", &full)])
    };
    repo.write("m.safetensors", &file(&weights, &weights));
    repo.commit("base");
    repo.write("m.safetensors", &file(&adapted, &tuned));
    repo.commit("trained");
    let text = diff(&repo, &["HEAD~", "HEAD"]);
    let line =
        |name: &str| text.lines().find(|line| line.starts_with(&format!("~ {name}"))).expect("a line").to_owned();
    assert!(line("adapted").contains("  rank≈16 (LoRA-like)  "), "{text}");
    assert!(line("tuned").contains("  full rank "), "{text}");
}
