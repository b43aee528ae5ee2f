(function () {
  "use strict";
  var root = document.documentElement;
  var specs = JSON.parse(document.getElementById("figures").textContent);
  var maps = JSON.parse(document.getElementById("maps").textContent);
  var narrow = window.matchMedia("(max-width: 600px)");
  var touch = window.matchMedia("(pointer: coarse)").matches;

  function setTheme(name) {
    root.dataset.theme = name;
    document.getElementById("theme").textContent = name === "dark" ? "Light" : "Dark";
  }
  var wantsDark = window.matchMedia("(prefers-color-scheme: dark)").matches;
  setTheme(wantsDark ? "dark" : "light");

  function themed(layout) {
    var style = getComputedStyle(root);
    var ink = style.getPropertyValue("--ink").trim(), line = style.getPropertyValue("--line").trim();
    var out = JSON.parse(JSON.stringify(layout));
    out.paper_bgcolor = out.plot_bgcolor = "rgba(0,0,0,0)";
    out.font = { color: ink, family: "system-ui, sans-serif", size: narrow.matches ? 11 : 12 };
    out.margin = narrow.matches ? { l: 52, r: 8, t: 8, b: 44 } : { l: 72, r: 16, t: 8, b: 52 };
    out.hoverlabel = { font: { family: "system-ui, sans-serif" } };
    if (touch) { out.dragmode = false; }
    Object.keys(out).forEach(function (key) {
      if (/^[xy]axis/.test(key)) {
        out[key].gridcolor = line; out[key].zerolinecolor = line; out[key].linecolor = line; out[key].automargin = true;
      }
    });
    return out;
  }
  var settings = { responsive: true, displayModeBar: false };

  function mapSpec(box) {
    var own = maps[box.dataset.maps];
    function chosen(name) { return box.querySelector("[name=" + name + "]").value; }
    var x = chosen("x"), y = chosen("y"), metric = own.metrics[+chosen("metric")];
    if (x === y) { return null; }
    var found = own.pairs[x + " " + y], turned = !found;
    if (turned) { found = own.pairs[y + " " + x]; }
    function turn(rows) {
      return turned ? rows[0].map(function (_, at) { return rows.map(function (row) { return row[at]; }); }) : rows;
    }
    var z = turn(found.values[+chosen("metric")]), level = turn(found.plateaus);
    var xs = (turned ? found.y : found.x).map(String), ys = (turned ? found.x : found.y).map(String);
    var flat = [].concat.apply([], z).filter(function (v) { return v !== null; });
    var most = Math.max.apply(null, flat.map(Math.abs).concat([1e-12]));
    var signed = flat.some(function (v) { return v < 0; });
    var px = [], py = [];
    level.forEach(function (row, at) { row.forEach(function (on, to) { if (on) { px.push(xs[to]); py.push(ys[at]); } }); });
    var data = [{
      type: "heatmap", x: xs, y: ys, z: z, colorscale: own.scale, zmin: signed ? -most : -most, zmax: most,
      xgap: 2, ygap: 2, hoverongaps: false,
      colorbar: { title: { text: metric.unit, side: "right" }, thickness: 12 },
      hovertemplate: x + " %{x}<br>" + y + " %{y}<br>%{z:,.4~g} " + metric.unit + "<extra></extra>"
    }];
    if (xs.length * ys.length <= 64 && !narrow.matches) { data[0].texttemplate = "%{z:,.3~g}"; }
    data.push({ type: "scatter", mode: "markers", x: px, y: py, name: "plateau", hoverinfo: "skip",
      marker: { symbol: "square-open", size: 22, color: "#000000", line: { width: 2 } } });
    data.push({ type: "scatter", mode: "markers", x: [String(own.best[x])], y: [String(own.best[y])], name: "best of all",
      marker: { symbol: "star", size: 14, color: "#ffe119", line: { width: 1, color: "#000000" } },
      hovertemplate: "best of all<extra></extra>" });
    return { data: data, layout: {
      height: 440, showlegend: true, legend: { orientation: "h", y: 1.02, yanchor: "bottom", x: 0 },
      xaxis: { title: { text: x }, type: "category", categoryorder: "array", categoryarray: xs },
      yaxis: { title: { text: y }, type: "category", categoryorder: "array", categoryarray: ys } } };
  }

  function draw(plot) {
    var box = plot.closest("[data-maps]");
    var spec = box ? mapSpec(box) : specs[plot.dataset.figure];
    var note = box && box.querySelector(".same");
    if (note) { note.hidden = spec !== null; }
    if (spec === null) { Plotly.purge(plot); return; }
    plot.dataset.drawn = "1";
    Plotly.react(plot, spec.data, themed(spec.layout), settings);
  }
  var plots = Array.prototype.slice.call(document.querySelectorAll(".plot"));
  var seen = new IntersectionObserver(function (entries) {
    entries.forEach(function (entry) { if (entry.isIntersecting) { seen.unobserve(entry.target); draw(entry.target); } });
  }, { rootMargin: "800px" });
  plots.forEach(function (plot) { seen.observe(plot); });
  // Those out of sight are drawn while nothing else is to be done: for a picture of the whole page, and its search.
  var idle = window.requestIdleCallback || function (act) { setTimeout(act, 50); };
  var waiting = plots.slice(0, 100);
  function drawNext() {
    var plot = waiting.shift();
    if (!plot.dataset.drawn) { seen.unobserve(plot); draw(plot); }
    if (waiting.length) { idle(drawNext); }
  }
  if (waiting.length) { idle(drawNext); }
  function again() { plots.forEach(function (plot) { if (plot.dataset.drawn) { draw(plot); } }); }
  document.getElementById("theme").addEventListener("click", function () {
    setTheme(root.dataset.theme === "dark" ? "light" : "dark"); again();
  });
  document.querySelectorAll("[data-maps] select").forEach(function (select) {
    select.addEventListener("change", function () { draw(select.closest("[data-maps]").querySelector(".plot")); });
  });
  window.addEventListener("beforeprint", function () { plots.forEach(draw); });
  narrow.addEventListener("change", again);
}());
