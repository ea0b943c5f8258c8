//! The admin API: a file a resource.
