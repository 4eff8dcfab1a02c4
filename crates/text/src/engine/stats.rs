//! What an engine counts about itself: the raw numbers. Turning them into metrics and tables is for doors.

use serde::Serialize;

/// An engine's state at one moment, and what it has done since it was loaded. Gauges are `running` to `blocks_cached`; the
/// others only grow.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct EngineStats {
    /// Sequences that take part in steps.
    pub running: u64,
    /// Requests that wait for a place.
    pub waiting: u64,
    /// Running sequences whose prompt is not computed yet.
    pub prefilling: u64,
    /// Tokens of the last step.
    pub batch_tokens: u64,
    /// Sequences of the last step.
    pub batch_sequences: u64,
    /// Blocks of the key and value cache.
    pub blocks_total: u64,
    /// Of these, how many sequences hold.
    pub blocks_used: u64,
    /// Of these, how many nobody holds and a later prompt may find again.
    pub blocks_cached: u64,
    /// Prompt tokens asked for.
    pub prompt_tokens: u64,
    /// Of these, how many were found in the cache.
    pub cached_tokens: u64,
    /// Tokens generated.
    pub generated_tokens: u64,
    /// Tokens that were guessed from a sequence's own past and computed beside the one that was due.
    pub guessed_tokens: u64,
    /// Of these, how many were what the sampler drew.
    pub guessed_right: u64,
    /// Sequences that gave up their blocks for others and were resumed later.
    pub preemptions: u64,
    /// Steps computed.
    pub steps: u64,
    /// Times that the books of the cache were found wrong when idle; anything but 0 is a fault.
    pub book_errors: u64,
}
