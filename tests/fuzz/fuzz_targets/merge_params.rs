#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| git_model_fuzz::run("merge_params", bytes));
