//! Merge methods: against what mergekit 0.1.5 makes of the same tensors (`tests/data/merge`), and what holds for any.

mod golden;
mod laws;
