//! Output of a run's results. In: a [`model::Report`]. Out: text, JSON, a log or a page. This module never measures
//! anything.

pub mod chart;
pub mod compare;
mod curves;
pub(crate) mod figures;
pub mod file;
pub mod histogram;
pub mod hlog;
pub mod html;
pub mod json;
pub mod kept;
pub mod model;
#[doc(hidden)]
pub mod sample;
pub mod text;
pub mod threshold;
