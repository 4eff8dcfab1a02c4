//! `parasol usage`: what answers of providers took and cost.

use crate::args::{UsageArgs, UsageBy};
use crate::exit::Outcome;
use crate::output;
use crate::terminal::Style;
use parasol_runtime::{Line, Runtime, Sum};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Runs the command.
///
/// # Errors
/// When the book cannot be read.
pub(crate) fn usage(runtime: &Runtime, args: &UsageArgs) -> Outcome {
    // Today is the last of the days.
    let lines = runtime.far().ledger().lines_since(args.days.saturating_sub(1))?;
    let (mut groups, mut all) = (BTreeMap::<String, Sum>::new(), Sum::default());
    for line in &lines {
        groups.entry(key(line, args.by)).or_default().add(line);
        all.add(line);
    }
    let name = match args.by {
        UsageBy::Day => "day",
        UsageBy::Model => "model",
        UsageBy::Provider => "provider",
        UsageBy::Key => "key",
    };
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

fn key(line: &Line, by: UsageBy) -> String {
    match by {
        UsageBy::Day => parasol_runtime::date(line.at).to_string(),
        UsageBy::Model => line.model.clone(),
        UsageBy::Provider => line.provider.clone(),
        UsageBy::Key => line.client.clone(),
    }
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
