/** Pictures of comparisons as SVG: for each case, how many times better nabla is than each peer, on a logarithmic axis. */

/** Told apart by most colour-blind readers as well. Source: Okabe & Ito 2008. */
const colors = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#555555"];

/** @typedef {{ name: string, points: { peer: string, ratio: number }[] }} Row */

const [row, left, right, top, bottom] = [18, 250, 24, 62, 34];
const width = 820;

/**
 * @param {string} title
 * @param {readonly Row[]} rows
 */
export function ratioChart(title, rows) {
  const peers = [...new Set(rows.flatMap(({ points }) => points.map(({ peer }) => peer)))];
  const exponents = rows.flatMap(({ points }) => points.map(({ ratio }) => Math.log10(ratio)));
  // Ends at a 1, 2 or 5 times a power of ten, with 1 always inside.
  const marks = steps(Math.min(-0.3, ...exponents), Math.max(0.3, ...exponents));
  const [low, high] = [Math.log10(marks[0]), Math.log10(marks[marks.length - 1])];
  const x = (/** @type {number} */ ratio) => left + ((Math.log10(ratio) - low) / (high - low)) * (width - left - right);
  const height = top + rows.length * row + bottom;

  const parts = [`<text x="16" y="24" font-size="15" font-weight="bold">${escape(title)}</text>`];
  let at = 16;
  peers.forEach((peer, i) => {
    parts.push(`<circle cx="${at + 5}" cy="42" r="5" fill="${colors[i % colors.length]}"/>`);
    parts.push(`<text x="${at + 15}" y="46">${escape(peer)}</text>`);
    at += 34 + 7 * peer.length;
  });
  parts.push(
    `<rect x="${x(1).toFixed(1)}" y="${top - 6}" width="${(width - right - x(1)).toFixed(1)}" height="${rows.length * row + 6}" fill="#eef5ee"/>`,
  );
  // Labels of neighbouring marks must not touch.
  let free = Number.NEGATIVE_INFINITY;
  for (const mark of marks) {
    const isOne = mark === 1;
    const px = x(mark);
    const line = `x1="${px.toFixed(1)}" x2="${px.toFixed(1)}" y1="${top - 6}" y2="${height - bottom}"`;
    parts.push(`<line ${line} stroke="${isOne ? "#333" : "#ddd"}"/>`);
    const label = `${mark} ×`;
    if (px - 4 * label.length < free && !isOne) continue;
    parts.push(`<text x="${px.toFixed(1)}" y="${height - bottom + 16}" text-anchor="middle">${label}</text>`);
    free = px + 4 * label.length;
  }
  rows.forEach(({ name, points }, i) => {
    const y = top + (i + 0.5) * row;
    parts.push(`<text x="${left - 10}" y="${y + 4}" text-anchor="end">${escape(name)}</text>`);
    for (const { peer, ratio } of points) {
      const color = colors[peers.indexOf(peer) % colors.length];
      parts.push(`<circle cx="${x(ratio).toFixed(1)}" cy="${y}" r="5" fill="${color}" fill-opacity="0.85"/>`);
    }
  });
  parts.push(
    `<text x="${width - right}" y="${height - 4}" text-anchor="end" fill="#555">times better than the peer; nabla wins right of 1</text>`,
  );
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="12">`,
    `<rect width="100%" height="100%" fill="white"/>`,
    ...parts,
    "</svg>\n",
  ].join("\n");
}

/**
 * 1, 2 and 5 times powers of ten that enclose 10^low to 10^high.
 * @param {number} low
 * @param {number} high
 */
function steps(low, high) {
  const all = [];
  for (let e = Math.floor(low); e <= Math.ceil(high); e++) {
    for (const digit of [1, 2, 5]) all.push(e < 0 ? digit / 10 ** -e : digit * 10 ** e);
  }
  const first = all.findLastIndex((mark) => Math.log10(mark) <= low + 1e-9);
  const last = all.findIndex((mark) => Math.log10(mark) >= high - 1e-9);
  return all.slice(Math.max(0, first), last < 0 ? all.length : last + 1);
}

/** @param {string} text */
const escape = (text) => text.replace(/[&<>]/g, (c) => `&#${c.charCodeAt(0)};`);
