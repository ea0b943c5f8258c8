//! What a run is told as. A [`model::Report`] comes in; text, JSON, a log or a page go out. Never measures anything.

pub mod chart;
pub mod compare;
mod curves;
mod figures;
pub mod file;
pub mod histogram;
pub mod hlog;
pub mod html;
pub mod json;
pub mod model;
#[doc(hidden)]
pub mod sample;
pub mod text;
pub mod threshold;
