//! `parasol usage`: what answers of providers took and cost.

use crate::args::{UsageArgs, UsageBy};
use crate::exit::Outcome;
use crate::output;
use crate::terminal::Style;
use parasol_runtime::{By, Report, Runtime, Sum};
use serde_json::{Value, json};

/// Runs the command.
///
/// # Errors
/// When the book cannot be read.
pub(crate) fn usage(runtime: &Runtime, args: &UsageArgs) -> Outcome {
    let (name, by) = match args.by {
        UsageBy::Day => ("day", By::Day),
        UsageBy::Model => ("model", By::Model),
        UsageBy::Provider => ("provider", By::Provider),
        UsageBy::Key => ("key", By::Key),
    };
    let (_, report) = runtime.far().ledger().report(args.days, by, None)?;
    let Report { names: groups, total: all, .. } = report;
    if args.json {
        let rows: Vec<Value> = groups.iter().map(|(key, sum)| as_json(Some((name, key)), sum)).collect();
        return output::json(&json!({ "days": args.days, "rows": rows, "total": as_json(None, &all) }));
    }
    if groups.is_empty() {
        return output::line("nothing was asked of providers in this time");
    }
    let style = Style::stdout();
    let first = name.to_uppercase();
    let heading = [first.as_str(), "ANSWERS", "PROMPT", "CACHED", "ANSWER", "COST"];
    let mut rows = vec![heading.map(str::to_owned).to_vec()];
    rows.extend(groups.iter().map(|(key, sum)| row(&style.bold(&crate::terminal::harmless(key)), sum)));
    rows.push(row("total", &all));
    output::write(&output::table(&rows, &[1, 2, 3, 4, 5], style))?;
    if all.unpriced > 0 {
        output::note(&format!("{} answers have no known price and are not in the cost", all.unpriced));
    }
    Ok(())
}

fn row(name: &str, sum: &Sum) -> Vec<String> {
    let counts = [sum.answers, sum.prompt_tokens, sum.cached_tokens, sum.generated_tokens];
    let counts = counts.into_iter().map(output::grouped);
    std::iter::once(name.to_owned()).chain(counts).chain([sum.cost.to_string()]).collect()
}

fn as_json(key: Option<(&str, &str)>, sum: &Sum) -> Value {
    let mut row = json!({
        "answers": sum.answers,
        "prompt_tokens": sum.prompt_tokens,
        "cached_tokens": sum.cached_tokens,
        "generated_tokens": sum.generated_tokens,
        "cost_usd": sum.cost.as_dollars(),
        "unpriced_answers": sum.unpriced,
    });
    if let Some((name, key)) = key {
        row[name] = key.into();
    }
    row
}
