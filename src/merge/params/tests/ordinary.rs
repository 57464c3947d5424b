//! Files as they lie in repositories: what each side edits comes together, and nothing else changes.

use super::{Syntax, merged};

type Edits<'a> = &'a [(&'a str, &'a str)];

fn edit(text: &str, edits: Edits) -> String {
    edits.iter().fold(text.to_owned(), |text, (from, to)| {
        assert_eq!(text.matches(from).count(), 1, "{from}");
        text.replacen(from, to, 1)
    })
}

/// Merges two sets of edits of `base`, both ways round.
fn check(syntax: Syntax, base: &str, ours: Edits, theirs: Edits) {
    let (one, two, both) = (edit(base, ours), edit(base, theirs), edit(&edit(base, ours), theirs));
    for (ours, theirs) in [(&one, &two), (&two, &one)] {
        let merged = merged(syntax, base, ours, theirs).expect("can be edited safely");
        assert_eq!(String::from_utf8_lossy(&merged.text), both);
        assert_eq!(merged.conflicts, [""; 0]);
    }
}

#[test]
fn hyper_parameters_in_yaml() {
    check(
        Syntax::Yaml,
        "# fine-tuning, see the lab book\n\nseed: 42            # fixed\nout: ./runs/%d\n\nmodel:\n  name: bert-base\n  # of each layer\n  hidden_size: 768\n  dropout: 0.1\n\noptimizer:\n  type: adamw\n  lr: 3e-4  # peak\n  betas: [0.9, 0.999]\n\n  # goes up first\n  schedule:\n    kind: cosine\n    warmup: 500\n\ntrain:\n  batch_size: 32\n  callbacks:\n    - early_stopping\n    - checkpoint:\n        every: 100\n        keep: 3\n  fp16: yes\n\nmetrics:\n- accuracy\n- f1\n\nnotes: |\n  first\n    # no comment\n\n  last\nabout: >-\n  folded\n  text\ntags: {a: 1, b: \"x, y\"}\nresume:\neval:\n  steps: 100\n",
        &[
            ("lr: 3e-4  # peak", "lr: 1.0e-4  # lower"),
            ("dropout: 0.1\n", "dropout: 0.2\n  heads: 12\n"),
            ("- f1\n", "- f1\n- recall\n"),
            ("  last\n", "  the last\n"),
            ("a: 1,", "a: 2,"),
            ("out: ./runs/%d\n", ""),
        ],
        &[
            ("  # goes up first\n", "  # against spikes\n  clip: 1.0\n\n  # goes up first\n"),
            ("batch_size: 32", "batch_size: 64"),
            ("keep: 3\n", "keep: 4\n"),
            ("resume:\n", "resume: last.ckpt\n"),
            ("  steps: 100\n", "  steps: 200\n\nlogging:\n  level: info\n"),
            ("  text\n", "  long text\n"),
        ],
    );
}

#[test]
fn a_project_in_toml() {
    check(
        Syntax::Toml,
        "# project\n[build-system]\nrequires = [\"setuptools>=61\"]\n\n[project]\nname = \"trainer\"\nversion = \"0.1.0\"\ndependencies = [\n    \"torch>=2.0\",\n    \"transformers\",  # hub\n]\nauthors = [{ name = \"A\", email = \"a@example.org\" }]\n\n[project.optional-dependencies]\ndev = [\"pytest\"]\n\n# entry points\n[project.scripts]\ntrain = \"trainer:main\"\n\n[tool.ruff]\nline-length = 100\n\n[tool.ruff.lint]\nselect = [\"E\"]  # basics\n\n[tool.train]\nlr = 1e-3\n\"batch.size\" = 8\noptimizer.name = \"adam\"\noptimizer.eps = 1e-8\n\n[[tool.stage]]\nname = \"a\"\n\n[[tool.stage]]\nname = \"b\"\n",
        &[
            ("\"0.1.0\"", "\"0.2.0\""),
            ("lr = 1e-3", "lr = 5e-4"),
            ("length = 100\n", "length = 120\ntarget = \"py311\"\n"),
            ("[tool.ruff.lint]\nselect = [\"E\"]  # basics\n\n", ""),
        ],
        &[
            ("    \"transformers\",  # hub\n", "    \"transformers\",  # hub\n    \"datasets\",\n"),
            ("eps = 1e-8\n", "eps = 1e-6\noptimizer.amsgrad = true\n"),
            ("# entry", "[project.urls]\nHome = \"https://example.org\"\n\n# entry"),
            ("name = \"b\"\n", "name = \"b\"\n\n[[tool.stage]]\nname = \"c\"\n\n[tool.mypy]\nstrict = true\n"),
        ],
    );
}

#[test]
fn tools_around_the_build_system_in_toml() {
    check(
        Syntax::Toml,
        "[tool.poetry]\nname = \"x\"\n\n[tool.poetry.dependencies]\ntorch = \"^2\"\n\n[build-system]\nrequires = []\n\n[tool.black]\nline = 80\n",
        &[("line = 80", "line = 100"), ("\"^2\"\n", "\"^2\"\nnumpy = \"*\"\n")],
        &[("\"x\"", "\"y\""), ("[tool.black]", "[tool.ruff]\nlint = true\n\n[tool.black]")],
    );
}

#[test]
fn metrics_in_json() {
    check(
        Syntax::Json,
        "{\n    \"train\": {\n        \"loss\": 0.1234,\n        \"classes\": {\"a\": 1.0, \"b\": 0.5}\n    },\n    \"eval\": {\n        \"loss\": 0.2\n    },\n    \"confusion\": [\n        [1, 2],\n        [3, 4]\n    ],\n    \"epoch\": 3\n}",
        &[("0.1234", "1e-05"), ("3\n}", "4\n}"), ("0.2\n", "0.2,\n        \"bleu\": 33.0\n")],
        &[("[1, 2]", "[9, 2]"), ("\"a\": 1.0, ", ""), ("\"eval\"", "\"seed\": 1,\n    \"eval\"")],
    );
}

#[test]
fn the_index_of_a_large_model() {
    let shard = |tensor: usize| tensor / 100;
    let entries: Vec<_> = (0..2000)
        .map(|tensor| {
            format!("    \"model.layers.{tensor}.weight\": \"model-{:05}-of-00020.safetensors\"", shard(tensor))
        })
        .collect();
    let base = format!(
        "{{\n  \"metadata\": {{\n    \"total_size\": 1234\n  }},\n  \"weight_map\": {{\n{}\n  }}\n}}\n",
        entries.join(",\n")
    );
    let moved = |tensor: usize, to: &str| {
        let key = format!("\"model.layers.{tensor}.weight\": ");
        (format!("{key}\"model-{:05}-of-00020.safetensors\"", shard(tensor)), format!("{key}\"{to}.safetensors\""))
    };
    let ours: Vec<_> = (0..2000).step_by(20).map(|tensor| moved(tensor, "ours")).collect();
    let theirs: Vec<_> = (1..2000).step_by(20).map(|tensor| moved(tensor, "theirs")).collect();
    let ours: Vec<_> = ours.iter().map(|(from, to)| (from.as_str(), to.as_str())).collect();
    let theirs: Vec<_> = theirs.iter().map(|(from, to)| (from.as_str(), to.as_str())).collect();
    check(Syntax::Json, &base, &ours, &theirs);
}
