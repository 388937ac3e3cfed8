//! Durations, sizes and networks as people write them.
