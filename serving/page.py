"""The page at /: what may be asked. It loads nothing, from nowhere."""

from __future__ import annotations

PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>OJALA</title>
<style>
body { font: 1rem/1.5 sans-serif; margin: 2rem auto; max-width: 46rem; padding: 0 1rem }
pre { background: #eee; overflow-x: auto; padding: 1rem }
td { padding-right: 1rem; vertical-align: top }
</style>
<h1>OJALA</h1>
<p>Class, redshift and physical quantities of galaxies, quasars and stars from photometry of J-PAS
and the Legacy Surveys, each with its error.</p>
<pre>
curl -s localhost:3000/predict -H 'Content-Type: application/json' -d '
  {"sources": [{"MAG_i": 18.9, "MAG_G": 20.4, "MAG_R": 19.4, "J0660": 0.93}],
   "queries": ["SPECTYPE", "Z_GAL"]}'
</pre>
<table>
<tr><td>POST /predict<td>sources under the released names of the bands, and what is asked of them
<tr><td><a href="health">GET /health</a><td>the model that answers, and every head
<tr><td><a href="docs.json">GET /docs.json</a><td>every field, as OpenAPI
<tr><td><a href="metrics">GET /metrics</a><td>for Prometheus
<tr><td><a href="livez">GET /livez</a>, <a href="readyz">/readyz</a><td>for whoever runs it
</table>
</html>
"""
