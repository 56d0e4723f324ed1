/* Draws the stored figures, switches light and dark, and makes the table of findings searchable. */
const root = document.documentElement;
const all = (selector, within = document) => [...within.querySelectorAll(selector)];
const read = (id) => JSON.parse(document.getElementById(id).textContent);
const make = (words, className = "") =>
  Object.assign(document.createElement("button"), { type: "button", textContent: words, className });

/* Light and dark. Figures are stored in light colours; every light colour has one dark twin. */
const figures = read("figures");
const swaps = read("swaps");
const night = window.matchMedia("(prefers-color-scheme: dark)");
const isDark = () => (root.dataset.theme || (night.matches ? "dark" : "light")) === "dark";

const swap = (value) => {
  if (typeof value === "string") return swaps[value.toLowerCase()] || value;
  if (Array.isArray(value)) return value.map(swap);
  if (value && typeof value === "object")
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, swap(inner)]));
  return value;
};

const config = {
  displaylogo: false,
  responsive: true,
  // A report of losses is nobody else's: plotly offers an upload to its own cloud by default.
  showSendToCloud: false,
  plotlyServerURL: "",
  modeBarButtonsToRemove: ["sendChartToCloud", "lasso2d", "select2d", "autoScale2d", "zoomIn2d", "zoomOut2d"],
};

// On a narrow page long names are cut, or they would leave no room, numbers below stand wide apart, and a finger
// moves the page instead of the figure.
const cut = (line, most) => (line.length > most ? `${line.slice(0, most - 1).trimEnd()}…` : line);
const short = (name, most = 24) => name.split("<br>").map((line) => cut(line, most)).join("<br>");
const fit = ({ data, layout }, number) => {
  if (document.getElementById(`figure-${number}`).clientWidth >= 560) return;
  layout.dragmode = false;
  data.filter((trace) => trace.type === "sankey").forEach(({ node, link, textfont }) => {
    const middle = (n) => link.source.includes(n) && link.target.includes(n);
    node.label = node.label.map((name, n) => (middle(n) ? short(name, 16) : name));
    textfont.size = 10;
    Object.assign(layout.margin, { l: 4, r: 4 });
  });
  const names = [...new Set(data.flatMap((trace) => (Array.isArray(trace.y) ? trace.y : [])))];
  if (!names.length || !names.every((name) => typeof name === "string")) return;
  Object.assign(layout.yaxis, { tickmode: "array", tickvals: names, ticktext: names.map((name) => short(name)) });
  if (layout.xaxis.type !== "category") layout.xaxis.nticks = 4;
};

const draw = async (dark = isDark(), width = undefined) => {
  root.dataset.drawn = "0";
  await Promise.all(
    figures.map((figure, number) => {
      const { data, layout } = structuredClone(dark ? swap(figure) : figure);
      if (!width) fit({ data, layout }, number);
      return Plotly.react(`figure-${number}`, data, { ...layout, autosize: !width, width }, config);
    }),
  );
  root.dataset.drawn = String(all(".plot.js-plotly-plot .main-svg:first-child").length);
};

const theme = document.getElementById("toggle-theme");
const show = () => {
  theme.textContent = isDark() ? "Light" : "Dark";
  return draw();
};
theme.addEventListener("click", () => {
  root.dataset.theme = isDark() ? "light" : "dark";
  show();
});
night.addEventListener("change", show);
// Paper is light and as wide as A4 between its margins.
window.addEventListener("beforeprint", () => draw(false, 680));
window.addEventListener("afterprint", () => draw());

/* Code is there for those who want to see the working. */
const code = document.getElementById("toggle-code");
code.addEventListener("click", () => {
  const shown = root.classList.toggle("show-code");
  code.setAttribute("aria-pressed", shown);
  code.textContent = shown ? "Hide code" : "Show code";
  all("details.code").forEach((each) => { each.open = shown; });
});

/* Records are copied as they stand; from a file there may be no clipboard, then the text is left selected. */
all(".smtplab-record").forEach((block) => {
  const button = make("Copy", "copy");
  button.setAttribute("aria-label", "Copy this record");
  button.addEventListener("click", () => {
    getSelection().selectAllChildren(block.querySelector("code"));
    button.textContent = document.execCommand("copy") ? "Copied" : "Selected";
    setTimeout(() => { button.textContent = "Copy"; }, 1500);
  });
  block.prepend(button);
});

/* The table of findings. */
const table = document.getElementById("findings-table");
if (table) {
  const findings = new window.DataTable(table, {
    paging: false,
    autoWidth: false,
    order: [[0, "asc"]],
    columnDefs: [{ targets: 2, orderable: false }],
    layout: { topStart: "search", topEnd: null, bottomStart: "info", bottomEnd: null },
    language: {
      search: "Search",
      info: "_TOTAL_ findings",
      infoEmpty: "No finding matches",
      infoFiltered: "of _MAX_",
      zeroRecords: "No finding matches.",
    },
  });
  let chosen = "all";
  findings.search.fixed("severity", (_text, _data, index) =>
    chosen === "all" || findings.row(index).node().dataset.severity === chosen);
  const box = document.querySelector(".filters");
  const present = new Set(all("tbody tr", table).map((row) => row.dataset.severity));
  ["all", ...present].forEach((word) => {
    const button = make(word);
    button.setAttribute("aria-pressed", word === "all");
    button.addEventListener("click", () => {
      chosen = word;
      all("button", box).forEach((each) => each.setAttribute("aria-pressed", each === button));
      findings.draw();
    });
    box.append(button);
  });
}

/* What is wider than its room fades out at the side on which there is more, and can be moved with the keys. */
all(".room, .output").forEach((room) => {
  const look = () => {
    room.classList.toggle("more", room.scrollLeft + room.clientWidth < room.scrollWidth - 2);
    room.tabIndex = room.scrollWidth > room.clientWidth + 2 ? 0 : -1;
  };
  room.addEventListener("scroll", look, { passive: true });
  new ResizeObserver(look).observe(room.firstElementChild || room);
  new ResizeObserver(look).observe(room);
});

/* The contents follow the reader. */
const links = new Map(all(".contents a").map((link) => [link.hash.slice(1), link]));
const watch = new IntersectionObserver(
  (entries) => entries.filter((entry) => entry.isIntersecting).forEach((entry) => {
    links.forEach((link) => link.removeAttribute("aria-current"));
    links.get(entry.target.id).setAttribute("aria-current", "true");
  }),
  { rootMargin: "-10% 0px -75% 0px" },
);
links.forEach((_, id) => { const part = document.getElementById(id); if (part) watch.observe(part); });

await show();
