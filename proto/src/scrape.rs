//! Metrics for Prometheus: OpenMetrics text over plain HTTP, at `/metrics` and nowhere else.
//!
//! Whoever reaches the port may read, and can do nothing else: there is no identity, and a request changes nothing. So
//! the port opens only when asked for. A client can hold one of [`MAX_CONNECTIONS`] for [`CONNECTION_TIME`].

use std::{convert::Infallible, io, net::SocketAddr, sync::Arc, time::Duration};

use http::{
    HeaderValue, Method, Request, Response, StatusCode,
    header::{ALLOW, CONTENT_TYPE},
};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use prometheus_client::{encoding::text::encode, registry::Registry};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::{sleep, timeout},
};

/// The only path.
pub const PATH: &str = "/metrics";
/// Connections at a time; others are closed at once.
pub const MAX_CONNECTIONS: usize = 8;
/// Time for a request and its answer.
pub const CONNECTION_TIME: Duration = Duration::from_secs(5);
/// Size of a request's head, in bytes. The smallest that hyper accepts.
pub const MAX_HEAD_BYTES: usize = 8192;
/// Pause after a failed `accept`, such as for lack of descriptors.
const PAUSE: Duration = Duration::from_millis(200);

const OPENMETRICS: HeaderValue =
    HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");
const PLAIN: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

/// An open port.
#[derive(Debug)]
pub struct Port {
    listener: TcpListener,
    connection_time: Duration,
}

impl Port {
    /// Opens a port; port 0 picks a free one.
    ///
    /// # Errors
    /// Those of the system, such as an address in use.
    pub async fn open(address: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        Ok(Self { listener, connection_time: CONNECTION_TIME })
    }

    /// The address, with the port that was picked.
    ///
    /// # Errors
    /// Those of the system.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves the metrics that `registry` returns at each request, until the task is dropped.
    pub async fn serve(self, registry: impl Fn() -> Arc<Registry> + Send + Sync + 'static) {
        let (registry, limit) = (Arc::new(registry), self.connection_time);
        let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        loop {
            match self.listener.accept().await {
                Ok((stream, address)) => {
                    let Ok(place) = Arc::clone(&places).try_acquire_owned() else { continue };
                    let registry = Arc::clone(&registry);
                    tokio::spawn(async move {
                        let _place = place;
                        match timeout(limit, converse(stream, &*registry)).await {
                            Ok(Ok(())) => {}
                            Ok(Err(error)) => tracing::debug!("metrics for {address}: {error}"),
                            Err(_) => tracing::debug!("metrics for {address}: over {limit:?}"),
                        }
                    });
                }
                Err(error) => {
                    tracing::warn!("cannot accept a connection for metrics: {error}");
                    sleep(PAUSE).await;
                }
            }
        }
    }
}

/// Answers the request of a connection.
async fn converse(stream: TcpStream, registry: &impl Fn() -> Arc<Registry>) -> hyper::Result<()> {
    let answer = |request: Request<Incoming>| {
        let answer = answer(request.method(), request.uri().path(), registry);
        async { Ok::<_, Infallible>(answer) }
    };
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(CONNECTION_TIME)
        .max_buf_size(MAX_HEAD_BYTES)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service_fn(answer))
        .await
}

fn answer(method: &Method, path: &str, registry: impl Fn() -> Arc<Registry>) -> Response<String> {
    let (status, kind, body) = match (method, path) {
        (&Method::GET, PATH) => {
            let mut text = String::new();
            match encode(&mut text, &registry()) {
                Ok(()) => (StatusCode::OK, OPENMETRICS, text),
                Err(_) => (StatusCode::INTERNAL_SERVER_ERROR, PLAIN, "cannot encode the metrics\n".into()),
            }
        }
        (_, PATH) => (StatusCode::METHOD_NOT_ALLOWED, PLAIN, "only GET is allowed\n".into()),
        _ => (StatusCode::NOT_FOUND, PLAIN, format!("the metrics are at {PATH}\n")),
    };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, kind);
    if status == StatusCode::METHOD_NOT_ALLOWED {
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET"));
    }
    response
}

#[cfg(test)]
mod tests {
    use prometheus_client::metrics::counter::Counter;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    async fn open(connection_time: Duration) -> SocketAddr {
        let mut registry = Registry::with_prefix("ringbench");
        let counter = Counter::<u64>::default();
        counter.inc();
        registry.register("tests", "Tests", counter);
        let registry = Arc::new(registry);
        let port = Port::open("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let port = Port { connection_time, ..port };
        let address = port.address().unwrap();
        tokio::spawn(port.serve(move || Arc::clone(&registry)));
        address
    }

    async fn ask(address: SocketAddr, request: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        // The server may close before all is written.
        let _ = stream.write_all(request.as_bytes()).await;
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer).await;
        answer
    }

    #[tokio::test]
    async fn answers_get_of_the_path_and_nothing_else() {
        let address = open(CONNECTION_TIME).await;
        let answer = ask(address, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert!(
            answer.contains("content-type: application/openmetrics-text; version=1.0.0; charset=utf-8\r\n")
        );
        assert!(answer.ends_with("\nringbench_tests_total 1\n# EOF\n"), "{answer}");
        for (request, status) in [
            ("GET / HTTP/1.1\r\nHost: x\r\n\r\n", "404"),
            ("GET /metrics/ HTTP/1.1\r\nHost: x\r\n\r\n", "404"),
            ("HEAD /metrics HTTP/1.1\r\nHost: x\r\n\r\n", "405"),
            ("POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc", "405"),
            ("nonsense\r\n\r\n", "400"),
        ] {
            let answer = ask(address, request).await;
            assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{request}: {answer}");
        }
        let long = format!("GET /metrics HTTP/1.1\r\nA: {}\r\n\r\n", "x".repeat(MAX_HEAD_BYTES * 2));
        let answer = ask(address, &long).await;
        assert!(!answer.contains(" 200 "), "{answer}");
    }

    #[tokio::test]
    async fn silent_clients_keep_nobody_out_for_long() {
        let address = open(Duration::from_millis(500)).await;
        let mut silent = Vec::new();
        for _ in 0..MAX_CONNECTIONS {
            silent.push(TcpStream::connect(address).await.unwrap());
        }
        let mut ended = [0u8; 1];
        for stream in &mut silent {
            assert_eq!(stream.read(&mut ended).await.unwrap_or(0), 0, "closed");
        }
        let answer = ask(address, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").await;
        assert!(answer.contains("# EOF"), "{answer}");
    }
}
