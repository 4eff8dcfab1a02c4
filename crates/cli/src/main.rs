//! The `parasol` command.

fn main() {}
