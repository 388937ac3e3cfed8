//! `--admin` answers monitoring: metrics, health, readiness.

use hyper::body::Incoming;
use hyper::header::{ACCEPT, CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request, Response};

use super::exposition::{OPENMETRICS, PROMETHEUS, takes_openmetrics, to_prometheus};
use super::metrics::Metrics;
use crate::http::{Body, answer};

/// Answers a request.
pub async fn handle(metrics: Metrics, request: Request<Incoming>) -> Response<Body> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return answer(405, "only GET is answered here");
    }
    match request.uri().path() {
        "/metrics" => {
            let accept = request.headers().get(ACCEPT);
            let accept = accept.and_then(|it| it.to_str().ok()).unwrap_or("");
            let (text, kind) = match takes_openmetrics(accept) {
                true => (metrics.text(), OPENMETRICS),
                false => (to_prometheus(&metrics.text()), PROMETHEUS),
            };
            let mut response = answer(200, text.trim_end());
            let kind = HeaderValue::from_static(kind);
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
