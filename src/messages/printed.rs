//! What the commands of this folder print, as snapshots: the documentation of their output.

use insta::assert_snapshot;
use shim_proto::coordination::v1::{Message, ReceiveMessagesResponse};

use super::read;
use crate::samples::{ago, both_faces, data, id, printed};

#[test]
fn read() {
    let received = ReceiveMessagesResponse {
        messages: vec![Message {
            message_id: id(50),
            sender: "me@laptop".into(),
            text: "the schema is merged,\ngo on with the index".into(),
            data: data(r#"{"commit":"5f3a9c1"}"#),
            sent_at: ago(60),
            deliveries: 1,
        }],
        remaining: 2,
    };
    assert_snapshot!(both_faces(&received, |out| read::print(&received, out)));
    let none = ReceiveMessagesResponse::default();
    assert_snapshot!("read_of_none", printed(|out| read::print(&none, out)));
}
