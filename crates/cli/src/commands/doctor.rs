//! `parasol doctor`: what this machine can do, and whether everything is in place. It reports what is wrong and never fails
//! because of it.

use crate::args::DoctorArgs;
use crate::exit::Outcome;
use crate::models;
use crate::output::{self, bytes};
use crate::terminal::{Style, harmless};
use parasol_hub::Settings;
use parasol_runtime::{Cache, Ceilings, Isa, Machine, Runtime};
use serde::Serialize;
use serde_json::{Value, json};
use std::process::{Command, Stdio};

/// How a finding is to be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Verdict {
    Ok,
    Warning,
    Problem,
}

/// One line at the end of the report.
#[derive(Debug, Serialize)]
struct Finding {
    verdict: Verdict,
    text: String,
}

/// All that was found out.
struct Report {
    machine: Machine,
    /// The kernels that will run, or why none will.
    isa: Result<Isa, String>,
    forced: Option<String>,
    ceilings: Vec<Ceilings>,
    settings: Option<Settings>,
    /// Names and bytes of the models that are here.
    models: Vec<(String, u64)>,
    pip: Option<String>,
    findings: Vec<Finding>,
}

/// Runs the command.
///
/// # Errors
/// When stdout cannot be written to.
pub(crate) fn doctor(args: &DoctorArgs) -> Outcome {
    let report = examine();
    if args.json { output::json(&as_json(&report)) } else { print(&report) }
}

/// A buffer that fits no cache …
const LARGE: u64 = 512 << 20;
/// … but takes only one part in this many of the memory that can be used.
const SHARE: u64 = 4;

fn examine() -> Report {
    let mut findings = Vec::new();
    let spinner = models::spinner("measuring the machine");
    let machine = Machine::look();
    let forced = std::env::var("PARASOL_ISA").ok().filter(|v| !v.is_empty());
    let isa = Isa::from_env_or_detect().map_err(|e| e.to_string());
    let mut threads = vec![1, machine.usable_threads];
    threads.dedup();
    let large = usable_memory(&machine).map_or(LARGE, |usable| LARGE.min(usable / SHARE));
    let measure = |isa: &Isa| threads.iter().map(|&t| parasol_runtime::ceilings(*isa, t, large)).collect();
    let ceilings = isa.as_ref().map(measure).unwrap_or_default();
    findings.push(judge_isa(&isa, forced.is_some()));
    findings.extend(judge_memory(&machine));
    spinner.say("looking for pip");
    let settings = Settings::from_env();
    let pip = settings.as_ref().ok().and_then(find_pip);
    findings.push(match &pip {
        Some(_) => Finding::new(Verdict::Ok, "pip is there: models that come as packages can be pulled"),
        None => Finding::new(Verdict::Warning, "pip was not found: install Python 3 with pip, or name the command in PARASOL_PIP; models from other sources can still be pulled"),
    });
    let models = match &settings {
        Ok(settings) => judge_store(settings, &mut findings),
        Err(e) => {
            findings.push(Finding::new(Verdict::Problem, e.message()));
            Vec::new()
        }
    };
    Report { machine, isa, forced, ceilings, settings: settings.ok(), models, pip, findings }
}

impl Finding {
    fn new(verdict: Verdict, text: impl Into<String>) -> Self {
        Self { verdict, text: text.into() }
    }
}

fn judge_isa(isa: &Result<Isa, String>, forced: bool) -> Finding {
    let fastest = Isa::detect().name();
    match isa {
        Err(e) => Finding::new(Verdict::Problem, e.as_str()),
        Ok(isa) if isa.name() != fastest => Finding::new(
            Verdict::Warning,
            format!(
                "PARASOL_ISA asks for the {} kernels; this processor has the faster {fastest}",
                isa.name()
            ),
        ),
        Ok(isa) if isa.name() == "portable" => Finding::new(
            Verdict::Warning,
            "this processor has none of the instruction sets that the fast kernels use",
        ),
        Ok(isa) => {
            let why = if forced { "as PARASOL_ISA asks" } else { "the fastest that this processor can run" };
            Finding::new(Verdict::Ok, format!("the {} kernels will run, {why}", isa.name()))
        }
    }
}

