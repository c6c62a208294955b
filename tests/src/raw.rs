//! Calls with bytes no generated client would send: broken encodings, wrong wire types, fuzzed messages.

use std::time::Duration;

use bytes::{Buf, BufMut, Bytes};
use http::uri::PathAndQuery;
use shim_runtime::client::Channel;
use tonic::client::Grpc;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::{Request, Status};

/// Sends `message` as it stands to `/service/Method` and returns the answer's bytes.
///
/// # Errors
/// As the service says.
///
/// # Panics
/// If `path` is no path.
pub async fn unary(channel: Channel, path: &str, message: Bytes) -> Result<Bytes, Status> {
    let (mut grpc, path) = ready(channel, path).await?;
    grpc.unary(Request::new(message), path, Verbatim)
        .await
        .map(tonic::Response::into_inner)
}

/// Sends `message` to a method that answers with a stream, and returns the bytes of the first answer; none if the stream
/// ends before, or is silent for as long as `timeout`: then the request was accepted.
///
/// # Errors
/// As the service says.
///
/// # Panics
/// If `path` is no path.
pub async fn first_answer(
    channel: Channel,
    path: &str,
    message: Bytes,
    timeout: Duration,
) -> Result<Bytes, Status> {
    let (mut grpc, path) = ready(channel, path).await?;
    let answers = grpc.server_streaming(Request::new(message), path, Verbatim);
    let mut answers = answers.await?.into_inner();
    match tokio::time::timeout(timeout, answers.message()).await {
        Ok(first) => Ok(first?.unwrap_or_default()),
        Err(_) => Ok(Bytes::new()),
    }
}

/// Sends these messages, in their order, to a method that takes a stream, and ends the stream. Returns the bytes of all
/// answers and how they ended.
///
/// # Panics
/// If `method` is no path, or if the answers have no end within `timeout`.
pub async fn exchange(
    channel: Channel,
    method: &str,
    messages: Vec<Bytes>,
    timeout: Duration,
) -> (Vec<Bytes>, Result<(), Status>) {
    let mut received = Vec::new();
    let conversation = async {
        let (mut grpc, path) = ready(channel, method).await?;
        let outgoing = Request::new(tokio_stream::iter(messages));
        let mut answers = grpc.streaming(outgoing, path, Verbatim).await?.into_inner();
        while let Some(answer) = answers.message().await? {
            received.push(answer);
        }
        Ok(())
    };
    let Ok(ended) = tokio::time::timeout(timeout, conversation).await else {
        panic!("{method} does not end within {timeout:?}");
    };
    (received, ended)
}

/// Sends one empty message to a method of any kind, with a bearer token if one is given, and waits for the first answer
/// as long as `timeout`: a stream that is silent has let the caller in.
///
/// # Errors
/// As the service says.
///
/// # Panics
/// If `path` is no path or `token` no header.
pub async fn call_empty(
    channel: Channel,
    path: &str,
    token: Option<&str>,
    timeout: Duration,
) -> Result<(), Status> {
    let (mut grpc, path) = ready(channel, path).await?;
    let mut request = Request::new(tokio_stream::once(Bytes::new()));
    if let Some(token) = token {
        let shown = format!("Bearer {token}");
        let shown = shown.parse().expect("a token is visible ASCII");
        request.metadata_mut().insert("authorization", shown);
    }
    let first = async {
        let answers = grpc.streaming(request, path, Verbatim).await?;
        answers.into_inner().message().await
    };
    match tokio::time::timeout(timeout, first).await {
        Ok(first) => first.map(drop),
        Err(_) => Ok(()),
    }
}

async fn ready(channel: Channel, path: &str) -> Result<(Grpc<Channel>, PathAndQuery), Status> {
    let mut grpc = Grpc::new(channel).max_decoding_message_size(usize::MAX);
    let ready = grpc.ready().await;
    ready.map_err(|e| Status::unavailable(e.to_string()))?;
    let path = PathAndQuery::try_from(path).expect("a method's path");
    Ok((grpc, path))
}

/// The codec that changes nothing.
#[derive(Debug, Clone, Copy)]
pub struct Verbatim;

impl Codec for Verbatim {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Verbatim {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put(item);
        Ok(())
    }
}

impl Decoder for Verbatim {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(buffer.copy_to_bytes(buffer.remaining())))
    }
}
