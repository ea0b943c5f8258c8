//! What shards count, in the text that Prometheus reads.
