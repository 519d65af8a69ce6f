//! EventBridge's schedules on one machine, and the removal of expired items. Schedules follow the
//! service's clock, which a test may move; one that was due several times meanwhile runs once. What
//! has expired is told by the system's clock.

use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;

use crate::host::Host;

/// How often the reconciler runs.
pub const RECONCILE_EVERY: SignedDuration = SignedDuration::from_hours(1);
/// How often the clock is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Runs what is due, forever.
pub async fn run(host: Arc<Host>) {
    let mut reconciled_at = host.clock.now();
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let now = host.clock.now();
        if now.duration_since(reconciled_at) < RECONCILE_EVERY {
            continue;
        }
        reconciled_at = now;
        let event = serde_json::json!({"source": "aws.scheduler", "detail-type": "Scheduled Event"});
        if let Err(error) = host.stream_fanout.handle(event).await {
            tracing::error!(%error, "the reconciler failed");
        }
        if let Err(error) = host.engine.database().sweep_ttl() {
            tracing::warn!(%error, "expired items were not removed");
        }
    }
}
