//! What the commands of this folder print, as snapshots: the documentation of their output.

use insta::assert_snapshot;
use shim_proto::coordination::v1::{GetLockResponse, ListLocksResponse};

use super::{list, release, show};
use crate::samples::{both_faces, lock, printed};

#[test]
fn list() {
    let listed = ListLocksResponse {
        locks: vec![lock()],
        ..ListLocksResponse::default()
    };
    assert_snapshot!(both_faces(&listed, |out| list::print(
        &listed.locks,
        "demo",
        out
    )));
    assert_snapshot!("list_of_none", printed(|out| list::print(&[], "demo", out)));
}

#[test]
fn show() {
    let found = GetLockResponse { lock: Some(lock()) };
    assert_snapshot!(both_faces(&found, |out| show::print(&lock(), out)));
}

#[test]
fn release_without_force() {
    assert_snapshot!(release::held(&lock(), "").lines());
}
