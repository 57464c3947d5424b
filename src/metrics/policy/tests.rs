use super::*;

const WHOLE: &str = r#"
[model.house-pricing]
weights = ["models/*.safetensors"]
params = "params.json"
metrics = "./metrics.json"
evaluate = ["python", "evaluate.py"]

[model.ranker]
weights = "ranker/**"
metrics = "ranker.yaml"

[[gate]]
model = "house-pricing"
metric = "test.mse"
goal = "minimize"
max = 30
regression = "2%"
base = "main"
on_missing = "warn"
fresh = true

[[gate]]
models = ["house-pricing", "ranker"]

[[gate]]
model = "ranker"
requires = "house-pricing@>=1.2"

[protect]
branches = ["main", "release/*"]
tags = "*@v*"
taggers = ["carol@example.org"]

[merge]
strategy = "ties"
"#;

#[test]
fn a_whole_policy() {
    let policy = Policy::parse(WHOLE).expect("a policy");
    let model = policy.model("house-pricing").expect("a model");
    assert_eq!((model.metrics.as_deref(), model.evaluate.len()), (Some("metrics.json"), 2));
    assert!(model.has_weights("models/a.safetensors") && !model.has_weights("models/old/a.safetensors"));
    assert!(model.has_file("params.json") && !model.has_file("other.json"));
    assert!(policy.model("ranker").is_some_and(|model| model.has_weights("ranker/old/a.bin")));
    let Rule::Metric(rule) = &policy.gates[0].rule else { panic!("{:?}", policy.gates[0]) };
    assert_eq!((rule.goal, rule.max, rule.min), (Goal::Minimize, Some(30.0), None));
    assert_eq!((rule.regression, rule.fresh), (Some(Amount::Relative(0.02)), true));
    assert_eq!((&rule.base, rule.on_missing), (&Base::Revision("main".into()), OnMissing::Warn));
    assert_eq!(policy.gates[0].line, 12);
    assert!(matches!(policy.gates[1].rule, Rule::Together));
    assert!(matches!(&policy.gates[2].rule, Rule::Requires { model, .. } if model == "house-pricing"));
    assert!(policy.protect.branches[1].is_match("release/1") && !policy.protect.branches[1].is_match("release"));
    assert!(policy.protect.tags[0].is_match("ranker@v1.0.0"));
    assert_eq!(policy.protect.taggers, ["carol@example.org"]);
}

#[test]
fn an_empty_policy_asks_nothing() {
    for text in ["", "[merge]\nstrategy = \"ties\"\n"] {
        let policy = Policy::parse(text).expect("a policy");
        assert!(policy.models.is_empty() && policy.gates.is_empty());
    }
}

#[test]
fn a_limit_alone_tells_what_is_better() {
    for (limit, goal) in [("max = 1", Goal::Minimize), ("min = 1", Goal::Maximize)] {
        let text = format!("[model.m]\nmetrics = \"m.json\"\n[[gate]]\nmodel = \"m\"\nmetric = \"a\"\n{limit}\n");
        let policy = Policy::parse(&text).expect("a policy");
        assert_eq!(policy.metric_rules("m").map(|rule| rule.goal).collect::<Vec<_>>(), [goal]);
    }
}

#[test]
fn what_is_wrong_is_told_with_its_line() {
    let model = "[model.m]\nmetrics = \"m.json\"\n";
    let gate = |rest: &str| format!("{model}[[gate]]\nmodel = \"m\"\nmetric = \"a\"\n{rest}\n");
    for (text, expected) in [
        ("[models.m]\n".to_owned(), "line 1: there is no key `models`; did you mean `model`?"),
        ("[gates]\n".into(), "did you mean `gate`?"),
        ("[gate]\nmodel = \"m\"\n".into(), "line 1: `gate` must be written `[[gate]]`"),
        ("[model]\nm = 3\n".into(), "line 2: `m` in `[model]` must be a table, written `[model.NAME]`"),
        (
            "[model.m]\nweight = \"a\"\n".into(),
            "line 2: there is no key `weight` in `[model.m]`; did you mean `weights`?",
        ),
        ("[model.m]\nqqq = \"a\"\n".into(), "there may be `weights`, `params`, `metrics`, `evaluate`"),
        ("[model.m]\nweights = 3\n".into(), "line 2: `weights` in `[model.m]` must be a list of texts"),
        ("[model.m]\nweights = \"[\"\n".into(), "line 2: the pattern `[` cannot be read"),
        ("[model.m]\nmetrics = \"../m.json\"\n".into(), "must be a path from the top of the repository"),
        ("[model.'a b']\n".into(), "`a b` is no name of a model"),
        (gate("treshold = 1"), "there is no key `treshold` in `[[gate]]`"),
        (gate("maks = 1"), "did you mean `max`?"),
        (gate(""), "line 3: `[[gate]]` needs `min`, `max` or `regression`"),
        (gate("max = \"low\""), "line 6: `max` in `[[gate]]` must be a number"),
        (gate("max = nan"), "`max` in `[[gate]]` must be a number"),
        (gate("max = 1\nmin = 2"), "no larger than `max`"),
        (gate("regression = \"2\""), "a share such as"),
        (gate("goal = \"minimize\"\nregression = -1"), "not negative"),
        (gate("regression = \"2%\""), "needs `goal = \"minimize\"` or"),
        (gate("max = 1\ngoal = \"low\""), "must be `\"minimize\"` or `\"maximize\"`"),
        (gate("max = 1\non_missing = \"ignore\""), "must be `\"fail\"` or `\"warn\"` or `\"skip\"`"),
        (gate("max = 1\nbase = \"--all\""), "or a branch or tag"),
        (gate("max = 1\nfresh = \"yes\""), "must be `true` or `false`"),
        (gate("max = 1\nrequires = \"m@1\""), "in a gate of its own"),
        (format!("{model}[[gate]]\nmodel = \"n\"\nmetric = \"a\"\nmax = 1\n"), "there is no model `n`"),
        (format!("{model}[[gate]]\nmetric = \"a\"\nmax = 1\n"), "line 3: `[[gate]]` needs `model"),
        (format!("{model}[[gate]]\nmodel = \"m\"\nmax = 1\n"), "needs `metric = \"path\"` for `max`"),
        (format!("{model}[[gate]]\nmodel = \"m\"\n"), "needs `metric = \"path\"`, `requires"),
        (format!("{model}[[gate]]\nmodel = \"m\"\nrequires = \"m\"\n"), "such as `\"retriever@>=1.2\"`"),
        (format!("{model}[[gate]]\nmodel = \"m\"\nrequires = \"m@new\"\n"), "such as `\"retriever@>=1.2\"`"),
        (
            "[model.m]\n[[gate]]\nmodel = \"m\"\nmetric = \"a\"\nmax = 1\n".into(),
            "`[model.m]` needs `metrics = \"file\"`",
        ),
        ("[protect]\nbranch = \"main\"\n".into(), "did you mean `branches`?"),
        ("[model.m\n".into(), "line 1: no TOML: "),
    ] {
        let refused = Policy::parse(&text).expect_err(&text).to_string();
        assert!(refused.contains(expected), "{text}\n{refused}");
    }
}

proptest::proptest! {
    #[test]
    fn no_text_is_too_much(text in "(\\[+|model|gate|deploy|port|test|image|\\.|m|\\]+|\n|=| |\"a\"|\"1s\"|1|metric|max){0,40}") {
        let _ = Policy::parse(&text);
    }
}
