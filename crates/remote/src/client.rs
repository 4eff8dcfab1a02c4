//! The HTTP client: one for backends on this machine, which no proxy leads to, and one for the others.

use crate::backend::seconds;
use crate::entry::Limits;
use crate::guard;
use parasol_core::{Error, ErrorKind, Result};
use reqwest::redirect::Policy;
use rustls::{ClientConfig, RootCertStore};
use std::sync::Arc;
use std::time::Duration;

/// For so long an idle connection is kept.
pub(crate) const KEPT: Duration = Duration::from_secs(90);

/// A client for backends with these limits.
///
/// # Errors
/// `Internal` when TLS cannot be set up.
pub(crate) fn client(limits: &Limits, local: bool) -> Result<reqwest::Client> {
    let mut builder = builder(limits)?.pool_idle_timeout(KEPT);
    if local {
        builder = builder.no_proxy();
    }
    builder.build().map_err(|e| internal(&e))
}

/// What all clients have in common.
///
/// # Errors
/// `Internal` when TLS cannot be set up.
fn builder(limits: &Limits) -> Result<reqwest::ClientBuilder> {
    Ok(reqwest::Client::builder()
        .tls_backend_preconfigured(tls()?)
        .connect_timeout(seconds(limits.connect))
        // A key must not travel to wherever a backend points.
        .redirect(Policy::none())
        .user_agent(concat!("parasol/", env!("CARGO_PKG_VERSION"))))
}

/// A client for addresses that providers name, which [`guard::refused`] has looked at: it carries no key, and connects to public
/// addresses alone.
///
/// # Errors
/// `Internal` when TLS cannot be set up.
pub(crate) fn outside(limits: &Limits) -> Result<reqwest::Client> {
    let builder = builder(limits)?.https_only(true).dns_resolver(Arc::new(guard::Public::new()));
    builder.build().map_err(|e| internal(&e))
}

/// The web's certificates, and the system's: companies sign their own.
fn tls() -> Result<ClientConfig> {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| internal(&e))?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

fn internal(error: &dyn std::error::Error) -> Error {
    Error::new(ErrorKind::Internal, format!("the HTTP client cannot be set up: {error}"))
}
