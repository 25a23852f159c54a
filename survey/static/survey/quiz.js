// A step of a participation, with comfort and measures; every page works without. What is measured is
// named in survey/forms.py.
import { enlargeable, fetchAhead, painted, settle } from "./pictures.js";
import { kept, newKey, send } from "./send.js";

// Pictures that the script has not shown by then are shown by the style sheet.
const SHOWN_ANYHOW = 8000;
// The second click of a double click is no answer.
const DOUBLE_CLICK = 300;

let step = null;
let how = ""; // mouse, touch, pen or key: what was used last
let before = null; // the option that was chosen when the pointer went down

function setUp() {
  const form = document.querySelector("form[data-quiz]");
  step = form && {
    form,
    options: [...form.querySelectorAll("[name=slot]")],
    pictures: [...form.querySelectorAll(".stimuli img")],
    oneTap: "oneTap" in form.dataset,
    ...{ ready: false, sending: false, durable: true, onset: 0, kind: "", chosen: 0, choices: 0 },
    ...{ enlarged: 0, losses: 0, away: false, hidden: 0, hiddenSince: 0 },
  };
  const answer = kept.read();
  // The server is further: it has this answer, or another one.
  if (answer && answer.trial !== form?.elements.trial?.value) kept.drop(answer.key);
  if (!step) return;
  form.addEventListener("submit", submitted);
  if (!step.options.length) {
    step.ready = true;
    return;
  }
  form.addEventListener("change", changed);
  form.addEventListener("click", clicked);
  lock(true);
  reveal(step);
  const slot = step.options.find((option) => option.value === answer?.slot);
  if (answer && slot && answer.trial === form.elements.trial.value) {
    slot.checked = true;
    deliver(step, answer);
  }
}

function lock(locked) {
  for (const control of [...step.options, step.form.querySelector("[type=submit]")]) {
    control.disabled = locked;
  }
}

/** Show the pictures when all are there, note the time, and let the person answer. */
async function reveal(mine) {
  const { form, pictures } = mine;
  // The style sheet's clock starts with the page.
  const begun = form.dataset.swapped === undefined ? 0 : performance.now();
  let kind = await settle(pictures);
  const broken = form.querySelector("[data-broken]");
  while (kind === "failed" && step === mine) {
    broken.hidden = false;
    await new Promise((again) => {
      broken.querySelector("button").onclick = again;
      addEventListener("online", again, { once: true });
    });
    broken.hidden = true;
    for (const picture of pictures.filter((p) => !p.naturalWidth)) picture.src = picture.src;
    kind = await settle(pictures);
  }
  if (step !== mine) return;
  const late = performance.now() - begun > SHOWN_ANYHOW;
  mine.kind = document.hidden ? "hidden" : late ? "loaded" : kind;
  form.dataset.shown = "";
  const onset = await painted();
  if (step !== mine) return;
  mine.onset = onset;
  mine.ready = true;
  if (!mine.sending) lock(false);
  enlargeable(form, () => mine.enlarged++);
  fetchAhead(form.dataset.ahead.split(" ").filter(Boolean));
}

// --- choosing ---------------------------------------------------------------------------------

document.addEventListener(
  "pointerdown",
  (event) => {
    how = event.pointerType;
    before = step?.form.querySelector("[name=slot]:checked");
  },
  true,
);

