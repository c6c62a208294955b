//! What the commands of this folder print, as snapshots: the documentation of their output.

use insta::assert_snapshot;
use shim_proto::coordination::v1::{GetStateResponse, ListStateResponse};

use super::{get, list};
use crate::samples::{both_faces, entry, printed};

#[test]
fn list() {
    let listed = ListStateResponse {
        entries: vec![entry()],
        ..ListStateResponse::default()
    };
    assert_snapshot!(both_faces(&listed, |out| list::print(
        &listed.entries,
        "demo",
        out
    )));
    assert_snapshot!("list_of_none", printed(|out| list::print(&[], "demo", out)));
}

#[test]
fn get() {
    let found = GetStateResponse {
        entry: Some(entry()),
    };
    assert_snapshot!(both_faces(&found, |out| get::print(&entry(), out)));
    assert_snapshot!("get_on_stderr", get::about(&entry()));
}
