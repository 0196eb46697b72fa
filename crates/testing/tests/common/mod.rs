//! A plain client.
#![allow(dead_code, reason = "not every file of tests needs every part")]

use bytes::Bytes;
use http::{Method, Request, Response, header};
use http_body_util::{BodyExt, Full};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde_json::Value;

pub(crate) type Plain = Client<HttpConnector, Full<Bytes>>;

/// A client that keeps its connections.
pub(crate) fn client() -> Plain {
    Client::builder(TokioExecutor::new()).build_http()
}

pub(crate) fn request(method: Method, url: &str, body: &str) -> Request<Full<Bytes>> {
    let request = Request::builder().method(method).uri(url);
    request.body(Full::new(Bytes::copy_from_slice(body.as_bytes()))).unwrap()
}

/// The answer with its whole body, or why there is none.
pub(crate) async fn send(client: &Plain, request: Request<Full<Bytes>>) -> Result<Response<Bytes>, String> {
    let answer = client.request(request).await.map_err(|error| format!("{error:?}"))?;
    let (head, body) = answer.into_parts();
    let body = body.collect().await.map_err(|error| format!("{error:?}"))?;
    Ok(Response::from_parts(head, body.to_bytes()))
}

pub(crate) async fn get(url: &str) -> Result<Response<Bytes>, String> {
    send(&client(), request(Method::GET, url, "")).await
}

/// A form, by a client whose headers are these.
pub(crate) async fn post_form(url: &str, form: &str, headers: &[(&str, &str)]) -> (u16, Value) {
    let mut request = request(Method::POST, url, form);
    let form = header::HeaderValue::from_static("application/x-www-form-urlencoded");
    request.headers_mut().insert(header::CONTENT_TYPE, form);
    for (name, value) in headers {
        let name: header::HeaderName = name.parse().unwrap();
        request.headers_mut().insert(name, value.parse().unwrap());
    }
    let answer = send(&client(), request).await.unwrap();
    (answer.status().as_u16(), serde_json::from_slice(answer.body()).unwrap_or_default())
}

pub(crate) fn as_json(answer: &Response<Bytes>) -> Value {
    serde_json::from_slice(answer.body()).unwrap()
}
