//! `--admin` answers monitoring: metrics, health, readiness.

use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request, Response};

use super::metrics::Metrics;
use crate::http::{Body, answer};

/// The type of what `/metrics` gives.
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Answers a request.
pub async fn handle(metrics: Metrics, request: Request<Incoming>) -> Response<Body> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return answer(405, "only GET is answered here");
    }
    match request.uri().path() {
        "/metrics" => {
            let mut response = answer(200, metrics.text().trim_end());
            let kind = HeaderValue::from_static(OPENMETRICS);
            response.headers_mut().insert(CONTENT_TYPE, kind);
            response
        }
        "/healthz" => answer(200, "alive"),
        "/readyz" if metrics.output.up.get() == 0 => {
            answer(503, "the next hop does not take records")
        }
        "/readyz" if metrics.state_up.get() == 0 => answer(503, "the state cannot be written"),
        "/readyz" => answer(200, "ready"),
        _ => answer(404, "there are /metrics, /healthz and /readyz"),
    }
}