document.addEventListener("keydown", (event) => {
  how = "key";
  const { target } = event;
  if (!step || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  if (document.querySelector("dialog[open]")) return;
  if (target.closest?.("textarea, select, [contenteditable], input:not([type=radio])")) return;
  if (event.key === "Enter") {
    if (target.closest?.("a, button")) return;
    event.preventDefault();
    if (!event.repeat) step.form.requestSubmit();
    return;
  }
  // The code: on some keyboards digits need Shift. One character: not End on a keypad without NumLock.
  const digit = /^(?:Digit|Numpad)(\d)$/.exec(event.code)?.[1] ?? event.key;
  const option = step.options[(Number(digit) || 10) - 1];
  if (!/^\d$/.test(digit) || event.key.length > 1 || event.repeat) return;
  if (!option || option.disabled || option.value === "not_sure") return;
  option.checked = true;
  option.focus({ preventScroll: true });
  option.dispatchEvent(new Event("change", { bubbles: true }));
  if (step.oneTap) step.form.requestSubmit();
});

function changed(event) {
  if (event.target.name !== "slot") return;
  step.chosen = performance.now();
  step.choices++;
  step.form.querySelector("[data-missing]").hidden = true;
  // Arrow keys walk from option to option: they do not answer.
  if (step.oneTap && how !== "key") step.form.requestSubmit();
}

/** A tap on the chosen option confirms it. */
function clicked(event) {
  const again = event.target.name === "slot" && event.target === before && how !== "key";
  if (again && performance.now() - step.chosen > DOUBLE_CLICK) step.form.requestSubmit();
}

// --- leaving the page for a while ---------------------------------------------------------------

function watch() {
  if (!step) return;
  const now = performance.now();
  if (document.hidden && !step.hiddenSince) step.hiddenSince = now;
  if (!document.hidden && step.hiddenSince) {
    step.hidden += now - step.hiddenSince;
    step.hiddenSince = 0;
  }
  const away = document.hidden || !document.hasFocus();
  // Hidden and without focus at once is one loss.
  if (away && !step.away && step.onset) step.losses++;
  step.away = away;
}
document.addEventListener("visibilitychange", watch);
addEventListener("blur", watch);
addEventListener("focus", watch);

// --- sending ------------------------------------------------------------------------------------

function submitted(event) {
  event.preventDefault();
  if (!step.ready || step.sending) return;
  const { form, options } = step;
  const now = performance.now();
  const chosen = options.find((option) => option.checked);
  if (!options.length) {
    deliver(step, null);
  } else if (!chosen) {
    if (now - step.onset > DOUBLE_CLICK) form.querySelector("[data-missing]").hidden = false;
  } else if (!step.oneTap || now - step.onset > DOUBLE_CLICK / 2) {
    const trial = form.elements.trial.value;
    deliver(step, { trial, slot: chosen.value, key: newKey(), measures: measures(now) });
  }
}

function measures(now) {
  const picture = step.pictures[0];
  return {
    response_ms: tenths(now - step.onset),
    chosen_ms: tenths(step.chosen - step.onset),
    onset: step.kind,
    input: how,
    focus_losses: step.losses,
    hidden_ms: tenths(step.hidden),
    viewport_width: innerWidth,
    viewport_height: innerHeight,
    device_pixel_ratio: devicePixelRatio,
    picture_width: tenths(picture.getBoundingClientRect().width),
    picture_pixels: picture.naturalWidth,
    changes: Math.max(step.choices - 1, 0),
    enlarged: step.enlarged,
  };
}

const tenths = (value) => Math.round(value * 10) / 10;

/** Send an answer (null: just go on), and show what comes next once the server has it. */
async function deliver(mine, answer) {
  const { form } = mine;
  mine.sending = true;
  lock(true);
  if (answer) mine.durable = kept.write(answer);
  let told = false;
  const say = (what) => {
    told = true;
    tell(what === "waiting" && !mine.durable ? "open" : what);
  };
  const body = (attempt) => {
    const fields = new URLSearchParams();
    for (const input of form.querySelectorAll("input[type=hidden]")) fields.set(input.name, input.value);
    if (answer) {
      fields.set("slot", answer.slot);
      fields.set("key", answer.key);
      fields.set("measures", JSON.stringify({ ...answer.measures, attempts: attempt }));
      if (navigator.webdriver) fields.set("webdriver", "on");
    }
    return fields;
  };
  let got = await send(form.action, body, say);
  if (got.status === 403 && (await renewed(form))) got = await send(form.action, body, say);
  if (step !== mine) return;
  // Any other status may be somebody else's: a proxy's, a hotel's. A reload sends the answer again.
  if (got.status === 200 || got.status === 422) {
    if (answer) kept.drop(answer.key);
    swap(got.html);
    if (got.said === "kept") tell("kept");
    else if (told && got.said === "stored") tell("saved");
  } else {
    mine.sending = false;
    tell("lost");
    if (mine.ready) lock(false);
  }
}

/** A fresh token against forged requests: the cookie may have gone. */
async function renewed(form) {
  try {
    const page = parsed(await (await fetch(form.action)).text());
    form.elements.csrfmiddlewaretoken.value = page.querySelector("[name=csrfmiddlewaretoken]").value;
    return true;
  } catch {
    return false;
  }
}

function tell(what) {
  const status = document.querySelector("[data-saving]");
  if (!status) return;
  status.dataset.said = what;
  status.textContent = status.dataset[what];
}

const parsed = (html) => new DOMParser().parseFromString(html, "text/html");

function swap(html) {
  const page = parsed(html);
  const known = [...document.head.children];
  const needed = page.head.querySelectorAll("script, link[rel=stylesheet]");
  // The last page has headers of its own (where a panel's form may be sent to), which only a request brings.
  const last = !page.querySelector("form[data-quiz]");
  if (last || [...needed].some((node) => !known.some((k) => k.isEqualNode(node)))) {
    location.reload();
    return;
  }
  document.title = page.title;
  document.documentElement.lang = page.documentElement.lang;
  page.querySelector("form[data-quiz]").setAttribute("data-swapped", "");
  document.body.replaceWith(page.body);
  scrollTo(0, 0);
  const heading = document.querySelector("h1");
  heading?.setAttribute("tabindex", "-1");
  heading?.focus({ preventScroll: true });
  setUp();
}

// A page from the browser's memory may be of a question that was answered since.
addEventListener("pageshow", (event) => {
  if (event.persisted) location.reload();
});

setUp();
