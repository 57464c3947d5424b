//! A commit to a container image.