/// The smallest model that the catalogue has needs about this much.
const LITTLE_MEMORY: u64 = 500_000_000;

/// What the system has to give and what a container may take, whichever is less.
fn usable_memory(machine: &Machine) -> Option<u64> {
    [machine.memory.available, machine.memory.limit].into_iter().flatten().min()
}

fn judge_memory(machine: &Machine) -> Option<Finding> {
    let free = usable_memory(machine)?;
    let text = format!("{} of memory can be used", bytes(free));
    Some(if free < LITTLE_MEMORY {
        Finding::new(Verdict::Warning, format!("only {text}: even small models may not fit"))
    } else {
        Finding::new(Verdict::Ok, text)
    })
}

/// Looks at the store; returns the models in it.
fn judge_store(settings: &Settings, findings: &mut Vec<Finding>) -> Vec<(String, u64)> {
    let runtime = match Runtime::new(settings.clone()) {
        Ok(runtime) => runtime,
        Err(e) => {
            findings.push(Finding::new(Verdict::Problem, e.message()));
            return Vec::new();
        }
    };
    let contents = match runtime.hub().list() {
        Ok(contents) => contents,
        Err(e) => {
            findings.push(Finding::new(Verdict::Problem, e.message()));
            return Vec::new();
        }
    };
    findings.extend(contents.damaged.iter().map(|e| Finding::new(Verdict::Problem, e.message())));
    if let Ok(default) = runtime.default_model() {
        let here = contents.models.iter().any(|m| m.name == default);
        findings.push(match here {
            true => Finding::new(Verdict::Ok, format!("the default model, {default}, is here")),
            false => Finding::new(
                Verdict::Ok,
                format!("the default model, {default}, will be fetched on first use"),
            ),
        });
    }
    contents.models.into_iter().map(|m| (m.name, m.bytes)).collect()
}

/// What the first pip that answers says of itself: its version, where it lies, and its Python.
fn find_pip(settings: &Settings) -> Option<String> {
    settings.pip_commands().into_iter().find_map(|command| {
        let mut words = command.split_whitespace();
        let mut pip = Command::new(words.next()?);
        pip.args(words).args(["--version", "--disable-pip-version-check"]).stdin(Stdio::null());
        let output = pip.output().ok().filter(|o| o.status.success())?;
        let said = String::from_utf8_lossy(&output.stdout);
        said.lines().next().map(|line| line.trim().to_owned()).filter(|line| !line.is_empty())
    })
}

fn print(report: &Report) -> Outcome {
    let style = Style::stdout();
    output::write(&output::fields(&about_machine(&report.machine), style))?;
    output::write("\n")?;
    output::write(&output::fields(&about_kernels(report), style))?;
    if !report.ceilings.is_empty() {
        output::write(&format!("\n{}", limits(&report.ceilings, style)))?;
    }
    output::write("\n")?;
    output::write(&output::fields(&about_places(report), style))?;
    output::write("\n")?;
    for finding in &report.findings {
        let mark = match finding.verdict {
            Verdict::Ok => style.good("ok      "),
            Verdict::Warning => style.warn("warning "),
            Verdict::Problem => style.bad("problem "),
        };
        output::line(&format!("{mark} {}", harmless(&finding.text)))?;
    }
    Ok(())
}

fn about_machine(machine: &Machine) -> Vec<(&'static str, String)> {
    let unknown = || "unknown".to_owned();
    let named = machine.processor.clone().unwrap_or_else(unknown);
    let counted = |n: Option<usize>| n.map_or_else(unknown, |n| n.to_string());
    let cache = |c: &Cache| {
        let shared = if c.shared_by > 1 { format!(" shared by {}", c.shared_by) } else { String::new() };
        format!("L{} {}{shared}", c.level, binary(c.bytes))
    };
    let caches = machine.caches.iter().map(cache).collect::<Vec<_>>().join(", ");
    let size = |n: Option<u64>| n.map_or_else(unknown, bytes);
    let mut memory = format!("{}, {} available", size(machine.memory.total), size(machine.memory.available));
    if let Some(limit) = machine.memory.limit {
        memory.push_str(&format!(", this container may use {}", bytes(limit)));
    }
    vec![
        ("Processor", format!("{named} ({}, {})", machine.architecture, machine.system)),
        ("Features", machine.features.join(" ")),
        (
            "Cores",
            format!(
                "{} with {} hardware threads, {} usable here",
                counted(machine.cores),
                counted(machine.hardware_threads),
                machine.usable_threads
            ),
        ),
        ("Caches", if caches.is_empty() { unknown() } else { caches }),
        ("Memory", memory),
    ]
}

