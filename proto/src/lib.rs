//! The wire contract of SHIM: messages, clients and servers generated from `shim/<area>/v1/*.proto`.
//!
//! Written by hand are only this module map and the constants beside it ([`limits`], [`reasons`], [`fitness`]); the `.proto` files
//! carry the documentation.

pub mod fitness;
pub mod limits;
pub mod reasons;

/// Sessions, checkpoints, crash signals and recovery.
pub mod checkpoint {
    /// Package `shim.checkpoint.v1`.
    #[allow(missing_docs, unreachable_pub, clippy::all, clippy::pedantic)]
    pub mod v1 {
        tonic::include_proto!("shim.checkpoint.v1");
    }
}

/// State, locks, files, messages, workers and tasks shared by many sessions.
pub mod coordination {
    /// Package `shim.coordination.v1`.
    #[allow(missing_docs, unreachable_pub, clippy::all, clippy::pedantic)]
    pub mod v1 {
        tonic::include_proto!("shim.coordination.v1");
    }
}

/// The life of workers, and tasks for workers in other processes.
pub mod worker {
    /// Package `shim.worker.v1`.
    #[allow(missing_docs, unreachable_pub, clippy::all, clippy::pedantic)]
    pub mod v1 {
        tonic::include_proto!("shim.worker.v1");
    }
}

/// Analyzing code, evolving it, and writing tests for it.
pub mod evolution {
    /// Package `shim.evolution.v1`.
    #[allow(missing_docs, unreachable_pub, clippy::all, clippy::pedantic)]
    pub mod v1 {
        tonic::include_proto!("shim.evolution.v1");
    }
}

/// Every file of the contract with its imports and comments, encoded as a `google.protobuf.FileDescriptorSet`.
///
/// Servers offer it through reflection; the command line prints messages as JSON with it.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/shim.bin"));
