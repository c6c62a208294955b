//! The errors of the evolution service, and what each is in gRPC.
//!
//! Each room has a block of variants and the rows of the same names in the table below.

use shim_runtime::error_table;
use shim_sqlite::OpenError;

use crate::project::ProjectError;
use crate::store::StoreError;
use crate::tool_host::HostError;

/// A call that the evolution service refuses, or that failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum EvolutionError {
    // The store.
    /// The store refuses or fails.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There is no evolution of this id.
    #[error("there is no evolution {0}")]
    EvolutionUnknown(String),
    /// Several ids begin or end like this.
    #[error("{count} evolutions have an id that begins or ends with {given}")]
    EvolutionAmbiguous {
        /// What the request named.
        given: String,
        /// How many there are.
        count: usize,
    },
    /// The evolution is not in the state that the call is for.
    #[error("evolution {evolution} is {state}, not {expected}")]
    WrongState {
        /// Its id.
        evolution: String,
        /// Its state, in a word.
        state: &'static str,
        /// The state that the call is for, in a word.
        expected: &'static str,
    },
    /// A proposal is larger than what is kept.
    #[error("the proposal of {transform} has {bytes} bytes of changes")]
    ProposalTooLarge {
        /// Its transform.
        transform: String,
        /// Its size, encoded.
        bytes: usize,
    },

    // Projects and tools.
    /// The path names no project that can be worked on.
    #[error(transparent)]
    Project(#[from] ProjectError),
    /// A tool refuses or fails, or cannot be had.
    #[error(transparent)]
    Host(#[from] HostError),

    /// Code of the project would have to run, and somebody decided against that.
    #[error("{root}: its own code would have to run, and somebody decided that it does not")]
    Distrusted {
        /// The project.
        root: String,
    },

    // Tasks.
    /// A task has a payload that cannot be used.
    #[error("{0}")]
    Arguments(String),
    /// A task of a kind that is done elsewhere.
    #[error("kind: tasks of the kind {0:?} are not done here")]
    KindUnknown(String),

    // Calls.
    /// The client went away, or called the work off.
    #[error("the call was cancelled; nothing was changed by it")]
    Cancelled,
    /// The call took longer than `evolution.timeout`.
    #[error("the call took longer than {seconds} s")]
    CallTooLong {
        /// The limit.
        seconds: u64,
    },
    /// The service is being stopped.
    #[error("the service is stopping")]
    Stopping,
    /// The room that answers the call is not part of this version.
    #[error("this version cannot {0} yet")]
    NotBuilt(&'static str),
}

error_table! { EvolutionError (transparent: Store, Project, Host),
    EvolutionUnknown => NotFound EVOLUTION_NOT_FOUND, "list them with ListEvolutions";
    EvolutionAmbiguous => NotFound EVOLUTION_NOT_FOUND, "give more characters of its id";
    WrongState => FailedPrecondition EVOLUTION_STATE, "look at it with GetEvolution; EvolveCode proposes anew";
    ProposalTooLarge => ResourceExhausted QUOTA_EXCEEDED, "limit the call to fewer files with include";
    Arguments => InvalidArgument BAD_REQUEST, "correct the payload and submit the task again";
    KindUnknown => InvalidArgument BAD_REQUEST, "use analyze, evolve or generate_tests, or another executor";
    Distrusted => FailedPrecondition PROJECT_DISTRUSTED,
        "if its code may run after all, say so with `shim trust PATH`, then call again";
    Cancelled => Cancelled CANCELLED;
    CallTooLong => DeadlineExceeded TOOL_TIMED_OUT,
        "limit the call to fewer files with include, or raise evolution.timeout";
    Stopping => Unavailable STOPPING, "try again when it is back", retry 1_000;
    NotBuilt => Unimplemented INTERNAL;
}

/// Why the service cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The data folder or the database cannot be used.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// A folder of its own cannot be made.
    #[error("the folders of the evolution service cannot be made: {0}")]
    Folders(std::io::Error),
    /// The gRPC server failed.
    #[error(transparent)]
    Serve(#[from] shim_runtime::server::ServeError),
}
