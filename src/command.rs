//! What shards are told and asked by the control plane. Shared types only.
