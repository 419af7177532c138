//! The portal as a whole: API, pages, restore. In process, with a database in a
//! temporary folder and boxes whose keys are software.
#![allow(clippy::unwrap_used)]

#[path = "../../../kit/license/tests/support/mod.rs"]
mod support;

mod api;
mod boxes;
#[path = "../cluster/mod.rs"]
mod cluster;
mod codes;
mod conservation;
mod desks;
mod hardware;
mod lost_journal;
mod others;
mod pages;
mod restore;
mod returns;
mod routes;
mod terms;
mod two_portals;
mod work;
mod world;
