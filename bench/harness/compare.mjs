/**
 * A comparison: one line of the result file and of the table.
 *
 * @typedef {object} Measured
 * @property {number | null} value null when it could not be measured
 * @property {number} [noise] relative
 * @property {string} [note] the best setting, or why there is no value
 *
 * @typedef {object} Comparison
 * @property {string} suite
 * @property {string} case
 * @property {number} threads
 * @property {string} metric
 * @property {number | null} value
 * @property {string} unit
 * @property {string | null} peer
 * @property {number | null} peerValue
 * @property {number | null} ratio how many times better nabla is, whatever the metric's direction
 * @property {number | null} roof nabla's value over the physical bound
 *
 * @typedef {Comparison & { own: Measured, other: Measured }} Row a comparison and both sides of it
 * @typedef {Comparison & { noise?: number, peerNoise?: number, note?: string, machine?: string }} Line of a result file
 */

/**
 * @param {Pick<Comparison, "suite" | "case" | "threads" | "metric" | "unit">} what
 * @param {{ own: Measured, peer?: string, other?: Measured, bound?: number | null, moreIsBetter?: boolean }} measured
 * @returns {Row}
 */
export function compare(what, { own, peer, other = { value: null }, bound = null, moreIsBetter = false }) {
  const ratio = (/** @type {number | null} */ a, /** @type {number | null} */ b) => (a === null || b === null || b === 0 ? null : a / b);
  const better = (/** @type {number | null} */ a, /** @type {number | null} */ b) => (moreIsBetter ? ratio(a, b) : ratio(b, a));
  return {
    ...what,
    value: own.value,
    peer: peer ?? null,
    peerValue: other.value,
    ratio: better(own.value, other.value),
    roof: better(own.value, bound),
    own,
    other,
  };
}

/**
 * The line of the result file; it stands for itself, so it names the machine.
 * @param {Row} row
 * @param {string} [machine]
 */
export function toJson(row, machine) {
  const { own, other, ...comparison } = row;
  /** @type {Line} */
  const line = { ...comparison, noise: own.noise, peerNoise: other.noise, note: noteOf(row) || undefined, machine };
  return JSON.stringify(line, (_key, value) => (typeof value === "number" ? Number(value.toPrecision(6)) : value));
}

/** @param {Row} row */
const noteOf = ({ own, other }) => [own.note, other.note].filter(Boolean).join("; ");

/** @type {[title: string, cell: (row: Row) => string][]} */
const columns = [
  ["case", (row) => row.case],
  ["threads", (row) => String(row.threads)],
  ["metric", (row) => `${row.metric}, ${row.unit}`],
  ["nabla", (row) => show(row.own)],
  ["roof", (row) => (row.roof === null ? "" : `${(100 * row.roof).toFixed(0)} %`)],
  ["peer", (row) => row.peer ?? ""],
  ["its value", (row) => (row.peer === null ? "" : show(row.other))],
  ["nabla is better", (row) => (row.ratio === null ? "" : `${figure(row.ratio)} ×`)],
  ["note", noteOf],
];

/**
 * Prints rows as they come, so columns keep the width of their titles or of what is usual in them.
 * @param {Row | "titles"} row
 */
export function toLine(row) {
  const widths = [39, 7, 22, 16, 5, 10, 16, 15, 0];
  return columns
    .map(([title, cell], i) => (row === "titles" ? title : cell(row)).padEnd(widths[i]))
    .join("  ")
    .trimEnd();
}

/** @param {Measured} measured */
function show({ value, noise }) {
  if (value === null) return "–";
  return noise === undefined ? figure(value) : `${figure(value)} ± ${(100 * noise).toFixed(0)} %`;
}

/** Three digits, or all of a large number. @param {number} value */
export function figure(value) {
  return value >= 1000 ? value.toFixed(0).replace(/\B(?=(\d{3})+$)/g, " ") : value.toPrecision(3);
}
