"use strict";
// Small plots as SVG. Every number that is drawn is also in a title, which a reader of screens reads.

const SIZE = { width: 860, height: 300, left: 56, right: 14, top: 12, bottom: 40 };

// Draw as wide as an element is from here on, so that letters are as large as those around them.
function fitTo(element) {
  SIZE.width = Math.max(element.clientWidth, 260);
}

function escaped(text) {
  const entities = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };
  return String(text).replace(/[&<>"]/g, (one) => entities[one]);
}

// Places of round numbers between two numbers, as many as there is room for.
function ticks(low, high, most) {
  const rough = (high - low) / most;
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
  const vertical = ticks(...across, Math.max(3, Math.floor((width - left - right) / 90))).map((at) =>
    `<line class="grid" x1="${x(at)}" x2="${x(at)}" y1="${top}" y2="${height - bottom}"/>` +
    `<text x="${x(at)}" y="${height - bottom + 16}" text-anchor="middle">${at}</text>`);
  const horizontal = ticks(...up, 6).map((at) =>
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
  const { x, y, drawn } = frame([3600, 9400], [low, high], ["wavelength, Angstrom", "f_lambda / f_lambda(i)"]);
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

// A line as curves of a manner are drawn: solid, or dotted.
function keyOf(manner) {
  return `<svg class="key ${manner}" viewBox="0 0 36 8" aria-hidden="true"><line class="sample ink" x1="0" x2="36" y1="4" y2="4"/></svg>`;
}

// Redshifts between which a curve has all but a thousandth of its probability on either side.
function bulk({ edges, probabilities }) {
  let sum = 0;
  const below = probabilities.map((p) => (sum += p));
  return [edges[below.findIndex((one) => one > 1e-3)], edges[below.findIndex((one) => one > sum - 1e-3) + 1]];
}

// curves: {name, style, manner, edges, probabilities, modes, share}, the share of the class that it is for:
// the frame is that of the curves of likely classes, and others are drawn as far as they lie in it
function pdfPlot(curves) {
  const density = curves.map((one) => one.probabilities.map((p, k) => p / (one.edges[k + 1] - one.edges[k])));
  const centres = curves.map((one) => one.probabilities.map((_, k) => (one.edges[k] + one.edges[k + 1]) / 2));
  const isLikely = curves.map((one) => one.share > 0.01);
  const framing = curves.map((_, n) => n).filter((n) => isLikely[n] || !isLikely.includes(true));
  const ends = framing.flatMap((n) => bulk(curves[n]));
  const spare = 0.1 * (Math.max(...ends) - Math.min(...ends));
  const across = [Math.max(0, Math.min(...ends) - spare), Math.max(...ends) + spare];
  const room = 1.05 + 0.09 * curves.length; // for their names above them
  const high = Math.max(...framing.flatMap((n) => density[n])) * room;
  const { x, y, drawn } = frame(across, [0, high], ["redshift", "p(z)"]);
  const within = (z) => z >= across[0] && z <= across[1];
  const lines = curves.map((one, n) => {
    const places = centres[n].map((z, k) => [z, density[n][k]]).filter(([z]) => within(z));
    const path = places.map(([z, p]) => `${x(z).toFixed(1)},${y(Math.min(p, high)).toFixed(1)}`).join(" ");
    const modes = one.modes.filter((z) => z !== null && within(z)).map((z) =>
      `<line class="mode ${one.style}" x1="${x(z)}" x2="${x(z)}" y1="${y(0)}" y2="${y(high)}"><title>${one.name} ${z.toFixed(4)}</title></line>`);
    const [right, at] = [SIZE.width - SIZE.right - 8, SIZE.top + 16 + 18 * n];
    return `<g class="${one.manner}"><polyline class="line ${one.style}" points="${path}"/>${modes.join("")}` +
      `<line class="sample ${one.style}" x1="${right - 36}" x2="${right}" y1="${at - 4}" y2="${at - 4}"/>` +
      `<text class="${one.style}" x="${right - 44}" y="${at}" text-anchor="end">${escaped(one.name)}</text></g>`;
  });
  return svg(drawn + lines.join(""), `p(z) between ${across[0].toFixed(2)} and ${across[1].toFixed(2)}`);
}

// Bars of each class, one below the other: of the model that answers, and of another one.
function classBars(models) {
  const height = 36 / models.length;
  const bars = Object.keys(models[0]).map((name, n) =>
    `<text x="60" y="${56 + 84 * n}" text-anchor="end">${escaped(name)}</text>` + models.map((shares, k) => {
      const [top, percent] = [34 + 84 * n + k * (height + 3), (100 * shares[name]).toFixed(1)];
      return `<rect class="axis" x="70" y="${top}" width="220" height="${height}"/>` +
        `<rect class="${["bar", "bar dotted"][k]}" x="70" y="${top}" width="${220 * shares[name]}" height="${height}"/>` +
        `<text x="298" y="${top + height / 2 + 4}">${percent} %</text>`;
    }).join(""));
  const told = models.map((shares) => Object.entries(shares).map(([name, share]) => `${name} ${(100 * share).toFixed(1)} %`).join(", "));
  return `<svg viewBox="0 0 360 270" role="img" aria-label="${escaped(told.join("; the candidate: "))}">${bars.join("")}</svg>`;
}
