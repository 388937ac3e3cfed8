//! Recognises what PHP-FPM says when all children of a pool are in use: once until some are idle again.
//!
//! What PHP itself writes comes in quotes, unless `decorate_workers_output` is off; so the line must have its head.

use super::table::{Message, read};
use super::{Limit, Said, Server, server};
use crate::event::{Event, Scope};

const NAME: &str = "php-fpm";

pub(super) static SERVER: Server = server!(
    "php-fpm",
    ["max_children setting"],
    recognise,
    [MAX_CHILDREN],
    ["said-once"],
    prefilter: [REACHED]
);

const MAX_CHILDREN: Limit = Limit::new("pm.max_children", Scope::Pool)
    .before_auth()
    .advice("See what the children do (the pool's status page, slow log), often wait for a database; raise pm.max_children in the pool's file.");

const ROWS: [Message; 2] = [
    (
        &MAX_CHILDREN,
        "[%t] WARNING: [pool %s] server reached %[pm.%]max_children setting (%n), consider raising it",
    ),
    (
        &MAX_CHILDREN,
        "[WARNING] [pool %s] server reached %[pm.%]max_children setting (%n), consider raising it",
    ),
];

fn recognise<'a>(said: &Said<'a>) -> Option<Event<'a>> {
    read(NAME, "", &ROWS, said.outer().text)
}

/// What people are shown of it.
#[cfg(not(target_family = "wasm"))]
const SHOWN: super::Shown = super::Shown {
    examples: &[
        (
            &MAX_CHILDREN,
            "7.4–8.4",
            "[«%d-%b-%Y %T»] WARNING: [pool www] server reached pm.max_children setting (5), consider raising it",
        ),
        (
            &MAX_CHILDREN,
            "7.4–8.4",
            "[«%d-%b-%Y %T»] WARNING: [pool www] server reached max_children setting (5), consider raising it",
        ),
    ],
    others: &["[«%d-%b-%Y %T»] WARNING: [pool www] child 12 said into stderr: \"«text»\""],
};
