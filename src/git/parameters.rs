//! Settings for one command: `git -c key=value …`, which git hands on in `GIT_CONFIG_PARAMETERS`.
//!
//! gix reads `GIT_CONFIG_COUNT` and its kin, but not this variable.
//!
//! Source: git's `config.c` (`git_config_from_parameters`) and `quote.c` (`sq_dequote_step`): `'key'='value'`, `'key'=`
//! for a key without a value, and `'key=value'` as older versions wrote it, separated by spaces.

/// The settings as `key=value`, or `key` alone; `None` if the text is not of git's making.
pub(super) fn parse(text: &str) -> Option<Vec<String>> {
    let mut rest = text.trim_start();
    let mut settings = Vec::new();
    while !rest.is_empty() {
        let (mut setting, after) = unquote(rest)?;
        rest = after;
        if let Some(after) = rest.strip_prefix('=') {
            rest = after;
            if rest.starts_with('\'') {
                let (value, after) = unquote(rest)?;
                rest = after;
                setting = format!("{setting}={value}");
            }
        }
        if !rest.is_empty() && !rest.starts_with(' ') {
            return None;
        }
        rest = rest.trim_start();
        settings.push(setting);
    }
    Some(settings)
}

/// Takes a word in single quotes; a quote or an exclamation mark in it stands outside of them, behind a backslash.
fn unquote(text: &str) -> Option<(String, &str)> {
    let mut rest = text.strip_prefix('\'')?;
    let mut word = String::new();
    loop {
        let (part, after) = rest.split_once('\'')?;
        word.push_str(part);
        let Some(escaped) = after.strip_prefix('\\') else { return Some((word, after)) };
        let special = escaped.chars().next().filter(|special| matches!(special, '\'' | '!'))?;
        word.push(special);
        rest = escaped[1..].strip_prefix('\'')?;
    }
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn what_git_writes_is_read() {
        let cases: [(&str, &[&str]); 6] = [
            ("", &[]),
            ("'model.threads'='2'", &["model.threads=2"]),
            ("'a.b'='x y' 'c.d'=", &["a.b=x y", "c.d"]),
            ("'a.b=old style'  'c.d'=''", &["a.b=old style", "c.d="]),
            (r"'a.b'='it'\''s'\!''", &["a.b=it's!"]),
            ("'a.b=c=d'", &["a.b=c=d"]),
        ];
        for (text, expected) in cases {
            assert_eq!(parse(text).expect(text), expected, "{text}");
        }
        for broken in ["a.b=c", "'a.b", "'a.b'='c", "'a.b'x", r"'a'\x'b'"] {
            assert_eq!(parse(broken), None, "{broken}");
        }
    }
}
