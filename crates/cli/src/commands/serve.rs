//! `parasol serve`: settings become a running server, signals its end.

use crate::args::{LogForm, ServeArgs};
use crate::config::ModelEntry;
use crate::exit::{Outcome, Stop};
use crate::interrupt::Listener;
use crate::output;
use clap::ArgMatches;
use parasol_core::{Error, ErrorKind, Result};
use parasol_runtime::{LoadOptions, Models, ModelsOptions, Policy, RemoteEntry};
use parasol_server::{AppState, LogFormat, Running, Server, ServerOptions, TlsFiles, start_logging};
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::time::Duration;

/// Threads that serve connections: the engines need the others.
const THREADS: usize = 2;
/// So long requests that are cut off have to go.
const LAST: Duration = Duration::from_secs(1);

/// Runs the command until it is asked to end.
///
/// # Errors
/// When the server cannot start; `Interrupted` when it had to cut requests off.
pub(crate) fn serve(args: &ServeArgs, matches: &ArgMatches) -> Outcome {
    let format = match args.log_format {
        LogForm::Text => LogFormat::Text,
        LogForm::Json => LogFormat::Json,
    };
    start_logging(format, &args.log_level)?;
    let runtime = super::runtime()?;
    let home = runtime.home().to_owned();
    let settings = crate::config::listed(args.config.as_ref(), matches)?;
    let options = ServerOptions { settings, ..options(args, &home)? };
    let threads = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(THREADS)
        .thread_name("serve")
        .enable_all()
        .build()
        .map_err(|e| Error::from(e).within("cannot start the server's threads"))?;
    // Models that others compute are asked by the threads that serve connections.
    let state = {
        let _inside = threads.enter();
        AppState::new(Models::new(runtime, models(args))?, options)?
    };
    let cut = threads.block_on(run(state.clone(), args, &home));
    // What was cut off is dropped there, and written down. Threads that load a model now would hold the end up longer.
    threads.shutdown_timeout(if matches!(cut, Ok(0)) { Duration::ZERO } else { LAST });
    state.finish();
    match cut? {
        0 => Ok(()),
        cut => {
            output::note(&format!("{cut} requests were cut off after the grace time"));
            Err(Stop::Interrupted)
        }
    }
}

async fn run(state: AppState, args: &ServeArgs, home: &Path) -> Outcome<usize> {
    let listener = Listener::new();
    listener.take_terminate_too();
    let server = Server::bind(state.clone()).await?;
    let scheme = if args.tls_cert.is_some() { "https" } else { "http" };
    let addresses = server.addresses()?;
    for address in &addresses {
        output::note(&format!("Parasol listens at {scheme}://{address}"));
    }
    // With a Unix socket alone there is no address to announce.
    let _announced = match addresses.first() {
        Some(address) => {
            let running = Running::here(format!("{scheme}://{}", reachable(*address)))?;
            state.accept_token(&running.token);
            Some(running.announce(home)?)
        }
        None => None,
    };
    let (stop, stopping) = tokio::sync::watch::channel(false);
    let serving = tokio::spawn(server.serve(stopping));
    listener.wait().await;
    output::note("ending: what runs may finish; once more ends at once");
    // Sent to a server that has ended by itself, it is not needed.
    let _ = stop.send(true);
    let cut =
        serving.await.map_err(|e| Error::new(ErrorKind::Internal, format!("the server failed: {e}")))?;
    Ok(cut)
}

/// An address that a client on this machine can use for one that a server listens on.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::from([127, 0, 0, 1]),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(std::net::Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

fn options(args: &ServeArgs, home: &Path) -> Result<ServerOptions> {
    let tls = match (&args.tls_cert, &args.tls_key) {
        (Some(certificate), Some(key)) => {
            Some(TlsFiles { certificate: certificate.clone(), key: key.clone() })
        }
        (None, None) => None,
        _ => {
            let says = "TLS needs both --tls-cert and --tls-key: one of them is missing";
            return Err(Error::new(ErrorKind::InvalidRequest, says));
        }
    };
    Ok(ServerOptions {
        listen: args.listen.clone(),
        unix_socket: args.unix_socket.clone(),
        insecure: args.insecure,
        hosts: args.host.clone(),
        cors_origins: args.cors_origin.clone(),
        tls,
        max_body: args.max_body,
        max_header_bytes: args.max_header_bytes,
        max_headers: args.max_headers,
        header_timeout: args.header_timeout,
        body_timeout: args.body_timeout,
        write_timeout: args.write_timeout,
        request_timeout: args.request_timeout,
        max_connections: args.max_connections,
        max_queue: args.max_queue,
        grace: args.grace,
        log_prompts: args.log_prompts,
        ..ServerOptions::at(home)
    })
}

fn models(args: &ServeArgs) -> ModelsOptions {
    let allowed = |yes: bool| if yes { Policy::Allowed } else { Policy::Refused };
    let load = LoadOptions {
        context: args.context,
        cache_tokens: args.cache_tokens,
        cache_type: Some(args.cache_type.into()),
        sequences: Some(args.sequences),
        threads: args.threads,
        quantize: None,
    };
    let entries: &[ModelEntry] = args.models.as_deref().unwrap_or_default();
    let (local, far): (Vec<_>, Vec<_>) = entries.iter().partition(|entry| entry.remote.is_empty());
    let own = |entry: &&ModelEntry| {
        let options = LoadOptions {
            context: entry.context.or(load.context),
            cache_tokens: entry.cache_tokens.or(load.cache_tokens),
            cache_type: entry.cache_type.map(Into::into).or(load.cache_type),
            sequences: entry.sequences.or(load.sequences),
            threads: entry.threads.or(load.threads),
            quantize: entry.quantize.clone(),
        };
        (entry.name.clone(), options)
    };
    let pinned = local.iter().filter(|entry| entry.pin).map(|entry| &entry.name);
    ModelsOptions {
        memory: args.memory,
        keep_alive: args.keep_alive,
        overrides: local.iter().map(own).collect::<BTreeMap<_, _>>(),
        pinned: args.pin.iter().chain(pinned).cloned().collect(),
        paths: allowed(args.allow_paths),
        pull: allowed(args.allow_pull),
        remote: far.into_iter().map(remote).collect(),
        load,
        ..ModelsOptions::default()
    }
}

fn remote(entry: &ModelEntry) -> RemoteEntry {
    RemoteEntry {
        name: entry.name.clone(),
        backends: entry.remote.clone(),
        capabilities: entry
            .capabilities
            .clone()
            .unwrap_or_else(|| crate::config::CAPABILITIES.map(str::to_owned).into()),
        context: entry.context,
        sampling: parasol_core::SamplingChoice::default(),
        limits: entry.limits.unwrap_or_default(),
        voices: entry.voices.clone(),
        price: entry.price.clone(),
        provider: None,
    }
}
