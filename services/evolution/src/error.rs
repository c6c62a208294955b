//! The errors of the evolution service, and what each is in gRPC.
//!
//! Each room has a block of variants and the rows of the same names in the table below.

use shim_runtime::error_table;
use shim_sqlite::{JobError, OpenError, SqliteError};

use crate::project::{GitRefusal, ProjectError};
use crate::store::StoreError;
use crate::test_runs::TestRunError;
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
    /// What an agent answered is no change that could be proposed.
    #[error("the answer of the agent: {0}")]
    AgentAnswer(String),
    /// A proposal that was to be applied did not hold.
    #[error("evolution {evolution} was applied and is {state}: {reason}")]
    NotKept {
        /// Its id.
        evolution: String,
        /// Its state, in a word.
        state: &'static str,
        /// Why.
        reason: String,
    },
    /// A task could not be handed on to the coordination service, or not read there.
    #[error("{what} was not handed on: {why}")]
    NotSubmitted {
        /// What was to be done.
        what: String,
        /// What the coordination service said.
        why: String,
    },
    /// A task of a kind that is done elsewhere.
    #[error("kind: tasks of the kind {0:?} are not done here")]
    KindUnknown(String),

    // Changes of code.
    /// What is not committed cannot be changed in a worktree.
    #[error("{0}: it is in no git repository")]
    NoRepository(String),
    /// A repository without a commit has nothing to begin with.
    #[error("{0}: its repository has no commit")]
    NoCommit(String),
    /// A repository without a working tree is worked on by no call.
    #[error("{0}: it is a repository without a working tree")]
    BareRepository(String),
    /// git does not trust the owner of the repository.
    #[error("{root}: {why}")]
    ForeignRepository {
        /// The project.
        root: String,
        /// What git refuses.
        why: String,
    },
    /// There is no git.
    #[error("{root}: {why}")]
    GitMissing {
        /// The project.
        root: String,
        /// What was tried.
        why: String,
    },
    /// git does not let us use the repository.
    #[error("{root}: {why}")]
    RepositoryUnusable {
        /// The project.
        root: String,
        /// What git said.
        why: String,
    },
    /// There is no transform of this name.
    #[error("transforms: there is no transform {0}")]
    TransformUnknown(String),
    /// A user's transform cannot be used.
    #[error("custom_transform: {path}: {why}")]
    CustomTransform {
        /// Its file.
        path: String,
        /// What is wrong with it.
        why: String,
    },
    /// A user's transform lies outside of what may be worked on.
    #[error("custom_transform: {0} is outside of the folders that may be worked on")]
    TransformOutsideRoots(String),
    /// The evolution has no such file.
    #[error("paths: the evolution does not change {0}")]
    PathUnknown(String),
    /// A file that a change is offered for is not as it is committed.
    #[error("{0} differs from what is committed, or is not committed")]
    NotCommitted(String),
    /// A change that was offered changes nothing.
    #[error("the change leaves all files as they are")]
    NothingOffered,
    /// git refuses or fails.
    #[error("{doing}: {why}")]
    Git {
        /// What was tried.
        doing: String,
        /// What git said.
        why: String,
    },
    /// A stored diff does not fit the content that it was made from.
    #[error("{path}: its stored diff does not fit: {why}")]
    DiffDoesNotFit {
        /// The file.
        path: String,
        /// Where.
        why: String,
    },
    /// A file of a worktree cannot be read or written.
    #[error("{path}: {why}")]
    WorktreeFile {
        /// The file.
        path: String,
        /// What the system said.
        why: String,
    },
    /// The disk of the data folder or of the repository is full.
    #[error("the disk is full: {0}")]
    DiskFull(String),
    /// The project's tests prove nothing, with or without a change.
    #[error("the project's tests cannot show whether a change holds; before it, {0}")]
    TestsUnusable(String),
    /// Later changes stand where a commit would be undone.
    #[error("commit {commit} cannot be undone: {why}")]
    RevertConflict {
        /// The commit.
        commit: String,
        /// What git said.
        why: String,
    },
    // Tests.
    /// The project's tests cannot be run.
    #[error(transparent)]
    TestRun(#[from] TestRunError),

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
}

