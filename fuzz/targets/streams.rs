//! Fuzz target: see `switchboard_fuzz::streams`. Outside of fuzzing it runs the files that it is given.
#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|data: &[u8]| switchboard_fuzz::streams(data));

#[cfg(not(fuzzing))]
fn main() -> std::io::Result<()> {
    switchboard_fuzz::run_files(switchboard_fuzz::streams)
}
