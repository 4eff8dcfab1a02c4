// Numbers, sizes and times as people read them, in the browser's language.

const number = new Intl.NumberFormat();
const SIZES = ["B", "kB", "MB", "GB", "TB"];

/** A count with its thousands apart. */
export function count(value: number): string {
  return number.format(value);
}

const dollars = new Intl.NumberFormat(undefined, { style: "currency", currency: "USD", currencyDisplay: "narrowSymbol", minimumFractionDigits: 2, maximumFractionDigits: 6 });

/** US dollars, with as many digits as an answer's price needs: `$1.50`, `$0.001234`. */
export function money(usd: number): string {
  return dollars.format(usd);
}

/** A size in powers of ten: `1.2 GB`. */
export function bytes(value: number): string {
  let size = value;
  let unit = 0;
  while (size >= 999.5 && unit < SIZES.length - 1) {
    size /= 1000;
    unit += 1;
  }
  const digits = unit === 0 || size >= 100 ? 0 : 1;
  return `${size.toLocaleString(undefined, { maximumFractionDigits: digits })} ${SIZES[unit]}`;
}

/** Large counts as they stand in models' names: `135M`, `1.7B`, `8k`. */
export function short(value: number): string {
  const [size, unit] =
    value >= 999.5e6 ? [value / 1e9, "B"] : value >= 999.5e3 ? [value / 1e6, "M"] : value >= 1000 ? [value / 1000, "k"] : [value, ""];
  return size.toLocaleString(undefined, { maximumFractionDigits: size < 10 ? 1 : 0 }) + unit;
}

/** A duration in milliseconds: `320 ms`, `4.1 s`, `3 min 20 s`, `2 h 5 min`. */
export function duration(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1000).toLocaleString(undefined, { maximumFractionDigits: 1 })} s`;
  const minutes = Math.floor(ms / 60_000);
  if (minutes < 60) return `${minutes} min ${Math.round((ms % 60_000) / 1000)} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** Tokens each second, with a digit after the point while it matters. */
export function rate(perSecond: number): string {
  return perSecond.toLocaleString(undefined, { maximumFractionDigits: perSecond < 100 ? 1 : 0 });
}

/** How long ago, coarsely: `now`, `5 minutes ago`, `yesterday`, `3 March`. */
export function ago(time: string, now = Date.now()): string {
  const then = Date.parse(time);
  if (Number.isNaN(then)) return time;
  const seconds = (then - now) / 1000;
  const relative = new Intl.RelativeTimeFormat(undefined, { numeric: "auto" });
  if (Math.abs(seconds) < 60) return relative.format(0, "second");
  if (Math.abs(seconds) < 3600) return relative.format(Math.round(seconds / 60), "minute");
  if (Math.abs(seconds) < 86_400) return relative.format(Math.round(seconds / 3600), "hour");
  if (Math.abs(seconds) < 7 * 86_400) return relative.format(Math.round(seconds / 86_400), "day");
  const sameYear = new Date(then).getFullYear() === new Date(now).getFullYear();
  return new Date(then).toLocaleDateString(undefined, { day: "numeric", month: "long", ...(sameYear ? {} : { year: "numeric" }) });
}
