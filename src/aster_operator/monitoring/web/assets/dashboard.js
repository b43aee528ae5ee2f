(() => {
  const pages = { 1: "/", 2: "/market", 3: "/decisions", 4: "/trades", 5: "/points", 6: "/lab", 7: "/system" };
  const zone = () => localStorage.getItem("aster-zone") === "local";
  const pad = (n) => String(n).padStart(2, "0");
  const words = (ms, day, local) => {
    const d = new Date(Number(ms));
    const g = local ? "get" : "getUTC";
    const clock = `${pad(d[g + "Hours"]())}:${pad(d[g + "Minutes"]())}:${pad(d[g + "Seconds"]())}`;
    return day ? `${d[g + "FullYear"]()}-${pad(d[g + "Month"]() + 1)}-${pad(d[g + "Date"]())} ${clock}` : clock;
  };
  const show = (root) => root.querySelectorAll && root.querySelectorAll("time[data-ms]").forEach((el) => {
    el.textContent = words(el.dataset.ms, el.dataset.day === "1", zone());
  });
  // Times come in UTC; what panels renew passes here before it is shown.
  window.asterTimes = (root) => { if (zone()) show(root); };
  addEventListener("pointerover", (event) => {
    const el = event.target.closest && event.target.closest("time[data-ms]");
    if (el) el.title = `${words(el.dataset.ms, true, false)} UTC, ${words(el.dataset.ms, true, true)} here`;
  });
  window.asterZone = () => {
    localStorage.setItem("aster-zone", zone() ? "utc" : "local");
    show(document);
    document.querySelectorAll(".zone-name").forEach((el) => { el.textContent = zone() ? "local time" : "UTC"; });
  };
  // Charts are drawn, not styled: their words take the page's colour when they are drawn, and when it turns.
  window.asterInk = () => getComputedStyle(document.body).getPropertyValue("--dim").trim();
  const paint = () => document.querySelectorAll(".nicegui-echart").forEach((el) => {
    const chart = getElement(Number(el.id.slice(1)))?.chart;
    const drawn = chart?.getOption();
    if (!drawn) return;
    const ink = { color: window.asterInk() };
    const patch = {};
    for (const part of ["xAxis", "yAxis"]) patch[part] = (drawn[part] ?? []).map(() => ({ axisLabel: ink, nameTextStyle: ink }));
    for (const part of ["legend", "visualMap"]) if (drawn[part]) patch[part] = drawn[part].map(() => ({ textStyle: ink }));
    chart.setOption(patch);
  });
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest("input, textarea, select, [contenteditable], .q-dialog, .q-select")) return;
    if (pages[event.key]) { event.preventDefault(); location.assign(pages[event.key]); }
    if (event.key === "u") window.asterZone();
    if (event.key === "d") document.querySelector("[data-theme-button]")?.click();
  });
  addEventListener("DOMContentLoaded", () => {
    show(document);
    document.querySelectorAll(".zone-name").forEach((el) => { el.textContent = zone() ? "local time" : "UTC"; });
    new MutationObserver(([first]) => {
      if (first.oldValue?.includes("body--dark") !== document.body.classList.contains("body--dark")) paint();
    }).observe(document.body, { attributeFilter: ["class"], attributeOldValue: true });
    document.querySelector(".nav a[aria-current]")?.scrollIntoView({ inline: "center", block: "nearest" });
  });
})();
