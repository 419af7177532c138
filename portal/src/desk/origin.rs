//! Where the work of this thread was asked for.
//!
//! Not an argument of every operation: `web` sets it around each piece of work that it hands
//! to a thread, and the audit reads it. What runs outside, as the command line does, comes
//! from nowhere.

use std::cell::RefCell;

use crate::store::Origin;

thread_local! {
    static CURRENT: RefCell<Origin> = RefCell::default();
}

/// Puts back what was there before, also when the work panics.
struct Before(Origin);

impl Drop for Before {
    fn drop(&mut self) {
        CURRENT.set(std::mem::take(&mut self.0));
    }
}

/// Does something that was asked for there.
pub(crate) fn during<T>(origin: Origin, work: impl FnOnce() -> T) -> T {
    let _before = Before(CURRENT.replace(origin));
    work()
}

/// Where the present work was asked for.
pub(super) fn current() -> Origin {
    CURRENT.with_borrow(Clone::clone)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_was_before_comes_back_even_after_a_panic() {
        let from = |address: &str| Origin {
            address: Some(address.to_owned()),
            ..Origin::default()
        };
        during(from("192.0.2.1"), || {
            let panicked = std::panic::catch_unwind(|| {
                during(from("192.0.2.2"), || {
                    assert_eq!(current(), from("192.0.2.2"));
                    std::panic::resume_unwind(Box::new(()));
                });
            });
            assert!(panicked.is_err());
            assert_eq!(current(), from("192.0.2.1"));
        });
        assert_eq!(current(), Origin::default());
    }
}
