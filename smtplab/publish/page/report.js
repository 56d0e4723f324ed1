"use strict";
(() => {
  const root = document.documentElement;
  const read = (id) => JSON.parse(document.getElementById(id).textContent);
  const figures = read("figures"), swaps = read("swaps");
  const wide = window.matchMedia("(prefers-color-scheme: dark)");
  const config = { displaylogo: false, responsive: true, modeBarButtonsToRemove: ["lasso2d", "select2d"] };
  let drawn = 0;

  const isDark = () => (root.dataset.theme || (wide.matches ? "dark" : "light")) === "dark";
  // Figures are stored in light colours; every light colour has one dark twin.
  const swap = (value) => {
    if (typeof value === "string") return swaps[value.toLowerCase()] || value;
    if (Array.isArray(value)) return value.map(swap);
    if (value && typeof value === "object") return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, swap(v)]));
    return value;
  };
  const draw = () => {
    root.classList.toggle("dark", isDark()); // the name by which DataTables knows a dark page
    figures.forEach((figure, i) => {
      const { data, layout } = isDark() ? swap(figure) : figure;
      Plotly.react(`figure-${i}`, structuredClone(data), { ...structuredClone(layout), autosize: true }, config).then(() => {
        drawn = document.querySelectorAll(".plot .main-svg").length ? document.querySelectorAll(".plot.js-plotly-plot").length : 0;
        root.dataset.drawn = drawn;
      });
    });
    theme.textContent = isDark() ? "Light" : "Dark";
  };
  const theme = document.getElementById("toggle-theme");
  theme.addEventListener("click", () => { root.dataset.theme = isDark() ? "light" : "dark"; draw(); });
  wide.addEventListener("change", draw);

  const code = document.getElementById("toggle-code");
  code.addEventListener("click", () => {
    const shown = root.classList.toggle("show-code");
    code.setAttribute("aria-pressed", shown);
    code.textContent = shown ? "Hide code" : "Show code";
    document.querySelectorAll("details.code").forEach((d) => { d.open = shown; });
  });

  const copyable = () => document.querySelectorAll(".smtplab-record").forEach((block) => {
    if (block.querySelector(".copy")) return;
    const button = Object.assign(document.createElement("button"), { type: "button", className: "copy", textContent: "Copy" });
    button.addEventListener("click", () => {
      const range = document.createRange();
      range.selectNodeContents(block.querySelector("code"));
      const selection = getSelection();
      selection.removeAllRanges();
      selection.addRange(range);
      // From a file there is no clipboard API; the selection serves both ways.
      button.textContent = document.execCommand("copy") ? "Copied" : "Selected";
      setTimeout(() => { button.textContent = "Copy"; }, 1500);
    });
    block.append(button);
  });

  const filters = () => {
    const box = document.querySelector(".filters"), body = () => document.querySelectorAll("#findings-table tbody tr");
    const words = ["all", "critical", "high", "medium", "low", "info", "ok"];
    words.forEach((word) => {
      const button = Object.assign(document.createElement("button"), { type: "button", textContent: word });
      button.setAttribute("aria-pressed", word === "all");
      button.addEventListener("click", () => {
        box.querySelectorAll("button").forEach((b) => b.setAttribute("aria-pressed", b === button));
        body().forEach((row) => { row.hidden = word !== "all" && !row.querySelector(`.smtplab-${word}`); });
      });
      box.append(button);
    });
  };
  // itables builds its table a moment after the page; records in it get their buttons then.
  new MutationObserver(copyable).observe(document.getElementById("all-findings"), { childList: true, subtree: true });
  draw(); copyable(); filters();
  window.addEventListener("beforeprint", () => figures.forEach((_, i) => Plotly.Plots.resize(`figure-${i}`)));
})();
