//! The portal as a whole: API, pages, restore. In process, with a database in a
//! temporary folder and boxes whose keys are software.
#![allow(clippy::unwrap_used)]

#[path = "../../../kit/license/tests/support/mod.rs"]
mod support;

mod api;
mod boxes;
mod codes;
mod others;
mod pages;
mod restore;
mod routes;
mod world;
