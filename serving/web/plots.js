"use strict";
// Small plots as SVG. Every number that is drawn is also in a title, which a reader of screens reads.

const SIZE = { width: 860, height: 300, left: 56, right: 14, top: 12, bottom: 40 };

function escaped(text) {
  const entities = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };
  return String(text).replace(/[&<>"]/g, (one) => entities[one]);
}

// Places of some five round numbers between two numbers.
function ticks(low, high) {
  const rough = (high - low) / 5;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((one) => one * power).find((one) => one >= rough);
  const found = [];
  for (let at = Math.ceil(low / step) * step; at <= high * (1 + 1e-9); at += step) {
    found.push(Number(at.toPrecision(10)));
  }
  return found;
}

// A frame with axes: x and y turn values into places, drawn holds the SVG of the axes.
function frame(across, up, labels) {
  const { width, height, left, right, top, bottom } = SIZE;
  const x = (value) => left + ((value - across[0]) / (across[1] - across[0])) * (width - left - right);
  const y = (value) => height - bottom - ((value - up[0]) / (up[1] - up[0])) * (height - top - bottom);
  const vertical = ticks(...across).map((at) =>
    `<line class="grid" x1="${x(at)}" x2="${x(at)}" y1="${top}" y2="${height - bottom}"/>` +
    `<text x="${x(at)}" y="${height - bottom + 16}" text-anchor="middle">${at}</text>`);
  const horizontal = ticks(...up).map((at) =>
    `<line class="grid" y1="${y(at)}" y2="${y(at)}" x1="${left}" x2="${width - right}"/>` +
    `<text x="${left - 6}" y="${y(at) + 4}" text-anchor="end">${at}</text>`);
  const named = `<text x="${(left + width) / 2}" y="${height - 6}" text-anchor="middle">${labels[0]}</text>` +
    `<text transform="translate(13 ${height / 2}) rotate(-90)" text-anchor="middle">${labels[1]}</text>`;
  return { x, y, drawn: [...vertical, ...horizontal, named].join("") };
}

function svg(inside, told) {
  return `<svg viewBox="0 0 ${SIZE.width} ${SIZE.height}" role="img" aria-label="${escaped(told)}">` +
    `<title>${escaped(told)}</title>${inside}</svg>`;
}

// points: {wave, fwhm, value, error, observed, token}
function spectrumPlot(points) {
  if (!points.length) return "<p>no narrow band was observed</p>";
  const seen = points.filter((one) => one.observed);
  const ends = (seen.length ? seen : points).flatMap((one) => [one.value - one.error, one.value + one.error]);
  const low = Math.min(0, ...ends.map((one) => Math.max(one, -5)));
  const high = Math.max(...ends.map((one) => Math.min(one, 20)), 0.1) * 1.05;
  const { x, y, drawn } = frame([3600, 9400], [low, high], ["wavelength, Angstrom", "flux over i"]);
  const inside = (value) => Math.min(Math.max(value, low), high);
  const marks = points.map((one) => {
    const at = x(one.wave);
    const told = `<title>${one.token}: ${one.value.toPrecision(4)} +- ${one.error.toPrecision(2)}</title>`;
    const bar = one.observed
      ? `<line class="first" x1="${at}" x2="${at}" y1="${y(inside(one.value - one.error))}" y2="${y(inside(one.value + one.error))}"/>`
      : "";
    const kind = one.observed ? "dot" : "ring";
    return `<g>${told}${bar}<circle class="${kind}" cx="${at}" cy="${y(inside(one.value))}" r="3.4"/></g>`;
  });
  return svg(drawn + marks.join(""), `J-spectrum of ${seen.length} observed bands`);
}

// curves: {name, style, edges, probabilities, modes}
function pdfPlot(curves) {
  const density = curves.map((one) => one.probabilities.map((p, k) => p / (one.edges[k + 1] - one.edges[k])));
  const centres = curves.map((one) => one.probabilities.map((_, k) => (one.edges[k] + one.edges[k + 1]) / 2));
  const shown = curves.flatMap((one, n) => centres[n].filter((_, k) => one.probabilities[k] > 1e-4));
  const across = [Math.max(0, Math.min(...shown) - 0.05), Math.max(...shown) + 0.05];
  const high = Math.max(...density.flat()) * 1.05;
  const { x, y, drawn } = frame(across, [0, high], ["redshift", "p(z)"]);
  const within = (z) => z >= across[0] && z <= across[1];
  const lines = curves.map((one, n) => {
    const places = centres[n].map((z, k) => [z, density[n][k]]).filter(([z]) => within(z));
    const path = places.map(([z, p]) => `${x(z).toFixed(1)},${y(p).toFixed(1)}`).join(" ");
    const modes = one.modes.filter((z) => z !== null && within(z)).map((z) =>
      `<line class="mode ${one.style}" x1="${x(z)}" x2="${x(z)}" y1="${y(0)}" y2="${y(high)}"><title>${one.name} ${z.toFixed(4)}</title></line>`);
    return `<polyline class="line ${one.style}" points="${path}"/>${modes.join("")}` +
      `<text class="${one.style}" x="${SIZE.width / 2}" y="${26 + 16 * n}" text-anchor="middle">${one.name}</text>`;
  });
  return svg(drawn + lines.join(""), `p(z) between ${across[0].toFixed(2)} and ${across[1].toFixed(2)}`);
}

function classBars(shares) {
  const bars = Object.entries(shares).map(([name, share], n) =>
    `<g><text x="90" y="${60 + 80 * n}" text-anchor="end">${escaped(name)}</text>` +
    `<rect class="axis" x="100" y="${40 + 80 * n}" width="200" height="28"/>` +
    `<rect class="bar" x="100" y="${40 + 80 * n}" width="${200 * share}" height="28"/>` +
    `<text x="308" y="${60 + 80 * n}">${(100 * share).toFixed(1)} %</text></g>`);
  const told = Object.entries(shares).map(([name, share]) => `${name} ${(100 * share).toFixed(1)} %`).join(", ");
  return `<svg viewBox="0 0 370 270" role="img" aria-label="${escaped(told)}">${bars.join("")}</svg>`;
}
