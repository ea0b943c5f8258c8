//! From deployments and configuration to what the shards have in force.
