//! What the server runs on and how it is set up, and measuring what the machine can do at most. What it does now is
//! [`super::stats`]'s.

use super::access::{Admin, blocking, is_admin};
use crate::AppState;
use crate::context::RequestContext;
use crate::json::Refused;
use crate::options::Setting;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::routing::{get, post};
use axum::{Json, Router};
use parasol_core::{Error, ErrorKind, Result};
use parasol_runtime::{Cache, Ceilings, Isa, Machine, ceilings};
use schemars::JsonSchema;
use serde::Serialize;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, Ordering};

/// The server and its machine.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct System {
    /// Parasol's version.
    version: &'static str,
    /// For how long the server has run.
    uptime_ms: u64,
    /// The processor's name, where the system tells.
    cpu: Option<String>,
    /// The processor's architecture: `x86_64`, `aarch64` …
    architecture: &'static str,
    /// The operating system.
    system: &'static str,
    /// The processor's extensions that matter to models.
    features: Vec<&'static str>,
    /// The instruction set that the kernels use.
    isa: String,
    /// Those that they could use here, the fastest first.
    isas: Vec<String>,
    /// Threads that models compute with.
    threads: usize,
    /// Cores of the processor, where the system tells.
    cores: Option<usize>,
    /// The data caches of a core, from the nearest to the farthest.
    caches: Vec<CpuCache>,
    /// Bytes of memory, or what the container allows; 0 where the system does not tell.
    memory_total: u64,
    /// Bytes that new work can have without swapping; 0 where the system does not tell.
    memory_free: u64,
    /// Bytes that all loaded models together may take.
    memory_budget: u64,
    /// Bytes that they take.
    memory_used: u64,
    /// Bytes a second that all threads together read from memory; null before it was measured.
    read_bandwidth: Option<f64>,
    /// 8-bit multiplications and additions a second; null before it was measured.
    int8_peak: Option<f64>,
    /// Single precision multiplications and additions a second; null before it was measured.
    f32_peak: Option<f64>,
    /// How the server is set up; told to administrators only.
    settings: Vec<Setting>,
}

/// One cache of the processor.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct CpuCache {
    /// 1 is nearest to the core.
    level: u32,
    /// Its size.
    bytes: u64,
    /// Hardware threads that share it.
    shared_by: usize,
}

impl From<&Cache> for CpuCache {
    fn from(cache: &Cache) -> Self {
        Self { level: cache.level, bytes: cache.bytes, shared_by: cache.shared_by }
    }
}

/// The routes of the system.
pub(super) fn routes() -> Router<AppState> {
    Router::new().route("/api/parasol/system", get(show)).route("/api/parasol/system/measure", post(measure))
}

async fn show(
    State(state): State<AppState>,
    ctx: RequestContext,
    headers: HeaderMap,
) -> Result<Json<System>, Refused> {
    let admin = is_admin(&state, &ctx, &headers);
    blocking(&state, move |s| Ok(look(s, admin))).await.map(Json).map_err(|e| ctx.refuse(e))
}

async fn measure(
    State(state): State<AppState>,
    _: Admin,
    ctx: RequestContext,
) -> Result<Json<System>, Refused> {
    blocking(&state, |s| {
        measured(s)?;
        Ok(look(s, true))
    })
    .await
    .map(Json)
    .map_err(|e| ctx.refuse(e))
}

fn look(state: &AppState, admin: bool) -> System {
    let (house, models, machine) = (state.house(), state.models(), Machine::look());
    let ceilings = *house.ceilings.lock().unwrap_or_else(PoisonError::into_inner);
    let giga = |value: fn(&Ceilings) -> f64| ceilings.as_ref().map(|c| value(c) * 1e9);
    System {
        version: env!("CARGO_PKG_VERSION"),
        uptime_ms: u64::try_from(house.started.elapsed().as_millis()).unwrap_or(u64::MAX),
        cpu: machine.processor,
        architecture: machine.architecture,
        system: machine.system,
        features: machine.features,
        isa: Isa::from_env_or_detect().map_or_else(|e| e.to_string(), |isa| isa.name().to_owned()),
        isas: Isa::available().iter().map(|isa| isa.name().to_owned()).collect(),
        threads: models.threads(),
        cores: machine.cores,
        caches: machine.caches.iter().map(CpuCache::from).collect(),
        memory_total: machine.memory.limit.or(machine.memory.total).unwrap_or(0),
        memory_free: machine.memory.free().unwrap_or(0),
        memory_budget: models.budget(),
        memory_used: models.used(),
        read_bandwidth: giga(|c| c.read_gb_per_s),
        int8_peak: giga(|c| c.int8_gops),
        f32_peak: giga(|c| c.f32_gflops),
        settings: if admin { state.options().settings.clone() } else { Vec::new() },
    }
}

/// A buffer that fits no cache, but takes only a part of the memory that is free.
const LARGE: u64 = 512 << 20;
const SHARE: u64 = 4;

/// Takes back the mark that a measurement runs, however it ends.
struct Measuring<'a>(&'a AtomicBool);

impl Drop for Measuring<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

/// Measures the machine; one at a time, as two would each measure half.
fn measured(state: &AppState) -> Result<()> {
    let house = state.house();
    if house.measuring.swap(true, Ordering::AcqRel) {
        let says = "the machine is being measured already: it takes some seconds";
        return Err(Error::new(ErrorKind::Overloaded, says));
    }
    let _mark = Measuring(&house.measuring);
    let isa = Isa::from_env_or_detect().map_err(|e| Error::new(ErrorKind::InvalidRequest, e.to_string()))?;
    let free = Machine::look().memory.free();
    let bytes = free.map_or(LARGE, |free| LARGE.min(free / SHARE));
    let found = ceilings(isa, state.models().threads(), bytes);
    *house.ceilings.lock().unwrap_or_else(PoisonError::into_inner) = Some(found);
    Ok(())
}
