use super::*;

fn excluded(ignore: &str, paths: &[&str]) -> Vec<bool> {
    let ignore = Ignore::parse(ignore.as_bytes()).unwrap_or_else(|error| panic!("{ignore:?}: {error:?}"));
    paths.iter().map(|path| ignore.excludes(path.as_bytes())).collect()
}

/// The examples of Docker's documentation.
#[test]
fn documented_examples() {
    for (ignore, out, inside) in [
        ("# comment\n", &[][..], &["# comment", "a"][..]),
        ("*/temp*", &["somedir/temporary.txt", "somedir/temp", "somedir/temp/deep/file"], &["temp", "a/b/temporary"]),
        ("*/*/temp*", &["somedir/subdir/temporary.txt"], &["somedir/temporary.txt", "a/b/c/temp"]),
        ("temp?", &["tempa", "tempb", "tempa/file"], &["temp", "tempab", "a/tempa"]),
        ("**/*.go", &["main.go", "a/main.go", "a/b/main.go"], &["main.gox", "main"]),
        ("*.md\n!README.md", &["notes.md"], &["README.md", "a/notes.md"]),
        ("*.md\n!README*.md\nREADME-secret.md", &["notes.md", "README-secret.md"], &["README.md", "README-public.md"]),
        ("*.md\nREADME-secret.md\n!README*.md", &["notes.md"], &["README.md", "README-secret.md"]),
        ("/foo/bar", &["foo/bar", "foo/bar/baz"], &["bar", "a/foo/bar"]),
        ("foo/bar", &["foo/bar"], &["foo/barn", "foo"]),
        ("/foo/bar/", &["foo/bar/baz"], &["foo/baz"]),
    ] {
        assert_eq!(excluded(ignore, out), vec![true; out.len()], "{ignore:?} leaves out {out:?}");
        assert_eq!(excluded(ignore, inside), vec![false; inside.len()], "{ignore:?} keeps {inside:?}");
    }
}

/// The tests that the engine's own matcher has to pass, by their meaning.
#[test]
fn folders_and_stars() {
    for (pattern, path, is_out) in [
        ("**", "file", true),
        ("**", "dir/file", true),
        ("**/", "file", true),
        ("**/**", "dir/file", true),
        ("dir/**", "dir/file", true),
        ("dir/**", "dir/dir2/file", true),
        ("dir/**", "dir", false),
        ("**/dir2/*", "dir/dir2/file", true),
        ("**/dir2/**", "dir/dir2/dir2/file", true),
        ("**file", "dir/file", true),
        ("**file", "dir/dir/file", true),
        ("**/file", "file", true),
        ("**/file*", "dir/dir/file.txt", true),
        ("**/file*txt", "dir/dir/file.txt", true),
        ("**/**/*.txt", "dir/dir/file.txt", true),
        ("a**/*.txt", "a/dir/file.txt", true),
        ("a/*.txt", "a/dir/file.txt", false),
        ("a[b-d]e", "ace", true),
        ("a[b-d]e", "aae", false),
        ("a[^b-d]e", "aze", true),
        ("a[^b-d]e", "ace", false),
        ("a\\*b", "a*b", true),
        ("a\\*b", "axb", false),
        (".*", ".foo", true),
        (".*", "foo", false),
        ("abc.def", "abcZdef", false),
        ("./a/../b", "b", true),
        ("a?c", "aéc", true),
        ("a?c", "a/c", false),
        ("*", "a/b/c", true),
        ("*/", "a/b", true),
        (".", "a", false),
        ("/", "a", false),
        ("..", "a", false),
        ("  spaced  ", "spaced", true),
        (" #no-comment", "#no-comment", true),
    ] {
        assert_eq!(excluded(pattern, &[path]), [is_out], "{pattern:?} and {path:?}");
    }
}

#[test]
fn a_file_comes_back_from_a_folder_that_is_out() {
    let ignore = "models\n!models/keep\nmodels/keep/secret*\n";
    let paths = ["models/a", "models/keep/b", "models/keep/secret.txt", "c"];
    assert_eq!(excluded(ignore, &paths), [true, false, true, false]);
    assert_eq!(excluded("*\n!src\n", &["README", "src/main.rs", "lib/x"]), [true, false, true]);
}

#[test]
fn marks_and_line_ends_of_other_systems() {
    assert_eq!(excluded("\u{feff}# comment\r\n*.log\r\n\r\n! keep.log\r\n", &["a.log", "keep.log"]), [true, false]);
}

#[test]
fn lines_that_cannot_be_understood() {
    for (text, line) in [("!", 1), ("a\n! \n", 2), ("a\n\n[", 3), ("[]", 1), ("[a-", 1), ("a\\", 1)] {
        assert_eq!(Ignore::parse(text.as_bytes()).expect_err(text).line, line, "{text:?}");
    }
}

#[test]
fn no_pattern_takes_long() {
    let pattern = "*a".repeat(200) + "b";
    let path = "a".repeat(4000);
    assert_eq!(excluded(&pattern, &[&path]), [false]);
}
