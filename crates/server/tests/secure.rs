//! HTTPS from files and the Unix socket. The certificate beside this file is its own authority and good for nothing else: its key
//! is here for everybody to read.

#![allow(clippy::unwrap_used)]

mod common;

use common::{Running, options, state};
use parasol_server::{Server, TlsFiles};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tls").join(name)
}

fn identity() -> Option<TlsFiles> {
    Some(TlsFiles { certificate: file("certificate.pem"), key: file("key.pem") })
}

/// Asks for `/healthz` over TLS.
async fn ask(server: &Running) -> std::io::Result<String> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(file("certificate.pem")).unwrap()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(server.address).await?;
    let connector = TlsConnector::from(Arc::new(config));
    let mut stream = connector.connect("localhost".try_into().unwrap(), stream).await?;
    let origin = format!("https://localhost:{}", server.address.port());
    let head = format!("host: localhost:{}\r\norigin: {origin}", server.address.port());
    let request = format!("GET /healthz HTTP/1.1\r\n{head}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut text = String::new();
    stream.read_to_string(&mut text).await?;
    Ok(text)
}

#[test]
fn https_is_served_from_files_and_nothing_else_on_that_port() {
    let server = Running::start(|options| options.tls = identity());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let text = runtime.block_on(ask(&server)).unwrap();
    assert!(text.starts_with("HTTP/1.1 200") && text.ends_with("ok\n"), "{text}");
    // Plain HTTP to it is no TLS and gets no answer in HTTP; the next client is served as before.
    assert_eq!(server.get("/healthz", &[]).status, 0);
    runtime.block_on(ask(&server)).unwrap();
}

#[test]
fn wrong_files_are_named_before_anything_listens() {
    let home = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for (certificate, key, named) in [
        ("certificate.pem", "no-such.pem", "no-such.pem"),
        ("no-such.pem", "key.pem", "no-such.pem"),
        ("key.pem", "key.pem", "no certificate"),
        ("certificate.pem", "certificate.pem", "certificate.pem"),
    ] {
        let mut options = options(home.path());
        options.tls = Some(TlsFiles { certificate: file(certificate), key: file(key) });
        let error = runtime.block_on(Server::bind(state(options))).err().unwrap();
        assert!(error.message().contains(named), "{error}");
    }
}

#[cfg(unix)]
#[test]
fn a_unix_socket_answers_its_user_and_replaces_one_left_behind() {
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::net::{UnixListener, UnixStream};
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("parasol.sock");
    // A server that was killed leaves its socket.
    drop(UnixListener::bind(&path).unwrap());
    let _server = Running::start(|options| options.unix_socket = Some(path.clone()));
    let mut stream = UnixStream::connect(&path).unwrap();
    stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    assert!(text.starts_with("HTTP/1.1 200"), "{text}");
    let mode = std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode & 0o077, 0, "others may use it: {mode:o}");
    // One that is in use is not taken away.
    let home = tempfile::tempdir().unwrap();
    let mut options = options(home.path());
    options.unix_socket = Some(path);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    assert!(runtime.block_on(Server::bind(state(options))).is_err());
}
