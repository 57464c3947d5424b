//! The container engine: images in, containers out.
