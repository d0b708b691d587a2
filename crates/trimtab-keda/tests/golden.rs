//! What goes over the wire, byte by byte, as KEDA's own messages have it.

#[cfg(test)]
mod scaler;

use std::collections::HashMap;
use std::fmt::Write;
use std::sync::Arc;

use prost::Message;
use scaler::{Bench, object};
use tokio::net::TcpListener;
use tonic::Request;
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::Endpoint;
use tonic_prost::ProstCodec;
use trimtab_keda::proto::{
    GetMetricSpecResponse, GetMetricsRequest, GetMetricsResponse, IsActiveResponse, MetricSpec,
    MetricValue, ScaledObjectRef,
};
use trimtab_keda::{METRIC, Server};

/// The tag, the length where there is one, the content: as protobuf has it, by the numbers of KEDA's fields.
fn hex(message: &impl Message) -> String {
    message.encode_to_vec().iter().fold(String::new(), |mut text, byte| {
        let _always_ok = write!(text, "{byte:02x}");
        text
    })
}

#[test]
fn messages_are_keda_s() {
    let reference = ScaledObjectRef {
        name: "a".into(),
        namespace: "b".into(),
        scaler_metadata: HashMap::from([("k".into(), "v".into())]),
    };
    assert_eq!(hex(&reference), "0a0161120162".to_owned() + "1a060a016b120176");
    assert_eq!(hex(&IsActiveResponse { result: true }), "0801");
    assert_eq!(hex(&IsActiveResponse { result: false }), "");
    let spec = MetricSpec { metric_name: "m".into(), target_size: 1, target_size_float: 1.0 };
    assert_eq!(hex(&spec), "0a016d".to_owned() + "1001" + "19000000000000f03f");
    let specs = GetMetricSpecResponse { metric_specs: vec![spec] };
    assert_eq!(hex(&specs), "0a0e0a016d100119000000000000f03f");
    let value = MetricValue { metric_name: "m".into(), metric_value: 7, metric_value_float: 7.0 };
    assert_eq!(hex(&value), "0a016d".to_owned() + "1007" + "190000000000001c40");
    let values = GetMetricsResponse { metric_values: vec![value] };
    assert_eq!(hex(&values), "0a0e0a016d1007190000000000001c40");
    let ask = GetMetricsRequest {
        scaled_object_ref: Some(ScaledObjectRef { name: "a".into(), ..Default::default() }),
        metric_name: "m".into(),
    };
    assert_eq!(hex(&ask), "0a030a0161".to_owned() + "12016d");
}

/// The five paths, called without the code that is compiled for them.
#[tokio::test]
async fn paths_are_keda_s() {
    let bench = Bench::new(3, 8);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let server = Server::new(Arc::clone(&bench.answers));
    tokio::spawn(server.serve(listener, bench.end.clone()));
    bench.tick().await;
    let channel = Endpoint::new(address).unwrap().connect().await.unwrap();
    let mut grpc = Grpc::new(channel);
    let path = |path: &'static str| PathAndQuery::from_static(path);
    let llm = || Request::new(object(&[]));

    grpc.ready().await.unwrap();
    let codec = ProstCodec::<ScaledObjectRef, IsActiveResponse>::default();
    let active = grpc.unary(llm(), path("/externalscaler.ExternalScaler/IsActive"), codec);
    assert!(active.await.unwrap().into_inner().result);

    grpc.ready().await.unwrap();
    let codec = ProstCodec::<ScaledObjectRef, IsActiveResponse>::default();
    let stream = path("/externalscaler.ExternalScaler/StreamIsActive");
    let mut stream = grpc.server_streaming(llm(), stream, codec).await.unwrap().into_inner();
    assert!(stream.message().await.unwrap().unwrap().result);

    grpc.ready().await.unwrap();
    let codec = ProstCodec::<ScaledObjectRef, GetMetricSpecResponse>::default();
    let specs = grpc.unary(llm(), path("/externalscaler.ExternalScaler/GetMetricSpec"), codec);
    let specs = specs.await.unwrap().into_inner();

    grpc.ready().await.unwrap();
    let codec = ProstCodec::<ScaledObjectRef, GetMetricSpecResponse>::default();
    let stream = path("/externalscaler.ExternalScaler/StreamMetricSpec");
    let mut stream = grpc.server_streaming(llm(), stream, codec).await.unwrap().into_inner();
    assert_eq!(stream.message().await.unwrap().unwrap(), specs);

    grpc.ready().await.unwrap();
    let ask =
        GetMetricsRequest { scaled_object_ref: Some(object(&[])), metric_name: METRIC.into() };
    let codec = ProstCodec::<GetMetricsRequest, GetMetricsResponse>::default();
    let values = path("/externalscaler.ExternalScaler/GetMetrics");
    let values = grpc.unary(Request::new(ask), values, codec).await.unwrap().into_inner();
    insta::assert_debug_snapshot!("answers", (specs, values));
    bench.end.cancel();
}
