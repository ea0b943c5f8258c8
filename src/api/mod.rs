//! The domain model: APIs, revisions, deployments, lifecycle, and their rules. Pure: no store, no clock, no socket.
