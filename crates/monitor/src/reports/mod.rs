//! Reports that are sent regularly.
//!
//! [`ScheduledReport`] says when (a [`Cron`] expression in a time zone), on which period, of whom and to whom. The
//! thread `reports` makes each report once when it is due, stores it with what is still to be sent, and sends it;
//! `Memory` is what is known of each one, so that a restart neither forgets nor repeats. What is sent is the notice
//! of `dragline report --send` ([`notice_of`]).
//!
//! A report that was due while the service did not run is sent late, once, and says so: several of one kind that were
//! missed are one report on the latest period.

mod config;
mod cron;
mod made;
mod memory;
mod notice;
mod secrets;
mod task;

pub use self::config::ScheduledReport;
pub use self::cron::Cron;
pub(crate) use self::memory::Memory;
pub use self::notice::{ReportPage, notice_of};
pub(crate) use self::secrets::redact_report;
pub(crate) use self::task::{document, run, schedules};
