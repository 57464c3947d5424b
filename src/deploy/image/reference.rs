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

/// Where the code is, for everybody, as a web page: without a user's name and password, and the same for
/// `git@host:a/b.git` and `https://host/a/b`, so that an image does not depend on how a clone was made. `None` for a place
/// that others cannot reach.
pub fn source(url: &str) -> Option<String> {
    let rest = match url.split_once("://") {
        Some(("http" | "https" | "ssh" | "git", rest)) => rest.to_owned(),
        Some(_) => return None,
        // `git@example.org:team/house.git`
        None => {
            let (host, path) = url.split_once(':').filter(|(host, _)| !host.contains('/'))?;
            format!("{host}/{}", path.trim_start_matches('/'))
        }
    };
    let (host, path) = rest.split_once('/')?;
    let host = host.rsplit('@').next().unwrap_or(host);
    let name = host.split(':').next().unwrap_or(host);
    let is_local = name.is_empty() || name == "localhost" || name.starts_with("127.");
    // What follows a `?` may be a token as well.
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let path = path.trim_end_matches('/').trim_end_matches(".git");
    let is_plain = path.chars().all(|c| c.is_ascii_graphic());
    (!is_local && !path.is_empty() && is_plain).then(|| format!("https://{name}/{path}"))
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
    fn a_source_has_no_secrets_and_one_form() {
        for (url, page) in [
            ("git@example.org:team/house.git", Some("https://example.org/team/house")),
            ("https://user:secret@example.org/team/house.git", Some("https://example.org/team/house")),
            ("https://example.org/team/house.git?token=x", Some("https://example.org/team/house")),
            ("ssh://git@example.org:2222/team/house", Some("https://example.org/team/house")),
            ("https://example.org/team/house/", Some("https://example.org/team/house")),
            ("/srv/git/house.git", None),
            ("../house.git", None),
            ("file:///srv/house.git", None),
            ("http://127.0.0.1:3000/house", None),
            ("", None),
        ] {
            assert_eq!(source(url).as_deref(), page, "{url}");
        }
    }
}