/// Caches come in powers of two.
fn binary(n: u64) -> String {
    match n {
        n if n >= 1 << 20 && n.is_multiple_of(1 << 20) => format!("{} MiB", n >> 20),
        n => format!("{} KiB", n >> 10),
    }
}

fn about_kernels(report: &Report) -> Vec<(&'static str, String)> {
    let all: Vec<_> = Isa::available().into_iter().map(Isa::name).collect();
    let used = match &report.isa {
        Ok(isa) => isa.name().to_owned(),
        Err(_) => "none".to_owned(),
    };
    let forced = report.forced.as_ref().map_or_else(|| "not set".to_owned(), |f| harmless(f).into_owned());
    vec![("Kernels", used), ("Can run", all.join(", ")), ("PARASOL_ISA", forced)]
}

/// The measured limits as a table: one row per thread count.
fn limits(ceilings: &[Ceilings], style: Style) -> String {
    let mut rows = vec![["THREADS", "READING", "F32", "INT8", "TILES (BF16)"].map(str::to_owned).to_vec()];
    rows.extend(ceilings.iter().map(|c| {
        vec![
            c.threads.to_string(),
            format!("{:.1} GB/s", c.read_gb_per_s),
            format!("{:.0} GFLOP/s", c.f32_gflops),
            format!("{:.0} GOP/s", c.int8_gops),
            c.tile_gflops.map_or_else(|| "none".to_owned(), |peak| format!("{peak:.0} GFLOP/s")),
        ]
    }));
    output::table(&rows, &[0, 1, 2, 3, 4], style)
}

fn about_places(report: &Report) -> Vec<(&'static str, String)> {
    let mut rows = Vec::new();
    if let Some(settings) = &report.settings {
        let sum = report.models.iter().map(|(_, bytes)| bytes).fold(0, |a: u64, b| a.saturating_add(*b));
        let count = report.models.len();
        rows.push((
            "Models",
            format!("{} ({count} here, {})", settings.home.join("models").display(), bytes(sum)),
        ));
        let own = settings.catalogues.iter().map(|p| p.display().to_string()).collect::<Vec<_>>().join(", ");
        rows.push(("Own catalogues", if own.is_empty() { "none".to_owned() } else { own }));
        let cache = settings.hf_cache.as_ref().map_or_else(|| "none".to_owned(), |p| p.display().to_string());
        rows.push(("Hugging Face cache", cache));
    }
    rows.push(("pip", report.pip.clone().unwrap_or_else(|| "not found".to_owned())));
    rows.into_iter().map(|(name, value)| (name, harmless(&value).into_owned())).collect()
}

fn as_json(report: &Report) -> Value {
    let models = report.models.iter().map(|(name, bytes)| json!({ "name": name, "bytes": bytes }));
    json!({
        "machine": report.machine,
        "kernels": {
            "isa": report.isa.as_ref().ok().map(|isa| isa.name()),
            "available": Isa::available().into_iter().map(Isa::name).collect::<Vec<_>>(),
            "PARASOL_ISA": report.forced,
        },
        "ceilings": report.ceilings,
        "home": report.settings.as_ref().map(|s| &s.home),
        "catalogues": report.settings.as_ref().map(|s| &s.catalogues),
        "hugging_face_cache": report.settings.as_ref().and_then(|s| s.hf_cache.as_ref()),
        "models": models.collect::<Vec<_>>(),
        "pip": report.pip,
        "findings": report.findings,
    })
}
