//! The owner's pages and API; one small trait per room of the box.
