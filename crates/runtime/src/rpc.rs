//! What handlers are wired with: methods of a service trait that hand their requests to files of the same names.

use std::pin::Pin;

use tonic::{Response, Status};

/// What a method of a service trait returns, as `#[async_trait]` writes it.
pub type RpcFuture<'a, T> = Pin<Box<dyn Future<Output = Result<Response<T>, Status>> + Send + 'a>>;

/// What a server-streaming RPC answers with.
pub type ResponseStream<T> = tokio_stream::wrappers::ReceiverStream<Result<T, Status>>;

/// Writes methods `name(request) -> response` that call `name::handle(self, request)`.
///
/// `#[async_trait]` does not see into macros, so the signature it would write is written here.
#[macro_export]
macro_rules! unary {
    ($($method:ident: $request:ty => $response:ty),* $(,)?) => {$(
        fn $method<'a, 'async_trait>(
            &'a self,
            request: tonic::Request<$request>,
        ) -> $crate::rpc::RpcFuture<'async_trait, $response>
        where
            'a: 'async_trait,
            Self: 'async_trait,
        {
            Box::pin(async move {
                $method::handle(self, request.into_inner())
                    .await
                    .map(tonic::Response::new)
            })
        }
    )*};
}
