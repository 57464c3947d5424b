//! The commit hook, `git model check` and a server give the same verdicts on the same commit.

use crate::support::{Env, Repo, random};

/// Enough to meet every kind of gate and of metric several times.
const CASES: u64 = 24;

const METRICS: [&str; 3] = ["a", "deep.b", "deep.c"];

struct Source<I>(I);

impl<I: Iterator<Item = u64>> Source<I> {
    fn below(&mut self, bound: u64) -> u64 {
        self.0.next().expect("endless") % bound
    }

    fn one<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.below(of.len() as u64) as usize]
    }

    /// A metrics file in which values may be missing, not finite, or no numbers.
    fn metrics(&mut self) -> String {
        let mut value = || match self.below(12) {
            0 => "NaN".to_owned(),
            1 => "Infinity".to_owned(),
            2 => "\"high\"".to_owned(),
            _ => format!("{}", self.below(80) as f64 / 8.0 - 3.0),
        };
        let (a, b, c) = (value(), value(), value());
        match self.below(8) {
            0 => format!("{{\"deep\": {{\"b\": {b}, \"c\": {c}}}}}\n"),
            1 => format!("{{\"a\": {a}, \"deep.b\": {b}}}\n"),
            2 => format!("{{\"a\": {a}, \"deep\": "),
            _ => format!("{{\"a\": {a}, \"deep\": {{\"b\": {b}, \"c\": {c}}}}}\n"),
        }
    }

    fn policy(&mut self) -> String {
        let mut text = "[model.m]\nmetrics = \"metrics.json\"\n[protect]\nbranches = [\"main\"]\n".to_owned();
        for _ in 0..=self.below(4) {
            text += "[[gate]]\nmodel = \"m\"\n";
            text +=
                &format!("metric = \"{}\"\ngoal = \"{}\"\n", self.one(&METRICS), self.one(&["minimize", "maximize"]));
            text += &match self.below(4) {
                0 => format!("min = {}\nmax = {}\n", self.below(4), 4 + self.below(4)),
                1 => format!("regression = \"{}%\"\n", self.below(100)),
                2 => format!("max = {}\nregression = {}\n", self.below(8), self.below(3)),
                _ => format!("min = {}\n", self.below(5)),
            };
            text += &format!("on_missing = \"{}\"\n", self.one(&["fail", "warn", "skip"]));
            text += &format!("base = \"{}\"\n", self.one(&["HEAD", "better", "both"]));
        }
        text
    }
}

/// The rows of the table of verdicts, without the names of the versions they are compared with.
fn rows(text: &str) -> Vec<String> {
    let lines = text.lines().map(|line| line.strip_prefix("remote: ").unwrap_or(line));
    let rows = lines.filter(|line| line.starts_with("m ")).map(|line| {
        let words = line.split_whitespace().filter(|word| {
            let name = word.trim_matches(['(', ')', ':']);
            name != "HEAD" && !(name.len() == 10 && name.bytes().all(|byte| byte.is_ascii_hexdigit()))
        });
        words.collect::<Vec<_>>().join(" ")
    });
    rows.collect()
}

#[test]
fn all_three_agree() {
    let env = Env::new();
    let server = env.root().join("server.git");
    std::fs::create_dir(&server).expect("a folder");
    let server = Repo { env: &env, dir: server };
    server.git(&["init", "-q", "--bare"]).ok();
    server.model(&["install", "--server"]).ok();
    let repo = env.repo("repo");
    repo.model(&["install", "--local"]).ok();
    repo.git(&["remote", "add", "origin", "../server.git"]).ok();
    // The server's own branch has no policy: new branches come as they are.
    repo.git(&["commit", "-q", "--allow-empty", "-m", "nothing"]).ok();
    repo.git(&["push", "-q", "origin", "main"]).ok();
    let mut source = Source(random(7));
    let (mut passed, mut stopped) = (0, 0);
    for case in 0..CASES {
        // A branch of its own for each case, whose base and policy nobody judges.
        let branch = format!("case{case}");
        repo.git(&["checkout", "-q", "--orphan", &branch]).ok();
        let side = format!("side{case}");
        let policy = source.policy().replace("\"main\"", &format!("\"{branch}\", \"{side}\""));
        repo.write(".gitmodel.toml", policy.as_bytes());
        repo.write("metrics.json", source.metrics().as_bytes());
        repo.git(&["add", "-A"]).ok();
        repo.git(&["commit", "-q", "--no-verify", "-m", "base"]).ok();
        repo.git(&["push", "-q", "origin", &branch]).ok();
        // The commits of the other side are judged too when they come to this branch.
        let mut is_side_good = true;
        if case % 3 == 0 {
            // The next commit is a merge, whose other side has metrics of its own, and is on the server already.
            repo.git(&["checkout", "-q", "-b", &side]).ok();
            repo.write("metrics.json", source.metrics().as_bytes());
            repo.write("side", b"side\n");
            repo.git(&["add", "-A"]).ok();
            let differs = repo.git(&["diff", "--cached", "--name-only", "--", "metrics.json"]).ok().stdout;
            is_side_good = differs.is_empty() || repo.model(&["check"]).code == Some(0);
            repo.git(&["commit", "-q", "--no-verify", "-m", "side"]).ok();
            repo.git(&["push", "-q", "origin", &side]).ok();
            repo.git(&["checkout", "-q", &branch]).ok();
            repo.git(&["merge", "-q", "--no-ff", "--no-commit", &side]).ok();
            repo.git(&["branch", "-q", "-D", &side]).ok();
        }
        repo.write("metrics.json", source.metrics().as_bytes());
        repo.write("notes", format!("{case}\n").as_bytes());
        repo.git(&["add", "-A"]).ok();

        let checked = repo.model(&["check"]);
        let touches = !repo.git(&["diff", "--cached", "--name-only", "--", "metrics.json"]).ok().stdout.is_empty();
        let committed = repo.git(&["commit", "-q", "-m", "next"]);
        if committed.code != Some(0) {
            repo.git(&["commit", "-q", "--no-verify", "-m", "next"]).ok();
        }
        let judged = repo.model(&["check", "HEAD"]);
        let pushed = repo.git(&["push", "-q", "origin", &branch]);

        let about = format!("{policy}\n{}\n{}", committed.stderr, pushed.stderr);
        assert_eq!(judged.code, checked.code, "{about}");
        assert_eq!(rows(judged.text()), rows(checked.text()), "{about}");
        let is_good = !touches || checked.code == Some(0);
        assert_eq!(committed.code == Some(0), is_good, "{about}");
        assert_eq!(pushed.code == Some(0), is_good && is_side_good, "{about}");
        if is_good {
            passed += 1;
        } else {
            stopped += 1;
            assert_eq!(rows(&committed.stderr), rows(checked.text()), "{about}");
            let of_this = rows(&pushed.stderr).split_off(if is_side_good { 0 } else { rows(checked.text()).len() });
            assert_eq!(of_this, rows(checked.text()), "{about}");
            assert!(!rows(&pushed.stderr).is_empty(), "{about}");
        }
    }
    assert!(passed > 2 && stopped > 2, "{passed} passed, {stopped} stopped");
}
