//! Tensors against what numpy, ml_dtypes and gguf-py say of them (`tests/data/make_stats.py`), and ranks of differences
//! that are known.

mod rank;
mod stats;
