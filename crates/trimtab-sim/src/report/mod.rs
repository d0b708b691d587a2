//! What came of a backtest, for people: a table, a picture, a page.

mod front;
mod html;
mod phrase;
mod svg;
mod text;

pub use front::{best, best_of_each, mark_front};
pub use html::html;
pub use svg::svg;
pub use text::text;
