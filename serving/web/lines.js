"use strict";
// Emission lines in the diagrams that tell what lights them: BPT and WHAN.

const [OIII, HBETA, NII, HALPHA] = ["OIII_5007_EW", "HBETA_4861_EW", "NII_6584_EW", "HALPHA_6562_EW"];
const NITROGEN = "log [NII] 6584 / H-alpha";
const REGIONS = {
  bpt: [["star formation", -1.15, -0.9], ["both", -0.12, -0.45], ["AGN", 0.35, 0.8]],
  whan: [["star formation", -1.1, 1.6], ["strong AGN", 0.15, 1.6], ["weak AGN", 0.15, 0.63], ["passive", -1.1, -0.2]],
};

// log10 of a width over another, or of one alone, with 1 sigma to first order; null where it has none.
function logarithm(said, above, below) {
  const widths = below ? [above, below] : [above];
  if (!widths.every((name) => said[name] > 0)) return null;
  const value = Math.log10(said[above] / (below ? said[below] : 1));
  return { value, error: Math.hypot(...widths.map((name) => said[`${name}_ERR`] / said[name])) / Math.LN10 };
}

// Both diagrams of a source as models see it; divided: from diagrams.json. Of none that has lines, nothing.
function linePlots(models, divided) {
  const known = models.filter((said) => [OIII, HBETA, NII, HALPHA].every((name) => name in said));
  if (!known.length) return null;
  const nitrogen = known.map((said) => logarithm(said, NII, HALPHA));
  const curves = Object.entries(divided.bpt).map(([name, places]) => ({ name, places }));
  const [passive, strong] = [divided.passive, divided.strong].map(Math.log10);
  const cuts = Object.entries(divided.whan).map(([name, ratio]) => ({ name, places: [[Math.log10(ratio), passive], [Math.log10(ratio), 9]] }));
  const levels = [
    { name: `EW(H-alpha) ${divided.passive} Angstrom`, places: [[-9, passive], [9, passive]] },
    { name: `EW(H-alpha) ${divided.strong} Angstrom`, places: [[Math.log10(divided.whan.S06), strong], [9, strong]] },
  ];
  return {
    bpt: linePlot(nitrogen, known.map((said) => logarithm(said, OIII, HBETA)), curves, REGIONS.bpt,
      [[-1.6, 0.7], [-1.3, 1.5]], [NITROGEN, "log [OIII] 5007 / H-beta"]),
    whan: linePlot(nitrogen, known.map((said) => logarithm(said, HALPHA)), [...cuts, ...levels], REGIONS.whan,
      [[-1.6, 0.7], [-0.5, 2.3]], [NITROGEN, "log EW(H-alpha), Angstrom"]),
  };
}

// across, up: of each model, its place or null; curves: {name, places}, which end at the frame
function linePlot(across, up, curves, regions, ranges, labels) {
  const ends = [across, up].map((ones, k) => {
    const values = ones.filter(Boolean).map((one) => one.value);
    return [Math.min(ranges[k][0], ...values.map((one) => one - 0.1)), Math.max(ranges[k][1], ...values.map((one) => one + 0.1))];
  });
  const { x, y, drawn } = frame(...ends, labels);
  const clamp = (value, [low, high]) => Math.min(Math.max(value, low), high);
  const path = ([one, other]) => `${x(clamp(one, ends[0])).toFixed(1)},${y(clamp(other, ends[1])).toFixed(1)}`;
  const isInside = ([one, other]) => one >= ends[0][0] && one <= ends[0][1] && other >= ends[1][0];
  const divisions = curves.map(({ name, places }) =>
    `<polyline class="division" points="${(places.length > 2 ? places.filter(isInside) : places).map(path).join(" ")}"><title>${escaped(name)}</title></polyline>`);
  const words = regions.map(([told, one, other]) => `<text class="region" x="${x(one)}" y="${y(other)}" text-anchor="middle">${told}</text>`);
  const marks = across.map((nitrogen, n) => {
    const other = up[n];
    if (!nitrogen || !other) return "";
    const bar = (from, to) => `<polyline class="reach first" points="${path(from)} ${path(to)}"/>`;
    const [at, on] = [nitrogen.value, other.value];
    return `<g class="${["solid", "dotted"][n]}"><title>${labels[0]} ${at.toFixed(2)} +- ${nitrogen.error.toFixed(2)}, ` +
      `${labels[1]} ${on.toFixed(2)} +- ${other.error.toFixed(2)}</title>` +
      bar([at - nitrogen.error, on], [at + nitrogen.error, on]) + bar([at, on - other.error], [at, on + other.error]) +
      `<circle class="${["place", "place hollow"][n]}" cx="${x(at).toFixed(1)}" cy="${y(on).toFixed(1)}" r="4.5"/></g>`;
  });
  const told = marks.some(Boolean) ? "" : `<text x="${x((ends[0][0] + ends[0][1]) / 2)}" y="${SIZE.top + 16}" text-anchor="middle">no place: a line is not in emission</text>`;
  return svg(drawn + divisions.join("") + words.join("") + marks.join("") + told, labels.join(" against "));
}
