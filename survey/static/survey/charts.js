// Charts of the report: a word shows its pictures; "Explore" redraws a chart with tooltips, and points with zoom.
// Without this module everything is there as pictures and tables.

const PICTURES = 12;

// --- a word's pictures --------------------------------------------------------------------------

const known = JSON.parse(document.getElementById("word-pictures")?.textContent ?? "{}");
const card = document.createElement("div");
card.className = "report-card";
card.hidden = true;
document.body.append(card);

function wordAt(target) {
  const mark = target.closest?.("[data-word], [aria-label^='word:']");
  return mark && (mark.dataset.word ?? mark.getAttribute("aria-label").slice("word:".length));
}

function show(word, x, y) {
  const pictures = Object.hasOwn(known, word) ? known[word] : [];
  if (!pictures.length) return hide();
  if (card.hidden || card.dataset.of !== word) {
    card.dataset.of = word;
    const name = document.createElement("strong");
    name.lang = "ja";
    name.textContent = word;
    const images = pictures.slice(0, PICTURES).map(({ src, alt }) => {
      const image = new Image(96, 96);
      image.alt = alt;
      image.src = src;
      return image;
    });
    card.replaceChildren(name, ...images);
    card.hidden = false;
  }
  place(card, x, y);
}

function hide() {
  card.hidden = true;
}

/** Beside the point, inside the window. */
function place(box, x, y) {
  const left = Math.min(x + 14, innerWidth - box.offsetWidth - 8);
  const below = y + 18;
  const top = below + box.offsetHeight < innerHeight ? below : y - box.offsetHeight - 14;
  box.style.left = `${Math.max(left, 8)}px`;
  box.style.top = `${Math.max(top, 8)}px`;
}

for (const chart of document.querySelectorAll("[data-chart]")) {
  chart.addEventListener("pointermove", (event) => {
    if (event.pointerType !== "mouse") return;
    const word = wordAt(event.target);
    if (word) show(word, event.clientX, event.clientY);
    else hide();
  });
  chart.addEventListener("pointerleave", (event) => {
    if (event.pointerType === "mouse") hide();
  });
  chart.addEventListener("focusin", (event) => {
    const word = event.target.matches("a[data-word]") && event.target.dataset.word;
    const box = event.target.getBoundingClientRect();
    if (word) show(word, box.right, box.top);
  });
  chart.addEventListener("focusout", hide);
}
// A tap shows the pictures, a tap anywhere else puts them away.
addEventListener("click", (event) => {
  const word = event.target.closest?.("[data-plot]") && wordAt(event.target);
  if (word) show(word, event.clientX, event.clientY);
  else hide();
});
addEventListener("keydown", (event) => {
  if (event.key === "Escape") hide();
});
addEventListener("scroll", hide, { passive: true });

// --- explore ------------------------------------------------------------------------------------

const tip = document.createElement("dl");
tip.className = "report-card report-tip";
tip.hidden = true;
document.body.append(tip);

/** Vega's own tooltip writes a style element, which the page's policy forbids. */
function tooltip(_handler, event, _item, value) {
  tip.hidden = value === null || typeof value !== "object";
  if (tip.hidden) return;
  tip.replaceChildren(
    ...Object.entries(value).flatMap(([name, text]) => {
      const [term, detail] = [document.createElement("dt"), document.createElement("dd")];
      term.textContent = name;
      detail.textContent = text;
      return [term, detail];
    }),
  );
  place(tip, event.clientX, event.clientY);
}

async function library(address) {
  if (!window.stylestudyVega) await import(address);
  return window.stylestudyVega;
}

async function explore(button, plot) {
  const wanted = new URL(button.dataset.explore, location.href);
  wanted.searchParams.set("width", Math.round(plot.clientWidth));
  wanted.searchParams.set("theme", matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
  const [embed, answer] = await Promise.all([library(button.dataset.library), fetch(wanted)]);
  if (!answer.ok) throw new Error(`${answer.status}`);
  const stage = document.createElement("div");
  await embed(stage, await answer.json(), {
    // The interpreter of expressions: no eval, which the page's policy forbids.
    ast: true,
    actions: false,
    defaultStyle: false,
    renderer: "svg",
    tooltip,
  });
  return stage;
}

for (const button of document.querySelectorAll("[data-explore]")) {
  const chart = button.closest("[data-chart]");
  const plot = chart.querySelector("[data-plot]");
  const state = chart.querySelector("[role='status']");
  const still = [...plot.children];
  button.hidden = false;
  button.addEventListener("click", async () => {
    state.textContent = "";
    if (button.getAttribute("aria-pressed") === "true") {
      plot.replaceChildren(...still);
      button.setAttribute("aria-pressed", "false");
      return;
    }
    button.disabled = true;
    try {
      plot.replaceChildren(await explore(button, plot));
      button.setAttribute("aria-pressed", "true");
    } catch (error) {
      console.error(error);
      state.textContent = state.dataset.failed;
    } finally {
      button.disabled = false;
    }
  });
}
