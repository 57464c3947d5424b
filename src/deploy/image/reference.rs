//! Names of images: `house:v1.2.0`. Pure.
//!
//! Source: the reference grammar of the distribution project, `reference/reference.go`.

/// A longer tag is none.
const TAG_BYTES_MAX: usize = 128;

/// The name of the image of a model's version, made of what an image's name may have.
pub fn reference(title: &str, version: &str) -> String {
    let parts: Vec<String> = title.split('/').map(part).filter(|part| !part.is_empty()).collect();
    let name = if parts.is_empty() { "model".to_owned() } else { parts.join("/") };
    format!("{name}:{}", tag(version))
}

/// One part of a name: lowercase letters and digits, with single signs between them.
fn part(text: &str) -> String {
    let mut part = String::new();
    for c in text.chars() {
        let c = if c.is_ascii_alphanumeric() || "._".contains(c) { c.to_ascii_lowercase() } else { '-' };
        if c.is_ascii_alphanumeric() || part.ends_with(|last: char| last.is_ascii_alphanumeric()) {
            part.push(c);
        }
    }
    part.trim_end_matches(|last: char| !last.is_ascii_alphanumeric()).to_owned()
}

fn tag(text: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '-' };
    let tag: String = text.chars().map(plain).take(TAG_BYTES_MAX).collect();
    let tag = tag.trim_start_matches(['.', '-']);
    if tag.is_empty() { "latest".to_owned() } else { tag.to_owned() }
}

/// An image's name and its tag; `latest` where there is none. `None` if the text is no name of an image.
pub fn split(reference: &str) -> Option<(&str, &str)> {
    let (name, tag) = match reference.rsplit_once(':') {
        // The colon of a registry's port comes before a slash.
        Some((name, tag)) if !tag.contains('/') => (name, tag),
        _ => (reference, "latest"),
    };
    let is_sign = |c: char| c == '.' || c == '_' || c == '-';
    let is_part = |part: &str| {
        !part.is_empty()
            && part.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || is_sign(c))
            && !part.starts_with(is_sign)
            && !part.ends_with(is_sign)
    };
    let (host, path) = match name.split_once('/') {
        Some((host, path)) if host.contains(['.', ':']) || host == "localhost" => (Some(host), path),
        _ => (None, name),
    };
    let is_host = |host: &str| {
        host.chars().all(|c| c.is_ascii_alphanumeric() || ".-:[]".contains(c)) && !host.starts_with(is_sign)
    };
    let is_tag = !tag.is_empty()
        && tag.len() <= TAG_BYTES_MAX
        && tag.chars().all(|c| c.is_ascii_alphanumeric() || is_sign(c))
        && !tag.starts_with(['.', '-']);
    (host.is_none_or(is_host) && path.split('/').all(is_part) && is_tag).then_some((name, tag))
}

/// The name with all that people leave out: `docker.io/library/house:v1`.
pub fn full(reference: &str) -> Option<String> {
    let (name, tag) = split(reference)?;
    let has_host = name.split_once('/').is_some_and(|(host, _)| host.contains(['.', ':']) || host == "localhost");
    let place = match name {
        _ if has_host => "",
        name if name.contains('/') => "docker.io/",
        _ => "docker.io/library/",
    };
    Some(format!("{place}{name}:{tag}"))
}

/// Where the code is, for everybody: an address without a user's name and password; `None` for a folder of this machine.
pub fn source(url: &str) -> Option<String> {
    let is_host = |host: &str| !host.is_empty() && !host.contains('/');
    match url.split_once("://") {
        Some(("file", _)) => None,
        Some((scheme, rest)) => {
            let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
            let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
            // What follows a `?` may be a token as well.
            let path = path.split(['?', '#']).next().unwrap_or_default();
            Some(format!("{scheme}://{host}/{path}"))
        }
        // `git@example.org:team/house.git`
        None => {
            let (host, path) = url.split_once(':').filter(|(host, _)| is_host(host))?;
            let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
            Some(format!("ssh://{host}/{}", path.trim_start_matches('/')))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_models_become_names_of_images() {
        for (title, version, expected) in [
            ("house-pricing", "v1.2.0", "house-pricing:v1.2.0"),
            ("House", "1a2b3c4", "house:1a2b3c4"),
            ("team/My Model_", "v1.0.0+build", "team/my-model:v1.0.0-build"),
            ("__x..y--z", "", "x.y-z:latest"),
            ("模型", "-.v", "model:v"),
        ] {
            let made = reference(title, version);
            assert_eq!(made, expected);
            assert!(split(&made).is_some(), "{made}");
        }
    }

    #[test]
    fn names_are_told_from_other_text() {
        assert_eq!(split("house"), Some(("house", "latest")));
        assert_eq!(split("localhost:5000/team/house:v1"), Some(("localhost:5000/team/house", "v1")));
        assert_eq!(split("localhost:5000/house"), Some(("localhost:5000/house", "latest")));
        for bad in ["", "House:v1", "a b", "house:", "house:-a", "-house", "a//b", "house:v1:v2", "../x", "a;b"] {
            assert_eq!(split(bad), None, "{bad}");
        }
    }

    #[test]
    fn full_names() {
        for (short, long) in [
            ("house", "docker.io/library/house:latest"),
            ("team/house:v1", "docker.io/team/house:v1"),
            ("example.org/house:v1", "example.org/house:v1"),
        ] {
            assert_eq!(full(short).as_deref(), Some(long));
        }
    }

    #[test]
    fn a_source_has_no_secrets() {
        for (url, expected) in [
            ("https://user:secret@example.org/a/b.git", Some("https://example.org/a/b.git")),
            ("https://example.org/a.git?token=x", Some("https://example.org/a.git")),
            ("git@example.org:a/b.git", Some("ssh://example.org/a/b.git")),
            ("ssh://git@example.org:22/a.git", Some("ssh://example.org:22/a.git")),
            ("file:///srv/a.git", None),
            ("/srv/a.git", None),
            ("../a", None),
        ] {
            assert_eq!(source(url).as_deref(), expected, "{url}");
        }
    }
}
