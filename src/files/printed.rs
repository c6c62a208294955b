//! What the commands of this folder print, as snapshots: the documentation of their output.

use insta::assert_snapshot;
use shim_proto::coordination::v1::{AcquireFilesResponse, ListFilesResponse};

use super::{acquire, check, list};
use crate::samples::{both_faces, lease, printed};

#[test]
fn list() {
    let listed = ListFilesResponse {
        leases: vec![lease()],
    };
    assert_snapshot!(both_faces(&listed, |out| list::print(
        &listed.leases,
        "demo",
        out
    )));
    assert_snapshot!("list_of_none", printed(|out| list::print(&[], "demo", out)));
}

#[test]
fn acquire() {
    let acquired = AcquireFilesResponse {
        lease: Some(lease()),
        ..AcquireFilesResponse::default()
    };
    assert_snapshot!(both_faces(&acquired, |out| acquire::print(&acquired, out)));
}

#[test]
fn check() {
    let conflicts = [(lease(), vec!["src/store/index.rs".to_owned()])];
    assert_snapshot!(printed(|out| check::print(&conflicts, out)));
}
