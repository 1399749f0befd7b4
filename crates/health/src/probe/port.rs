//! Ports: whether they accept connections, and whether they speak TLS.

use super::Context;
use super::dial::{Progress, dial};
use super::tls::shake_hands;
use crate::config::HostPort;
use crate::measurement::Probed;

/// Connects and closes. Nothing is sent: a webhook posts nothing, a mail server gets no mail.
pub(super) async fn probe_tcp(to: &HostPort, context: &Context) -> Probed {
    let mut progress = Progress::start(context.timeout);
    dial(to, &mut progress).await?;
    Ok(progress.finish())
}

/// Connects, shakes hands and closes.
pub(super) async fn probe_tls(to: &HostPort, context: &Context) -> Probed {
    let mut progress = Progress::start(context.timeout);
    let stream = dial(to, &mut progress).await?;
    shake_hands(stream, to, context.now, &context.trust, &mut progress).await?;
    Ok(progress.finish())
}
