//! The last operations on a head, remembered in it: when the answer to a write is lost and the SDK
//! sends it again, the condition fails on the new `rev`, and this tells that it was the write itself.

use crate::agent::Creation;

/// How many operations a head remembers.
const OPERATIONS_MAX: usize = 8;
const OPERATION_BYTES: usize = 8;

/// One write, told apart from all others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Operation([u8; OPERATION_BYTES]);

impl Operation {
    /// A new one for each write that a handler decides on; the SDK's retries send it again.
    pub fn begin() -> Self {
        Self(fastrand::u64(..).to_be_bytes())
    }

    /// The one that a request is, however often it comes.
    pub fn of(request: Creation) -> Self {
        Self(request.operation())
    }
}

/// The operations that a head remembers, the newest last.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Operations(Vec<u8>);

impl Operations {
    pub fn from_bytes(bytes: &[u8]) -> Self {
        Self(bytes.to_vec())
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    pub fn contains(&self, operation: Operation) -> bool {
        self.0.chunks(OPERATION_BYTES).any(|chunk| chunk == operation.0)
    }

    /// These and `operation`, without the oldest if there are too many.
    pub fn and(&self, operation: Operation) -> Self {
        let kept_max = (OPERATIONS_MAX - 1) * OPERATION_BYTES;
        let start = self.0.len().saturating_sub(kept_max);
        let mut bytes = self.0[start..].to_vec();
        bytes.extend_from_slice(&operation.0);
        Self(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_eight_are_remembered() {
        let operations: Vec<_> = (0..9).map(|_| Operation::begin()).collect();
        let remembered = operations.iter().fold(Operations::default(), |all, one| all.and(*one));
        assert!(!remembered.contains(operations[0]));
        assert!(operations[1..].iter().all(|one| remembered.contains(*one)));
        assert_eq!(Operations::from_bytes(remembered.as_bytes()), remembered);
    }
}
