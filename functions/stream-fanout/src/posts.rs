//! How much a tenant may post to its sockets: the account's limit on API Gateway's management API is
//! shared by all tenants, so one tenant's storm must not use it up.

use jiff::Timestamp;

/// Posts a second that a tenant may have for long, from one environment.
const POSTS_PER_SECOND: f64 = 1_000.0;
/// Posts that it may have at once.
const BURST: f64 = 2_000.0;

/// A tenant's token bucket.
#[derive(Debug, Clone, Copy)]
pub struct Posts {
    left: f64,
    at: Timestamp,
}

impl Default for Posts {
    fn default() -> Self {
        Self { left: BURST, at: Timestamp::MIN }
    }
}

impl Posts {
    /// How many of `wanted` posts may be made at `now`.
    pub fn take(&mut self, wanted: usize, now: Timestamp) -> usize {
        if self.at != Timestamp::MIN {
            let elapsed_s = now.duration_since(self.at).as_secs_f64().max(0.0);
            self.left = (self.left + elapsed_s * POSTS_PER_SECOND).min(BURST);
        }
        self.at = now;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to the burst")]
        let allowed = wanted.min(self.left.max(0.0) as usize);
        #[expect(clippy::cast_precision_loss, reason = "at most the burst")]
        let taken = allowed as f64;
        self.left -= taken;
        allowed
    }
}
