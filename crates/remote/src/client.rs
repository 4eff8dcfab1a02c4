//! The HTTP client: one for backends on this machine, which no proxy leads to, and one for the others.

use crate::backend::seconds;
use crate::entry::Limits;
use parasol_core::{Error, ErrorKind, Result};
use reqwest::dns::Resolve;
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
    let mut builder = builder(seconds(limits.connect))?.pool_idle_timeout(KEPT);
    if local {
        builder = builder.no_proxy();
    }
    builder.build().map_err(|e| internal(&e))
}

/// What all clients have in common.
///
/// # Errors
/// `Internal` when TLS cannot be set up.
pub(crate) fn builder(connect: Duration) -> Result<reqwest::ClientBuilder> {
    Ok(reqwest::Client::builder()
        .tls_backend_preconfigured(tls()?)
        .connect_timeout(connect)
        // A key must not travel to wherever a backend points.
        .redirect(Policy::none())
        .user_agent(concat!("parasol/", env!("CARGO_PKG_VERSION"))))
}

/// A client for addresses that providers name: it carries no key, and `public` resolves their names. Where a proxy leads to them, names
/// are the proxy's business, whose own may be one of this network.
///
/// # Errors
/// `Internal` when TLS cannot be set up.
pub(crate) fn outside(limits: &Limits, public: impl Resolve + 'static) -> Result<reqwest::Client> {
    let mut builder = builder(seconds(limits.connect))?.https_only(true);
    let set = |name: &&str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    if !["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"].iter().any(set) {
        builder = builder.dns_resolver(Arc::new(public));
    }
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
