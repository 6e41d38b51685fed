// Two charts: latency by percentile, as HdrHistogram draws it, and the histogram itself.
"use strict";

const plots = {};

function colours() {
  const css = getComputedStyle(document.documentElement);
  return ["--accent", "--danger", "--good", "--ink", "--soft"].map((name) => css.getPropertyValue(name).trim());
}

function axis(values, size) {
  const [, , , ink, soft] = colours();
  return { stroke: ink, grid: { stroke: soft, width: 0.3 }, values, size };
}

function make(id, options, data) {
  const box = document.getElementById(id);
  const width = Math.max(240, box.clientWidth - 16);
  if (!plots[id]) {
    plots[id] = new uPlot({ width, height: 240, padding: [8, 28, 0, 0], legend: { show: false }, cursor: { show: false }, ...options }, data, box);
    addEventListener("resize", () => plots[id].setSize({ width: Math.max(240, box.clientWidth - 16), height: 240 }));
  } else {
    plots[id].setData(data);
  }
}

// Points (1/(1-share), microseconds) of one latency.
function curve(buckets) {
  const all = buckets.reduce((sum, [, count]) => sum + count, 0);
  let seen = 0;
  const points = [];
  for (const [span, count] of buckets) {
    seen += count;
    points.push([Math.min(all / Math.max(all - seen, 0.5), 1e5), span / 1e3]);
  }
  return points;
}

function drawPercentiles(latencies) {
  const used = latencies.filter((one) => one.count > 0).slice(0, 5);
  if (used.length === 0) return;
  const curves = used.map((one) => curve(one.buckets));
  const xs = [...new Set(curves.flat().map(([x]) => x))].sort((a, b) => a - b);
  const data = [xs, ...curves.map((points) => {
    const at = new Map(points);
    return xs.map((x) => at.get(x) ?? null);
  })];
  const names = used.map((one) => one.to).join();
  if (plots.percentiles && plots.percentiles.names !== names) {
    plots.percentiles.destroy();
    delete plots.percentiles;
  }
  const percent = (x) => `${+(100 - 100 / x).toFixed(3)} %`;
  const paint = colours();
  make("percentiles", {
    scales: { x: { distr: 3, time: false, range: [1, 1e5] }, y: { distr: 3 } },
    axes: [axis((_, xs) => xs.map((x) => (x === null ? "" : percent(x))), 40), axis((_, ys) => ys.map((y) => (y === null ? "" : `${y} µs`)), 70)],
    legend: { show: true, live: false },
    series: [{}, ...used.map((one, at) => ({ label: one.to, stroke: paint[at], width: 2, dash: at ? [4 * at, 3] : [], spanGaps: true, points: { show: false } }))],
  }, data);
  plots.percentiles.names = names;
}

function drawHistogram(latencies) {
  const replied = latencies.find((one) => one.to === "replied");
  if (!replied || replied.buckets.length === 0) return;
  const data = [replied.buckets.map(([span]) => span / 1e3), replied.buckets.map(([, count]) => count)];
  make("histogram", {
    scales: { x: { distr: 3, time: false }, y: {} },
    axes: [axis((_, xs) => xs.map((x) => (x === null ? "" : `${x} µs`)), 40), axis(undefined, 60)],
    series: [{}, { label: "replies", stroke: colours()[0], fill: colours()[0] + "55", paths: uPlot.paths.bars({ size: [1, 12] }), points: { show: false } }],
  }, data);
}
