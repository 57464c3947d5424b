//! `git model metrics`.

use crate::support::{Env, Repo, model};

const POLICY: &str = "[model.house]\nweights = [\"m.safetensors\"]\nmetrics = \"out/metrics.json\"\n\
                      [[gate]]\nmodel = \"house\"\nmetric = \"test.mse\"\ngoal = \"minimize\"\nmax = 30.0\n";

/// Commits weights with these metrics, at a time of its own.
fn version(repo: &Repo<'_>, seed: u64, metrics: &str) {
    repo.write("m.safetensors", &model(seed));
    repo.write("out/metrics.json", metrics.as_bytes());
    repo.git(&["add", "-A"]).ok();
    let date = format!("2026-01-{:02}T00:00:00Z", seed + 1);
    repo.git_with(&[("GIT_COMMITTER_DATE", &date)], &["commit", "-q", "-m", &format!("version {seed}")]).ok();
}

fn house(env: &Env) -> Repo<'_> {
    let repo = env.repo("house");
    repo.write(".gitmodel.toml", POLICY.as_bytes());
    for (seed, mse) in [(1, 31.5), (2, 28.0), (3, 25.25)] {
        version(&repo, seed, &format!("{{\"epoch\": {seed}, \"test\": {{\"mse\": {mse}, \"name\": \"x\"}}}}\n"));
    }
    repo
}

#[test]
fn show_lists_the_numbers_of_the_work_tree_and_of_commits() {
    let env = Env::new();
    let repo = house(&env);
    repo.write("out/metrics.json", b"{\"test\": {\"mse\": NaN}}");
    assert_eq!(repo.model(&["metrics", "show"]).ok().text(), "model  metric    value\nhouse  test.mse  NaN\n");
    let shown = repo.model(&["metrics", "show", "HEAD~", "--csv"]).ok();
    assert_eq!(shown.text(), "model,metric,value\nhouse,epoch,2.0\nhouse,test.mse,28.0\n");
    let shown = repo.model(&["metrics", "show", "HEAD", "--md"]).ok();
    assert!(
        shown.text().starts_with("| model | metric | value |\n|---|---|--:|\n| house | epoch | 3 |\n"),
        "{}",
        shown.text()
    );
    let json: serde_json::Value =
        serde_json::from_slice(&repo.model(&["metrics", "show", "--json"]).ok().stdout).expect("JSON");
    assert_eq!(json["house"]["test.mse"], "NaN");
}

#[test]
fn show_all_has_every_branch_and_tag() {
    let env = Env::new();
    let repo = house(&env);
    repo.git(&["tag", "old", "HEAD~2"]).ok();
    repo.git(&["branch", "exp", "HEAD~"]).ok();
    let shown = repo.model(&["metrics", "show", "--all", "--csv"]).ok();
    let mse: Vec<&str> = shown.text().lines().filter(|line| line.contains("mse")).collect();
    assert_eq!(mse, ["exp,house,test.mse,28.0", "main,house,test.mse,25.25", "old,house,test.mse,31.5"]);
}

#[test]
fn without_a_policy_metrics_are_found_by_default() {
    let env = Env::new();
    let repo = env.repo("plain");
    repo.write("a/m.safetensors", &model(1));
    repo.write("b/n.safetensors", &model(2));
    repo.write("a/metrics.yaml", b"acc: 0.5\n");
    repo.write("metrics.toml", b"acc = 0.25\n");
    repo.commit("two models");
    let shown = repo.model(&["metrics", "show", "HEAD", "--csv"]).ok();
    assert_eq!(shown.text(), "model,metric,value\nm,acc,0.5\nn,acc,0.25\n");
    let shown = repo.model(&["metrics", "show", "--model", "n", "--csv"]).ok();
    assert_eq!(shown.text(), "model,metric,value\nn,acc,0.25\n");
    let failed = repo.model(&["metrics", "show", "--model", "o"]).fails_with(1);
    assert!(failed.stderr.contains("there is no model `o`\nhint: there is `m`, `n`"), "{}", failed.stderr);
}

#[test]
fn diff_tells_changes_and_which_are_better() {
    let env = Env::new();
    let repo = house(&env);
    let same = repo.model(&["metrics", "diff"]).ok();
    assert_eq!((same.text(), same.stderr.trim()), ("", "no metric differs between HEAD and work tree"));
    repo.write("out/metrics.json", b"{\"epoch\": 3, \"test\": {\"mse\": 50.5, \"mae\": 2}}");
    let told = repo.model(&["metrics", "diff"]).ok();
    let expected = "model  metric    old    new   change  percent   verdict\n\
                    house  test.mse  25.25  50.5  +25.25  +100.0 %  ↑ worse\n\
                    house  test.mae  –         2  –       –         new\n";
    assert_eq!(told.text(), expected);
    for range in [&["HEAD~2", "HEAD"][..], &["HEAD~2..HEAD"]] {
        let told = repo.model(&[&["metrics", "diff", "--csv"], range].concat()).ok();
        let rows: Vec<&str> = told.text().lines().collect();
        assert_eq!(rows[2], "house,test.mse,31.5,25.25,-6.25,-19.841269841269842,better", "{rows:?}");
    }
    let all = repo.model(&["metrics", "diff", "--all", "--json"]).ok();
    let json: serde_json::Value = serde_json::from_slice(&all.stdout).expect("JSON");
    assert_eq!(json["metrics"].as_array().map(Vec::len), Some(3));
    assert_eq!((&json["metrics"][1]["better"], &json["metrics"][2]["old"]), (&false.into(), &serde_json::Value::Null));
}

