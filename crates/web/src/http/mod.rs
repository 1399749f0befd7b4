//! From a socket to a handler and back: limits, checks, parameters, answers.

mod cache;
mod call;
mod dispatch;
mod guard;
mod problem;
mod reply;
mod route;
mod server;
mod stream;
mod tls;

pub(crate) use call::{Call, Caller, Params};
pub(crate) use guard::Guard;
pub(crate) use problem::{Problem, ProblemBody};
pub(crate) use reply::Reply;
pub(crate) use route::{Handler, Kind, Param, Route, param};
pub use server::{Server, StartError};
pub(crate) use stream::ChangeEvent;
