//! Values that the code around them makes sure of.
//!
//! No input may end the process, so a release build goes on with a harmless value where an invariant is broken. A build
//! with debug assertions stops there and names the line: unit tests, the simulator and the fuzzers have them on. Never
//! for what a peer, a file or the kernel can cause.

/// An `Option` or a `Result` that holds a value unless the code around it is wrong.
pub(crate) trait Invariant<T>: Sized {
    /// The value. A release build without one goes on with `fallback`.
    fn expected_or(self, fallback: T) -> T;

    /// The value. A release build without one goes on with the type's default.
    fn expected_or_default(self) -> T
    where
        T: Default;
}

impl<T> Invariant<T> for Option<T> {
    #[inline]
    #[track_caller]
    fn expected_or(self, fallback: T) -> T {
        debug_assert!(self.is_some(), "a value that is always there is missing");
        self.unwrap_or(fallback)
    }

    #[inline]
    #[track_caller]
    fn expected_or_default(self) -> T
    where
        T: Default,
    {
        debug_assert!(self.is_some(), "a value that is always there is missing");
        self.unwrap_or_default()
    }
}

impl<T, E> Invariant<T> for Result<T, E> {
    #[inline]
    #[track_caller]
    fn expected_or(self, fallback: T) -> T {
        self.ok().expected_or(fallback)
    }

    #[inline]
    #[track_caller]
    fn expected_or_default(self) -> T
    where
        T: Default,
    {
        self.ok().expected_or_default()
    }
}