error_table! { EvolutionError (transparent: Store, Project, Host, TestRun),
    EvolutionUnknown => NotFound EVOLUTION_NOT_FOUND, "list them with ListEvolutions";
    EvolutionAmbiguous => NotFound EVOLUTION_NOT_FOUND, "give more characters of its id";
    WrongState => FailedPrecondition EVOLUTION_STATE, "look at it with GetEvolution; EvolveCode proposes anew";
    ProposalTooLarge => ResourceExhausted QUOTA_EXCEEDED, "limit the call to fewer files with include";
    Arguments => InvalidArgument BAD_REQUEST, "correct the payload and submit the task again";
    AgentAnswer => InvalidArgument BAD_REQUEST, "hand it to an agent again: submit a task of the kind evolve with agents in its payload";
    NotKept => FailedPrecondition EVOLUTION_STATE, "look at its checks with GetEvolution; EvolveCode proposes anew";
    NotSubmitted => Unavailable QUEUE_UNAVAILABLE, "submit the task again; what was proposed is kept", retry 1_000;
    KindUnknown => InvalidArgument BAD_REQUEST, "use analyze, evolve or generate_tests, or another executor";
    Distrusted => FailedPrecondition PROJECT_DISTRUSTED,
        "if its code may run after all, say so with `shim trust PATH`, then call again";
    NoRepository => FailedPrecondition NO_REPOSITORY, "run `git init` there, commit its files, then call again";
    NoCommit => FailedPrecondition NO_REPOSITORY, "commit its files, by `git add -A` and `git commit` for example; then call again";
    BareRepository => FailedPrecondition NO_REPOSITORY,
        "check it out beside by `git worktree add FOLDER`, and name that folder";
    ForeignRepository => FailedPrecondition NO_REPOSITORY,
        "if you trust its owner, run `git config --global --add safe.directory FOLDER` with the top folder of the repository, as the user that runs the service; then call again";
    GitMissing => FailedPrecondition NO_REPOSITORY, "install git, so that it is on the PATH of the service; then restart the stack";
    RepositoryUnusable => FailedPrecondition NO_REPOSITORY,
        "correct what git says until `git status` succeeds there for the user that runs the service; then call again";
    TransformUnknown => InvalidArgument TRANSFORM_UNKNOWN, "ListTransforms names them";
    CustomTransform => InvalidArgument BAD_REQUEST, "name a file that exports a function for jscodeshift, and correct what it says";
    TransformOutsideRoots => PermissionDenied OUTSIDE_ROOTS,
        "put it below one of evolution.roots, or add its folder to that list in shim.toml and restart the stack";
    PathUnknown => InvalidArgument BAD_REQUEST, "GetEvolution names the files of an evolution";
    NotCommitted => FailedPrecondition EVOLUTION_OUTDATED, "commit or stash it, then call again";
    NothingOffered => InvalidArgument BAD_REQUEST;
    Git => Internal TOOL_FAILED, "correct what git says, then call again";
    DiffDoesNotFit => FailedPrecondition EVOLUTION_OUTDATED, "propose it anew with EvolveCode";
    WorktreeFile => Internal TOOL_FAILED, "correct what the system says, then call again";
    DiskFull => ResourceExhausted DISK_FULL, "free space, then try again", retry 5_000;
    TestsUnusable => FailedPrecondition TOOL_FAILED,
        "mend the tests first, or take the trust back with TrustProject to verify without them";
    RevertConflict => FailedPrecondition EVOLUTION_STATE,
        "check out the branch that has the commit, run `git revert` with its id, settle the conflicts that git shows, and commit";
    Cancelled => Cancelled CANCELLED;
    CallTooLong => DeadlineExceeded TOOL_TIMED_OUT,
        "limit the call to fewer files with include, or raise evolution.timeout";
    Stopping => Unavailable STOPPING, "try again when it is back", retry 1_000;
}

impl EvolutionError {
    /// Why nothing can be committed for the project with this root.
    pub(crate) fn of_git(root: String, refusal: Option<&GitRefusal>) -> Self {
        let Some(refusal) = refusal else {
            return Self::NoRepository(root);
        };
        let why = refusal.to_string();
        match refusal {
            GitRefusal::Bare => Self::BareRepository(root),
            GitRefusal::Foreign => Self::ForeignRepository { root, why },
            GitRefusal::Missing(_) => Self::GitMissing { root, why },
            GitRefusal::Other(_) => Self::RepositoryUnusable { root, why },
        }
    }

    /// A file that could not be read or written.
    pub(crate) fn of_io(path: &std::path::Path, why: &std::io::Error) -> Self {
        let path = path.display().to_string();
        if why.kind() == std::io::ErrorKind::StorageFull {
            return Self::DiskFull(format!("{path}: {why}"));
        }
        Self::WorktreeFile {
            path,
            why: why.to_string(),
        }
    }
}

impl From<SqliteError> for EvolutionError {
    fn from(error: SqliteError) -> Self {
        Self::Store(StoreError(error))
    }
}

impl From<rusqlite::Error> for EvolutionError {
    fn from(error: rusqlite::Error) -> Self {
        SqliteError::from(error).into()
    }
}

impl JobError for EvolutionError {
    fn store_error(&self) -> Option<&SqliteError> {
        match self {
            Self::Store(StoreError(error)) => Some(error),
            _ => None,
        }
    }
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
