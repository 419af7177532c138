//! The portal as a whole: API, pages, restore. In process, with a database in a
//! temporary folder and boxes whose keys are software.
#![allow(clippy::unwrap_used)]

#[path = "../../../kit/license/tests/support/mod.rs"]
mod support;

mod api;
mod boxes;
mod cast;
#[path = "../cluster/mod.rs"]
mod cluster;
mod codes;
mod command;
mod conservation;
mod desks;
mod from_files;
mod hardware;
mod lost_journal;
mod others;
mod pages;
mod people;
mod restore;
mod returns;
mod routes;
mod terms;
mod two_portals;
mod work;
mod world;
