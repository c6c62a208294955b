//! Seals: keyed hashes that only the holder of a key can make.

use super::hash_chain::Hash;

/// The key of the seals; it is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct SealKey(Hash);

impl std::fmt::Debug for SealKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SealKey")
    }
}

/// Sets these keys apart from any other use of the same secret.
const CONTEXT: &str = "shim 2026 seals of sessions and checkpoints v1";

impl SealKey {
    /// The key of a secret text or bytes.
    pub(crate) fn derive(secret: &[u8]) -> Self {
        Self(blake3::derive_key(CONTEXT, secret))
    }

    fn hash(&self, what: &str, parts: &[&[u8]]) -> Hash {
        let mut hasher = blake3::Hasher::new_keyed(&self.0);
        hasher.update(what.as_bytes());
        for part in parts {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
        *hasher.finalize().as_bytes()
    }
}

/// What the seal of a session covers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SealedSession {
    /// The id in its row.
    pub(crate) id: Vec<u8>,
    /// BLAKE3 of the record, which names the head, and tallies the other rows.
    pub(crate) record_hash: Hash,
    /// The hash of the newest checkpoint, which covers those before; empty if there is none.
    pub(crate) head_hash: Vec<u8>,
}

impl SealedSession {
    /// The session's seal.
    pub(crate) fn seal(&self, key: &SealKey) -> Hash {
        key.hash("session", &[&self.id, &self.record_hash, &self.head_hash])
    }
}

/// What covers the seals of all sessions, in any order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Root {
    /// When the database was sealed first, in microseconds since the Unix epoch.
    pub(crate) since: i64,
    /// The exclusive or of a keyed hash of each seal.
    pub(crate) sum: Hash,
}

impl Root {
    /// Adds a session's seal, or takes it away.
    pub(crate) fn toggle(&mut self, key: &SealKey, id: &[u8], seal: &Hash) {
        let term = key.hash("term", &[id, seal]);
        for (sum, term) in self.sum.iter_mut().zip(term) {
            *sum ^= term;
        }
    }

    /// The root's own seal.
    pub(crate) fn seal(&self, key: &SealKey) -> Hash {
        key.hash("root", &[&self.since.to_le_bytes(), &self.sum])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_part_counts_and_the_order_of_sessions_does_not() {
        let (key, other) = (SealKey::derive(b"one"), SealKey::derive(b"two"));
        let session = SealedSession {
            id: vec![1; 16],
            record_hash: [2; 32],
            head_hash: vec![3; 32],
        };
        let seal = session.seal(&key);
        for changed in [
            SealedSession {
                id: vec![0; 16],
                ..session.clone()
            },
            SealedSession {
                record_hash: [0; 32],
                ..session.clone()
            },
            SealedSession {
                head_hash: Vec::new(),
                ..session.clone()
            },
        ] {
            assert_ne!(changed.seal(&key), seal);
        }
        assert_ne!(session.seal(&other), seal);

        let empty = Root {
            since: 7,
            sum: Hash::default(),
        };
        let (mut one, mut turned) = (empty.clone(), empty.clone());
        one.toggle(&key, &[1], &seal);
        one.toggle(&key, &[2], &seal);
        turned.toggle(&key, &[2], &seal);
        turned.toggle(&key, &[1], &seal);
        assert_eq!(one, turned);
        assert_ne!(one.seal(&key), empty.seal(&key));
        one.toggle(&key, &[1], &seal);
        one.toggle(&key, &[2], &seal);
        assert_eq!(one.seal(&key), empty.seal(&key));
        assert!(!format!("{key:?}").contains(|c: char| c.is_ascii_digit()));
    }
}
