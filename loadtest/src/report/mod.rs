//! What a run is told as. A [`model::Report`] comes in; text, JSON, a log or a page go out. Never measures anything.

pub mod model;
