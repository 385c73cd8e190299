"use strict";
// Asks the service that this page came from, and shows what it says. Nothing else is talked to.

const MOST = 100;
const CANDIDATE = { model: "candidate" };
const CLASSES = { GALAXY: "galaxy", STAR: "star", QSO: "quasar" };
const ASKED_TOO = "candidate:"; // before the sources of a link
const byId = (id) => document.getElementById(id);
let bands = [];
let divided = null; // of the diagrams of emission lines
let card = null;
let given = [];
let answered = null; // by the version that answers
let candidate = null; // by the one in its shadow, where that was asked too

async function asked(path, body) {
  const key = byId("key").value.trim();
  const headers = key ? { Authorization: `Bearer ${key}` } : {};
  const request = body === undefined ? { headers } : {
    method: "POST",
    headers: { ...headers, "Content-Type": "application/json" },
    body: JSON.stringify(body),
  };
  const answer = await fetch(path, request);
  const said = await answer.json();
  if (!answer.ok) throw new Error(said.error);
  return said;
}

function tell(text, isWrong = false) {
  byId("told").textContent = text;
  byId("told").classList.toggle("wrong", isWrong);
}

// Sources of a pasted text: JSON, or a table whose first line names its columns.
function sourcesOf(text) {
  if (/^\s*[[{]/.test(text)) {
    const found = JSON.parse(text);
    if (Array.isArray(found)) return found;
    return found.sources || [found];
  }
  const lines = text.trim().split(/\r?\n/).filter((line) => line.trim());
  const names = lines[0].split(/[,\t;]/).map((name) => name.trim());
  return lines.slice(1).map((line, row) => {
    const cells = line.split(/[,\t;]/).map((cell) => cell.trim());
    if (cells.length !== names.length) {
      throw new Error(`row ${row + 1} has ${cells.length} values, the first line names ${names.length}`);
    }
    const source = {};
    names.forEach((name, place) => {
      const cell = cells[place];
      if (cell === "" || /^(nan|null)$/i.test(cell)) {
        if (name.startsWith("MAG_") || name.endsWith("_ERR")) source[name] = null; // one of them must be named
      } else if (name === "MORPHTYPE") source[name] = cell;
      else if (Number.isNaN(Number(cell))) throw new Error(`row ${row + 1}: ${name} is ${cell}, expected a number`);
      else source[name] = Number(cell);
    });
    return source;
  });
}

async function ask(event) {
  if (event) event.preventDefault();
  try {
    const sources = sourcesOf(byId("sources").value);
    if (!sources.length) throw new Error("there is no source to ask about");
    if (sources.length > MOST) throw new Error(`${sources.length} sources: this page asks for ${MOST} at most, ojala predict for any number`);
    tell("asking ...");
    const champion = await answersOf(sources);
    const [other, why] = byId("beside").checked ? await besides(sources) : [null, ""];
    [given, answered, candidate] = [sources, champion, other];
    offer();
    await show(0);
    const whose = [champion, other].filter(Boolean).map((one) => `version ${one.model.version}`).join(" and by ");
    const notes = champion.notes.length ? ` ${champion.notes.join("; ")}.` : "";
    tell(`${sources.length} source${sources.length > 1 ? "s" : ""}, answered by ${whose}.${notes}${why}`, Boolean(why));
    await tellModel();
  } catch (error) {
    tell(error.message, true);
  }
}

// What a model says of sources: the one that answers, or another by its name.
async function answersOf(sources, whom = {}) {
  const [answers, pdfs] = await Promise.all([
    asked("predict", { sources, ...whom }), asked("redshifts", { sources, ...whom })]);
  if (answers.model.digest !== pdfs.model.digest) throw new Error("another version began to answer meanwhile: ask again");
  return { ...answers, pdfs };
}

// The same by the candidate; where it does not answer, nothing and why.
async function besides(sources) {
  try {
    return [await answersOf(sources, CANDIDATE), ""];
  } catch (error) {
    return [null, ` Not by a candidate: ${error.message}.`];
  }
}

const named = (model) => `version ${model.version}, ${model.digest.slice(0, 8)}`;

// What can be done with the answers: choose one, link to the sources, keep them as CSV.
function offer() {
  byId("shown").replaceChildren(...given.map((_, row) => new Option(`${row + 1} of ${given.length}`, row)));
  const text = encodeURIComponent(JSON.stringify(given));
  byId("link").href = `#${candidate ? ASKED_TOO : ""}${text}`;
  URL.revokeObjectURL(byId("csv").href);
  byId("csv").href = URL.createObjectURL(new Blob([answersAsCsv()], { type: "text/csv" }));
  byId("links").hidden = byId("answers").hidden = false;
}

// A line for each source: whose answers, and the answers; those of the candidate after a prefix.
function answersAsCsv() {
  const cell = (value) => (value === null ? "" : /[",\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value);
  const whole = [[answered, ""], [candidate, "CANDIDATE_"]].filter(([one]) => one).map(([one, prefix]) =>
    one.predictions.map((row) => Object.fromEntries(
      Object.entries({ VERSION: one.model.version, DIGEST: one.model.digest, ...row })
        .map(([name, value]) => [prefix + name, value]))));
  const rows = given.map((_, n) => Object.assign({}, ...whole.map((one) => one[n])));
  const lines = rows.map((row) => Object.values(row).map(cell).join(","));
  return `${[Object.keys(rows[0]).join(","), ...lines].join("\n")}\n`;
}

async function show(row) {
  const source = given[row];
  const said = answered.predictions[row];
  const other = candidate && candidate.predictions[row];
  byId("class").textContent = said.CLASS || "";
  byId("reason").textContent = said.REASON || "";
  byId("whose").hidden = !candidate;
  byId("whose").innerHTML = candidate ? [answered, candidate].map((one, n) =>
    `<li>${keyOf(["solid", "dotted"][n])} ${escaped(named(one.model))}, ${["which answers", "the candidate"][n]}: ${one.predictions[row].CLASS || "no answer"}`).join("") : "";
  const seen = await points(source, said);
  fitTo(byId("spectrum"));
  byId("spectrum").innerHTML = spectrumPlot(seen);
  byId("classes").innerHTML = said.CLASS ? classBars([said, other].filter((one) => one && one.CLASS).map((one) => (
    { galaxy: one.P_GALAXY, star: one.P_STAR, quasar: one.P_QSO }))) : "";
  const curves = [...curvesOf(answered, row, "solid"), ...(candidate ? curvesOf(candidate, row, "dotted") : [])];
  fitTo(byId("pdf"));
  byId("pdf").innerHTML = curves.length ? pdfPlot(curves) : "";
  showLines([said, other].filter((one) => one && one.P_GALAXY > 0.01));
  quantities(said, other);
  await neighbours(row, said);
}

// The diagrams of its lines, where a model takes it for a galaxy.
function showLines(models) {
  byId("diagrams").hidden = false; // it has a width from here on
  fitTo(byId("bpt"));
  const plots = linePlots(models, divided);
  byId("diagrams").hidden = !plots;
  for (const name of ["bpt", "whan"]) byId(name).innerHTML = plots ? plots[name] : "";
}

// p(z) of a source by both kinds of redshift.
function curvesOf(whose, row, dash) {
  const [pdf, said] = [whose.pdfs.probabilities[row], whose.predictions[row]];
  const shares = Object.keys(pdf || {}).map((token) => said[{ Z_GAL: "P_GALAXY", Z_QSO: "P_QSO" }[token]]);
  return Object.keys(pdf || {}).map((token, n) => ({
    name: candidate ? `${token}, version ${whose.model.version}` : token,
    style: ["first", "second"][n],
    manner: `${dash}${shares[n] > 0.01 ? "" : " unlikely"}`,
    edges: whose.pdfs.edges[token],
    probabilities: pdf[token],
    share: shares[n],
    modes: [token, `${token}_MODE_2`].map((name) => (name in said ? said[name] : null)),
  }));
}

// Observed narrow bands, and the others as the model expects them.
async function points(source, said) {
  const narrow = bands.filter((one) => one.kind === "narrow");
  const isSeen = (one) => typeof source[one.token] === "number";
  const found = narrow.filter(isSeen).map((one) => ({
    ...one, value: source[one.token], error: source[`${one.token}_ERR`] || 0, observed: true }));
  const hidden = narrow.filter((one) => !isSeen(one)).map((one) => one.token);
  if (!hidden.length || said.REASON) return found;
  const { predictions: [expected] } = await asked("predict", { sources: [source], queries: hidden });
  return found.concat(narrow.filter((one) => !isSeen(one)).map((one) => ({
    ...one, value: expected[one.token], error: expected[`${one.token}_ERR`], observed: false })));
}

// Quantities with their errors; of two models side by side, and how far they are from each other.
function quantities(said, other) {
  const about = Object.fromEntries(card.quantities.map((one) => [one.token, one]));
  const ifOther = ({ classes }) => (said.CLASS && classes && !classes.includes(said.CLASS)
    ? `if a ${classes.map((one) => CLASSES[one]).join(" or ")}: ` : "");
  const models = [answered, candidate].filter(Boolean).map((one) => one.model);
  const each = models.map(() => "<th class=\"number\">value<th class=\"number\">1 sigma").join("");
  const whose = models.map((one) => `<th colspan="2" scope="colgroup">${escaped(named(one))}`).join("");
  byId("quantities").tHead.innerHTML = other
    ? `<tr><th>${whose}<th><th><th><tr><th>quantity${each}<th class="number">difference<th>unit<th>`
    : `<tr><th>quantity${each}<th>unit<th>`;
  const shares = other ? ["P_GALAXY", "P_STAR", "P_QSO"].filter((name) => name in said).map((name) => [
    name, number(said[name], 0.01), null, number(other[name], 0.01), null, apart(said[name], other[name]), "", "Probability of the class"]) : [];
  fill("quantities", shares.concat(Object.keys(said).filter((name) => `${name}_ERR` in said).map((name) => {
    const error = said[`${name}_ERR`];
    const told = about[name] || { unit: "", description: "a head" };
    const numbers = (one) => [number(one[name], one[`${name}_ERR`]), number(one[`${name}_ERR`], one[`${name}_ERR`])];
    const beside = other ? [...numbers(other), apart(said[name], other[name], error)] : [];
    return [name, ...numbers(said), ...beside, told.unit, ifOther(told) + told.description];
  })));
}

const isNumber = (value) => typeof value === "number";

// A value to the second digit of its error.
function number(value, error) {
  if (!isNumber(value)) return null;
  if (!(error > 0)) return value.toPrecision(4);
  return value.toFixed(Math.min(Math.max(1 - Math.floor(Math.log10(error)), 0), 8));
}

// How far the second is from the first, in errors of the first where there are any.
function apart(first, second, error) {
  if (!isNumber(first) || !isNumber(second)) return null;
  const far = error > 0 ? (second - first) / error : second - first;
  const told = far.toFixed(error > 0 ? 2 : 3).replace(/^-(?=[0.]+$)/, ""); // no -0.00
  return `${Number(told) > 0 ? "+" : ""}${told}${error > 0 ? " sigma" : ""}`;
}

// The body of a table, from rows of values; null is an empty cell.
function fill(table, rows) {
  byId(table).tBodies[0].replaceChildren(...rows.map((values) => {
    const row = document.createElement("tr");
    for (const value of values) {
      const cell = row.insertCell();
      cell.textContent = isNumber(value) ? value.toPrecision(4) : value === null ? "" : value;
      if (isNumber(value) || /^[-+]?\d+(\.\d+)?( sigma)?$/.test(value)) cell.className = "number";
    }
    return row;
  }));
}

// Where no catalogue is served, or it has not been embedded yet, the service says so.
async function neighbours(row, said) {
  fill("neighbours", []);
  if (said.REASON) return;
  let rows = [];
  let told = "by the distance between embeddings; class and redshift are the catalogue's own";
  try {
    const { neighbours: [near] } = await asked("similar", { sources: [given[row]] });
    rows = near.map((one) => [one.source_id, one.distance, one.CLASS,
      one.CLASS === "QSO" ? one.Z_QSO : one.CLASS === "GALAXY" ? one.Z_GAL : null,
      one.ra.toFixed(5), one.dec.toFixed(5)]);
  } catch (error) {
    told = error.message;
  }
  if (Number(byId("shown").value) !== row) return; // another one was chosen meanwhile
  byId("alike").textContent = told;
  fill("neighbours", rows);
}

async function tellModel() {
  card = await asked("model");
  const { following, shadow } = await asked("health");
  offerCandidate(shadow);
  const heads = card.heads.map((one) => `${one.name} ${one.version} (${one.state})`).join(", ");
  const said = {
    version: `${card.name} ${card.version}`, digest: card.digest, "run": card.run_id,
    "the alias is": following, "in its shadow": shadow ? `version ${shadow.version}, ${shadow.state}` : "no candidate",
    parameters: card.num_parameters.toLocaleString("en"),
    heads: heads || "none", ...card.provenance };
  const entries = Object.entries(said).flatMap(([name, value]) => {
    const [term, told] = [document.createElement("dt"), document.createElement("dd")];
    term.textContent = name.replaceAll("_", " ");
    told.textContent = typeof value === "object" ? JSON.stringify(value) : value;
    return [term, told];
  });
  byId("model").replaceChildren(...entries);
}

// It can be asked while it stands, which is when all processes of the service have it ready.
function offerCandidate(shadow) {
  const stands = Boolean(shadow) && shadow.state === "compared";
  byId("compare").hidden = !stands;
  if (stands) byId("standing").textContent = `version ${shadow.version}`;
  else byId("beside").checked = false;
}

async function begin() {
  byId("ask").addEventListener("submit", ask);
  byId("sources").addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) ask(event);
  });
  byId("shown").addEventListener("change", (event) => show(Number(event.target.value)).catch((error) => tell(error.message, true)));
  byId("file").addEventListener("change", async (event) => {
    if (event.target.files.length) byId("sources").value = await event.target.files[0].text();
  });
  bands = await (await fetch("bands.json")).json();
  divided = await (await fetch("diagrams.json")).json();
  const examples = await (await fetch("examples.json")).json();
  byId("example").append(...examples.map((one, n) => new Option(one.name, n)));
  byId("example").addEventListener("change", (event) => {
    const chosen = examples[event.target.value];
    if (chosen) byId("sources").value = JSON.stringify([chosen.source]);
  });
  const look = () => tellModel().catch((error) => tell(error.message, true));
  window.addEventListener("focus", look); // whoever comes back finds a candidate that stands by now
  await look();
  if (location.hash.length > 1) {
    const linked = decodeURIComponent(location.hash.slice(1));
    byId("beside").checked = linked.startsWith(ASKED_TOO);
    byId("sources").value = linked.replace(ASKED_TOO, "");
    await ask();
  }
}

begin();
