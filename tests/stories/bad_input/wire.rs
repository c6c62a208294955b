//! Calls any RPC that takes one message with JSON, by the contract's descriptors, so that a case is one line. Of a stream
//! of answers the first is read.

use std::time::Duration;

use bytes::Bytes;
use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage, MethodDescriptor, SerializeOptions};
use serde_json::Value;
use shim_runtime::client::Channel;
use shim_runtime::service_error::{DecodedStatus, decode};
use shim_tests::raw;
use shim_tests::service::Service;
use tonic::Status;

/// A stream that was refused says so at once; one that was accepted may be silent.
const SILENCE: Duration = Duration::from_millis(300);
/// A stream that its client has ended is ended by the service; one that is not, hangs.
const END: Duration = Duration::from_secs(60);

/// Field violations are named as JSON pointers are written here: `/state/decisions`.
pub(crate) struct Wire {
    pool: DescriptorPool,
    package: &'static str,
    channel: Channel,
}

impl Wire {
    /// To the checkpoint service.
    pub(crate) fn to(service: &Service) -> Self {
        Self::of("shim.checkpoint.v1", service)
    }

    /// To the coordination service.
    pub(crate) fn to_coordination(service: &Service) -> Self {
        Self::of("shim.coordination.v1", service)
    }

    /// To the worker service.
    pub(crate) fn to_worker(service: &Service) -> Self {
        Self::of("shim.worker.v1", service)
    }

    /// To the evolution service.
    pub(crate) fn to_evolution(service: &Service) -> Self {
        Self::of("shim.evolution.v1", service)
    }

    fn of(package: &'static str, service: &Service) -> Self {
        let pool = DescriptorPool::decode(shim_proto::FILE_DESCRIPTOR_SET).unwrap();
        Self {
            pool,
            package,
            channel: service.channel(),
        }
    }

    /// Every RPC of the package that takes one message.
    pub(crate) fn methods(&self) -> Vec<MethodDescriptor> {
        let (_, others) = self.by_input_kind();
        others
    }

    /// Every RPC of the package that takes a stream.
    pub(crate) fn streams(&self) -> Vec<MethodDescriptor> {
        let (streams, _) = self.by_input_kind();
        streams
    }

    fn by_input_kind(&self) -> (Vec<MethodDescriptor>, Vec<MethodDescriptor>) {
        self.pool
            .services()
            .filter(|service| service.package_name() == self.package)
            .flat_map(|service| service.methods().collect::<Vec<_>>())
            .partition(MethodDescriptor::is_client_streaming)
    }

    pub(crate) fn method(&self, name: &str) -> MethodDescriptor {
        self.methods()
            .into_iter()
            .find(|method| method.name() == name)
            .unwrap_or_else(|| panic!("no RPC {name}"))
    }

    /// Calls `method` with a message written as JSON.
    pub(crate) async fn call(&self, method: &str, request: &Value) -> Result<Value, DecodedStatus> {
        let method = self.method(method);
        let message = DynamicMessage::deserialize(method.input(), request).unwrap_or_else(|e| {
            panic!(
                "{}: the test's JSON does not fit the contract: {e}",
                method.name()
            )
        });
        let answer = self
            .send(&method, message.encode_to_vec().into())
            .await
            .map_err(|status| decode(&status))?;
        let answer = DynamicMessage::decode(method.output(), answer).unwrap();
        let options = SerializeOptions::new()
            .use_proto_field_name(true)
            .stringify_64_bit_integers(false);
        Ok(answer
            .serialize_with_options(serde_json::value::Serializer, &options)
            .unwrap())
    }

    /// Calls `method` with bytes that may be no message at all.
    pub(crate) async fn send(
        &self,
        method: &MethodDescriptor,
        message: Bytes,
    ) -> Result<Bytes, Status> {
        let (path, channel) = (path(method), self.channel.clone());
        if method.is_server_streaming() {
            raw::first_answer(channel, &path, message, SILENCE).await
        } else {
            raw::unary(channel, &path, message).await
        }
    }

    /// Calls `method` with a stream of messages: all answers, and how they ended.
    pub(crate) async fn exchange(
        &self,
        method: &MethodDescriptor,
        messages: Vec<Bytes>,
    ) -> (Vec<Bytes>, Result<(), Status>) {
        raw::exchange(self.channel.clone(), &path(method), messages, END).await
    }
}

fn path(method: &MethodDescriptor) -> String {
    format!("/{}/{}", method.parent_service().full_name(), method.name())
}