#[test]
fn plot_draws_in_the_terminal_and_into_files() {
    let env = Env::new();
    let repo = house(&env);
    repo.git(&["tag", "-a", "-m", "first", "house@v1.0.0", "HEAD~2"]).ok();
    // The locale of tests is C, so nothing but ASCII is drawn.
    let drawn = repo.model(&["metrics", "plot", "test.mse"]).ok();
    assert!(drawn.text().is_ascii());
    assert!(drawn.text().starts_with("house: test.mse\ntest.mse, lower is better\n"), "{}", drawn.text());
    assert!(drawn.text().contains(" max 30") && drawn.text().contains("v1.0.0"), "{}", drawn.text());
    let mut command = repo.model_command(&["metrics", "plot", "test.mse"]);
    command.env("LC_ALL", "en_US.UTF-8");
    assert!(env.run(command).ok().text().contains('●'));
    let page = |name: &str| {
        repo.model(&["metrics", "plot", "test.mse", "-o", name]).ok();
        repo.read(name)
    };
    let svg = String::from_utf8(page("p.svg")).expect("text");
    assert!(svg.starts_with("<?xml") && svg.matches("<circle").count() == 3 && svg.contains(">v1.0.0</text>"), "{svg}");
    assert!(page("p.png").starts_with(b"\x89PNG\r\n\x1a\n"));
    assert_eq!(String::from_utf8(page("p.html")).expect("text").matches("<tr data-x=").count(), 3);
    let one = repo.model(&["metrics", "plot", "test.mse", "HEAD~", "-o", "q.svg"]).ok();
    assert!(one.stderr.contains("wrote `q.svg`"));
    let circles = |name: &str| String::from_utf8_lossy(&repo.read(name)).matches("<circle").count();
    assert_eq!(circles("q.svg"), 2);
    repo.model(&["metrics", "plot", "test.mse", "HEAD~..HEAD", "-o", "r.svg"]).ok();
    assert_eq!(circles("r.svg"), 1);
}

#[test]
fn plot_all_draws_branches_from_where_they_leave() {
    let env = Env::new();
    let repo = house(&env);
    repo.git(&["checkout", "-q", "-b", "exp", "HEAD~"]).ok();
    version(&repo, 4, "{\"test\": {\"mse\": 20}}");
    version(&repo, 5, "{\"test\": {\"mse\": 19}}");
    repo.git(&["checkout", "-q", "main"]).ok();
    repo.git(&["branch", "merged", "HEAD~"]).ok();
    repo.model(&["metrics", "plot", "--all", "test.mse", "-o", "p.html"]).ok();
    let page = String::from_utf8(repo.read("p.html")).expect("text");
    let values: Vec<String> = page
        .split("<tr data-x=")
        .skip(1)
        .map(|row| {
            row.split("<td class=\"value\">")
                .skip(1)
                .map(|cell| cell.split('<').next().unwrap_or("").to_owned() + ";")
                .collect()
        })
        .collect();
    // The newest first: main, exp. The branch begins with the version that it was made of.
    assert_eq!(values, [";19;", ";20;", "25.25;;", "28;28;", "31.5;;"]);
    assert!(!page.contains("merged"));
}

#[test]
fn plot_says_what_is_wrong() {
    let env = Env::new();
    let repo = env.repo("bad");
    repo.write(".gitmodel.toml", POLICY.as_bytes());
    repo.git(&["add", "-A"]).ok();
    let fails = |args: &[&str], code: i32| repo.model(&[&["metrics", "plot"], args].concat()).fails_with(code).stderr;
    assert!(fails(&["test.mse"], 1).contains("there is no commit yet"));
    version(&repo, 1, "{\"test\": {\"mse\": 1}}");
    let unknown = fails(&["test.msx"], 1);
    assert!(unknown.contains("there is no metric `test.msx`\nhint: did you mean `test.mse`?"), "{unknown}");
    assert!(fails(&["test.mse", "-o", "p.gif"], 2).contains("let it end with `.svg`, `.png` or `.html`"));
    assert!(fails(&["test.mse", "-o", "no/where/p.svg"], 1).contains("hint: make the folder: `mkdir -p no/where`"));
    assert!(!repo.path("no").exists());
    assert!(fails(&["test.mse", "--revision", "nowhere"], 1).contains("no such revision or file: `nowhere`"));
    repo.git(&["checkout", "-q", "--detach"]).ok();
    assert!(repo.model(&["metrics", "plot", "test.mse"]).ok().text().contains("versions of HEAD"));
}

#[test]
fn a_broken_file_of_an_old_commit_is_passed_over() {
    let env = Env::new();
    let repo = house(&env);
    version(&repo, 4, "{\"test\": ");
    let commit = repo.git(&["rev-parse", "--short=10", "HEAD"]).ok().text().trim().to_owned();
    version(&repo, 5, "{\"test\": {\"mse\": 20}}");
    for _ in 0..2 {
        let drawn = repo.model(&["metrics", "plot", "test.mse"]).ok();
        let warning = format!("warning: `out/metrics.json` is passed over in commit {commit}: line 1");
        assert!(drawn.stderr.starts_with(&warning) && drawn.stderr.lines().count() == 1, "{}", drawn.stderr);
    }
}

#[test]
fn a_bare_repository_has_metrics_too() {
    let env = Env::new();
    house(&env);
    let bare = env.clone_repo(&["--bare", "house", "bare.git"]);
    assert!(bare.model(&["metrics", "show"]).ok().text().contains("25.25"));
    assert!(bare.model(&["metrics", "plot", "test.mse"]).ok().text().contains("lower is better"));
    assert!(bare.model(&["metrics", "diff"]).fails_with(2).stderr.contains("there is no work tree to compare with"));
    assert!(bare.model(&["metrics", "diff", "HEAD~", "HEAD"]).ok().text().contains("better"));
}
