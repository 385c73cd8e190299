"use strict";
// Asks the service that this page came from, and shows what it says. Nothing else is talked to.

const MOST = 100;
const byId = (id) => document.getElementById(id);
let bands = [];
let card = null;
let given = [];
let answered = null;

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
        if (name === "MAG_i") source[name] = null;
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
    const [answers, pdfs] = await Promise.all([
      asked("predict", { sources }), asked("redshifts", { sources })]);
    [given, answered] = [sources, { ...answers, pdfs }];
    offer();
    await show(0);
    const notes = answers.notes.length ? ` ${answers.notes.join("; ")}.` : "";
    tell(`${sources.length} source${sources.length > 1 ? "s" : ""}, answered by version ${answers.model.version}.${notes}`);
    await tellModel();
  } catch (error) {
    tell(error.message, true);
  }
}

// What can be done with the answers: choose one, link to the sources, keep them as CSV.
function offer() {
  byId("shown").replaceChildren(...given.map((_, row) => new Option(`${row + 1} of ${given.length}`, row)));
  const text = encodeURIComponent(JSON.stringify(given));
  byId("link").href = `#${text}`;
  const columns = Object.keys(answered.predictions[0]);
  const cell = (value) => (value === null ? "" : /[",]/.test(value) ? `"${value}"` : value);
  const lines = answered.predictions.map((row) => columns.map((name) => cell(row[name])).join(","));
  URL.revokeObjectURL(byId("csv").href);
  byId("csv").href = URL.createObjectURL(new Blob([[columns.join(","), ...lines].join("\n"), "\n"], { type: "text/csv" }));
  byId("links").hidden = byId("answers").hidden = false;
}

async function show(row) {
  const source = given[row];
  const said = answered.predictions[row];
  byId("class").textContent = said.CLASS || "";
  byId("reason").textContent = said.REASON || "";
  byId("spectrum").innerHTML = spectrumPlot(await points(source, said));
  byId("classes").innerHTML = said.CLASS
    ? classBars({ galaxy: said.P_GALAXY, star: said.P_STAR, quasar: said.P_QSO }) : "";
  const pdf = answered.pdfs.probabilities[row];
  byId("pdf").innerHTML = pdf ? pdfPlot(Object.keys(pdf).map((token, n) => ({
    name: token,
    style: ["first", "second"][n],
    edges: answered.pdfs.edges[token],
    probabilities: pdf[token],
    modes: [token, `${token}_MODE_2`].map((name) => (name in said ? said[name] : null)),
  }))) : "";
  quantities(said);
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

function quantities(said) {
  const known = Object.fromEntries(card.quantities.map((one) => [one.token, one]));
  const rows = Object.keys(said).filter((name) => `${name}_ERR` in said).map((name) => {
    const about = known[name] || { unit: "", description: "a head" };
    const row = document.createElement("tr");
    for (const value of [name, said[name], said[`${name}_ERR`], about.unit, about.description]) {
      const cell = row.insertCell();
      const isNumber = typeof value === "number";
      cell.textContent = isNumber ? value.toPrecision(4) : value === null ? "" : value;
      if (isNumber) cell.className = "number";
    }
    return row;
  });
  byId("quantities").tBodies[0].replaceChildren(...rows);
}

async function tellModel() {
  card = await asked("model");
  const { following } = await asked("health");
  const heads = card.heads.map((one) => `${one.name} ${one.version} (${one.state})`).join(", ");
  const said = {
    version: `${card.name} ${card.version}`, digest: card.digest, "run": card.run_id,
    "the alias is": following, parameters: card.num_parameters.toLocaleString("en"),
    heads: heads || "none", ...card.provenance };
  const entries = Object.entries(said).flatMap(([name, value]) => {
    const [term, told] = [document.createElement("dt"), document.createElement("dd")];
    term.textContent = name.replaceAll("_", " ");
    told.textContent = typeof value === "object" ? JSON.stringify(value) : value;
    return [term, told];
  });
  byId("model").replaceChildren(...entries);
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
  const examples = await (await fetch("examples.json")).json();
  byId("example").append(...examples.map((one, n) => new Option(one.name, n)));
  byId("example").addEventListener("change", (event) => {
    const chosen = examples[event.target.value];
    if (chosen) byId("sources").value = JSON.stringify([chosen.source]);
  });
  try {
    await tellModel();
  } catch (error) {
    tell(error.message, true);
  }
  if (location.hash.length > 1) {
    byId("sources").value = decodeURIComponent(location.hash.slice(1));
    await ask();
  }
}

begin();
