//! Whether a server answers.
