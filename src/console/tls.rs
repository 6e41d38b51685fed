//! TLS for the console: a listener whose handshakes never keep the next client waiting.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::topology::ConsoleConfig;

/// A handshake takes no longer.
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(5);

/// Clients that may wait to be served.
const WAITING_MAX: usize = 64;

/// Reads certificate and key; none where the configuration names none.
pub(super) fn acceptor(config: &ConsoleConfig) -> Result<Option<TlsAcceptor>, String> {
    let (Some(certificate), Some(key)) = (&config.certificate, &config.private_key) else {
        return Ok(None);
    };
    let file = certificate.display();
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect)
        .map_err(|error| format!("{file}: {error}"))?;
    let file = key.display();
    let key = PrivateKeyDer::from_pem_file(key).map_err(|error| format!("{file}: {error}"))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let server = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
        .map_err(|error| format!("the certificate and its key: {error}"))?;
    Ok(Some(TlsAcceptor::from(Arc::new(server))))
}

/// Clients whose handshake is done.
pub(super) struct Listener {
    done: mpsc::Receiver<(TlsStream<TcpStream>, SocketAddr)>,
    address: io::Result<SocketAddr>,
}

impl Listener {
    pub(super) fn new(listener: TcpListener, acceptor: TlsAcceptor) -> Self {
        let (sender, done) = mpsc::channel(WAITING_MAX);
        let address = listener.local_addr();
        tokio::spawn(async move {
            loop {
                let Ok((stream, peer)) = listener.accept().await else {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                };
                let (acceptor, sender) = (acceptor.clone(), sender.clone());
                tokio::spawn(async move {
                    let shake = tokio::time::timeout(HANDSHAKE_WITHIN, acceptor.accept(stream));
                    if let Ok(Ok(stream)) = shake.await {
                        let _ = sender.send((stream, peer)).await;
                    }
                });
            }
        });
        Self { done, address }
    }
}

impl axum::serve::Listener for Listener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        match self.done.recv().await {
            Some(accepted) => accepted,
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.address.as_ref().copied().map_err(|error| io::Error::from(error.kind()))
    }
}
