//! `parasol bench`: how fast a model computes here, beside what the machine could do at most.

use crate::args::BenchArgs;
use crate::exit::{Outcome, Stop};
use crate::interrupt::Listener;
use crate::models::{self, Opening};
use crate::output;
use crate::terminal::Style;
use parasol_core::{Error, ErrorKind};
use parasol_runtime::{BenchShape, Ceilings, Model, Runtime};
use serde_json::{Value, json};

/// All that was measured. Speeds are medians.
struct Report {
    prompt_per_second: f64,
    generate_per_second: f64,
    bytes_per_token: u64,
    peak_memory: Option<u64>,
    ceilings: Ceilings,
}

/// Runs the command.
///
/// # Errors
/// When the model cannot be opened, or its context does not hold what is asked for.
pub(crate) fn bench(runtime: &Runtime, args: &BenchArgs) -> Outcome {
    if args.prompt == 0 && args.generate == 0 {
        let message = "there is nothing to measure: give --prompt or --generate at least 1 token";
        return Err(Stop::Failed(Error::new(ErrorKind::InvalidRequest, message)));
    }
    let mut engine = args.engine.clone();
    // Room for what is measured, even where the context would be smaller by itself; a larger one would only cost memory.
    engine.context = engine.context.or_else(|| args.depth.checked_add(args.prompt.max(args.generate)));
    let opening =
        Opening { reference: args.model.as_deref(), engine: &engine, accept_licence: args.accept_licence };
    let model = models::open_local(runtime, &opening)?;
    let report = measure(&model, args)?;
    if args.json { output::json(&as_json(&model, args, &report)) } else { print(&model, args, &report) }
}

fn measure(model: &Model, args: &BenchArgs) -> Outcome<Report> {
    let listener = Listener::new();
    let spinner = models::spinner("warming up");
    // Touches every weight once, so that the first measurement does not read the disk.
    let shape = BenchShape {
        prompt: args.prompt,
        generate: args.generate,
        depth: args.depth,
        sequences: args.sequences,
    };
    model.bench(BenchShape {
        prompt: args.prompt.min(16),
        generate: args.generate.min(2),
        depth: 0,
        ..shape
    })?;
    let (mut prompt, mut generate, mut bytes_per_token) = (Vec::new(), Vec::new(), 0);
    for turn in 0..args.repeat {
        if listener.pressed() {
            return Err(Stop::Interrupted);
        }
        spinner.say(&format!("measuring {} of {}", turn.saturating_add(1), args.repeat));
        let report = model.bench(shape)?;
        prompt.push(report.prompt_per_second());
        generate.push(report.generation_per_second());
        bytes_per_token = report.bytes_per_token;
    }
    // Before the ceilings, whose buffers are not the model's.
    let peak_memory = parasol_runtime::peak_memory();
    spinner.say("measuring the machine");
    let ceilings = parasol_runtime::ceilings(model.isa(), model.threads(), bytes_per_token);
    Ok(Report {
        prompt_per_second: median(prompt),
        generate_per_second: median(generate),
        bytes_per_token,
        peak_memory,
        ceilings,
    })
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    let upper = values.get(middle).copied().unwrap_or(0.0);
    if values.len().is_multiple_of(2) {
        let lower = middle.checked_sub(1).and_then(|i| values.get(i)).copied().unwrap_or(upper);
        return (lower + upper) / 2.0;
    }
    upper
}

fn print(model: &Model, args: &BenchArgs, report: &Report) -> Outcome {
    let style = Style::stdout();
    let depth = match args.depth {
        0 => String::new(),
        depth => format!(", {} tokens already in the context", output::grouped(depth as u64)),
    };
    output::line(&format!(
        "{}: {} on {}, median of {}{depth}",
        style.bold(model.name()),
        plural(model.threads(), "thread"),
        model.isa().name(),
        args.repeat
    ))?;
    let mut rows = Vec::new();
    if args.prompt > 0 {
        rows.push(("Prompt", format!("{:.1} tokens/s ({} at once)", report.prompt_per_second, args.prompt)));
    }
    if args.generate > 0 {
        // A batch reads the weights once for all its sequences.
        let read = report.generate_per_second * report.bytes_per_token as f64 / 1e9 / args.sequences as f64;
        let share = 100.0 * read / report.ceilings.read_gb_per_s.max(f64::MIN_POSITIVE);
        let together = match args.sequences {
            1 => String::new(),
            n => format!(" in each of {n} sequences together"),
        };
        let speed = format!(
            "{:.1} tokens/s ({} one by one{together}), reading {read:.1} GB/s of weights, {share:.0} % of what the memory gives",
            report.generate_per_second, args.generate
        );
        rows.push(("Generation", speed));
    }
    rows.push(("Loading", output::duration(model.load_time())));
    rows.extend(report.peak_memory.map(|bytes| ("Peak memory", output::bytes(bytes))));
    let Ceilings { read_gb_per_s, int8_gops, tile_gflops, .. } = report.ceilings;
    let tiles = tile_gflops.map(|peak| format!(", {peak:.0} GFLOP/s in bfloat16 tiles")).unwrap_or_default();
    rows.push((
        "This machine",
        format!("reads {read_gb_per_s:.1} GB/s, computes {int8_gops:.0} GOP/s in int8{tiles}"),
    ));
    output::write(&output::fields(&rows, style))
}

fn plural(n: usize, thing: &str) -> String {
    if n == 1 { format!("1 {thing}") } else { format!("{n} {thing}s") }
}

fn as_json(model: &Model, args: &BenchArgs, report: &Report) -> Value {
    let measured = |tokens: usize, speed: f64| (tokens > 0).then_some(speed);
    json!({
        "model": model.name(),
        "prompt_tokens_per_second": measured(args.prompt, report.prompt_per_second),
        "generate_tokens_per_second": measured(args.generate, report.generate_per_second),
        "prompt": args.prompt,
        "generate": args.generate,
        "depth": args.depth,
        "sequences": args.sequences,
        "repeat": args.repeat,
        "threads": model.threads(),
        "isa": model.isa().name(),
        "bytes_per_token": report.bytes_per_token,
        "read_bandwidth_gb_per_s": report.ceilings.read_gb_per_s,
        "int8_peak_gops": report.ceilings.int8_gops,
        "tile_peak_gflops": report.ceilings.tile_gflops,
        "peak_memory_bytes": report.peak_memory,
        "load_seconds": model.load_time().as_secs_f64(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), 2.5);
        assert_eq!(median(vec![]), 0.0);
    }
}
