//! The suite: the broker as a process, under real clients and engines. One binary, so that all of
//! it shares one broker and one link step.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "tests")]

/// One test per client, named after it: `with_clients!(check; kcat java)` calls
/// `check(Client::Kcat)` in the test `kcat`, and verifies the topics that were written in it. The page
/// about clients is written from these lists.
macro_rules! with_clients {
    ($check:path; $($name:ident)+) => {
        #[allow(dead_code, reason = "the page about clients shows most of these lists")]
        pub(crate) const TESTED: &[&str] = &[$(stringify!($name)),+];

        $(#[test]
        fn $name() {
            let client = strom_integration_tests::client::Client::by_name(stringify!($name));
            crate::verified::afterwards(|| $check(client));
        })+
    };
}
pub(crate) use with_clients;

mod admin;
mod admin_effects;
mod admin_tools;
mod administration;
mod bit_for_bit;
mod catalog;
mod clients_page;
mod commands;
mod compose;
mod crash;
mod delivery;
mod docs;
mod engines;
mod fidelity;
mod full_disk;
mod group_state;
mod groups;
mod hostile;
mod long_poll;
mod records;
mod refusals;
mod refused_starts;
mod restart;
mod seek;
mod semantics;
mod static_members;
mod tidy;
mod tools;
mod verified;
mod wire;
