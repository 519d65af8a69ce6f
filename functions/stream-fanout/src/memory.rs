//! What an environment remembers between invocations: the ends of the logs that it appended to last,
//! which saves reading them, and how much it has posted for whom.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use agent_management::event::{REMEMBERED_MAX, Tail};
use agent_management::id::TenantId;
use agent_management::webhook::Endpoint;
use jiff::Timestamp;

use crate::hand_on::ENDPOINTS_AGE_MAX;
use crate::posts::Posts;

/// The most tenants that are remembered; above it all are forgotten, which costs a read each.
const TENANTS_MAX: usize = 1_000;

#[derive(Debug, Default)]
pub struct Memory {
    tails: Mutex<HashMap<TenantId, Tail>>,
    posts: Mutex<HashMap<TenantId, Posts>>,
    endpoints: Mutex<HashMap<TenantId, (Timestamp, Vec<Endpoint>)>>,
}

impl Memory {
    /// Takes what is known of the end of a tenant's log.
    pub fn take_tail(&self, tenant: &TenantId) -> Option<Tail> {
        locked(&self.tails).remove(tenant)
    }

    /// Keeps what is known of the end of a tenant's log, and forgets the others' where all of them
    /// would remember more than an environment has room for.
    pub fn keep_tail(&self, tenant: &TenantId, tail: Tail) {
        if tail.remembered() > REMEMBERED_MAX {
            return;
        }
        let mut tails = locked(&self.tails);
        let remembered: usize = tails.values().map(Tail::remembered).sum();
        if tails.len() >= TENANTS_MAX || remembered + tail.remembered() > REMEMBERED_MAX {
            tails.clear();
        }
        tails.insert(tenant.clone(), tail);
    }

    /// The tenant's endpoints, if they were read a moment ago.
    pub fn endpoints(&self, tenant: &TenantId, now: Timestamp) -> Option<Vec<Endpoint>> {
        let endpoints = locked(&self.endpoints);
        let (read_at, known) = endpoints.get(tenant)?;
        (now.duration_since(*read_at).unsigned_abs() < ENDPOINTS_AGE_MAX).then(|| known.clone())
    }

    pub fn keep_endpoints(&self, tenant: &TenantId, endpoints: Vec<Endpoint>, now: Timestamp) {
        keep(&self.endpoints, tenant, (now, endpoints));
    }

    /// What the tenant has posted lately.
    pub fn posts<T>(&self, tenant: &TenantId, use_them: impl FnOnce(&mut Posts) -> T) -> T {
        let mut posts = locked(&self.posts);
        if posts.len() >= TENANTS_MAX && !posts.contains_key(tenant) {
            posts.clear();
        }
        use_them(posts.entry(tenant.clone()).or_default())
    }
}

fn keep<T>(all: &Mutex<HashMap<TenantId, T>>, tenant: &TenantId, one: T) {
    let mut all = locked(all);
    if all.len() >= TENANTS_MAX {
        all.clear();
    }
    all.insert(tenant.clone(), one);
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
